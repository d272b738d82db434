#include "fetch/spares.h"

#include "fetch/libcurl.h"
#include "fetch/loop_impl.h"
#include "fetch/setup.h"

#include <stdlib.h>

#define SPARES_MAX 64 /* handles kept for reuse by one loop */

/* A handle that was reset has forgotten CURLOPT_NOSIGNAL, and then its cleanup sets SIGPIPE's
 * action three times, for each of which the kernel walks all threads of the process: with thousands
 * of parsers that is most of what a small download costs. */
static void handle_free(CURL *easy)
{
    if (easy)
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_cleanup(easy);
}

static void on_timer_closed(uv_handle_t *h)
{
    free(container_of(h, struct transfer_impl, timer));
}

static void impl_free(struct transfer_impl *impl)
{
    handle_free(impl->easy);
    curl_url_cleanup(impl->url);
    uv_close((uv_handle_t *)&impl->timer, on_timer_closed);
}

static struct transfer_impl *impl_new(struct fetch_loop *loop)
{
    struct transfer_impl *impl = calloc(1, sizeof *impl);
    if (!impl)
        return NULL;
    list_init(&impl->link);
    list_init(&impl->report.link);
    list_init(&impl->rate_link);
    list_init(&impl->turn_link);
    impl->loop = loop;
    impl->socket = -1;
    impl->easy = curl_easy_init();
    impl->url = curl_url();
    if (!impl->easy || !impl->url) {
        handle_free(impl->easy);
        curl_url_cleanup(impl->url);
        free(impl);
        return NULL;
    }
    uv_timer_init(&loop->uv, &impl->timer);
    return impl;
}

struct transfer_impl *spares_take(struct fetch_loop *loop)
{
    struct list *e = list_pop(&loop->spares);
    if (!e)
        return impl_new(loop);
    loop->spare_count--;
    return container_of(e, struct transfer_impl, link);
}

static bool renew(struct transfer_impl *impl)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        return false;
    handle_free(impl->easy);
    impl->easy = easy;
    return true;
}

void spares_put(struct transfer_impl *impl)
{
    struct fetch_loop *loop = impl->loop;
    setup_reset(impl);
    if (loop->spare_count >= SPARES_MAX || (!libcurl_handles_last() && !renew(impl))) {
        impl_free(impl);
        return;
    }
    list_add_head(&loop->spares, &impl->link);
    loop->spare_count++;
}

void spares_free(struct fetch_loop *loop)
{
    struct list *e;
    while ((e = list_pop(&loop->spares)))
        impl_free(container_of(e, struct transfer_impl, link));
    loop->spare_count = 0;
}
