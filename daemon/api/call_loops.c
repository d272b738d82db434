#include "api/call_loops.h"

#include "api/call.h"
#include "fetch/fetch.h"
#include "fetch/loop.h"
#include "job/job.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <uv.h>

/* There and back: `there` is read by the download loop, which posts `back`. One that is under way
 * stays so until it comes back, however often it is asked for; the api's end waits for it. */
struct loop_ping {
    struct loops *loops;
    struct fetch_loop *loop;
    struct mail there, back;
    bool asked; /* and not answered */
};

/* A call that waits. Free once its timer is closed. */
struct asking {
    struct list link; /* loops->askings; none once it was answered */
    struct api_call *call;
    uv_timer_t timer;
};

struct loops {
    struct api *api;
    struct list askings;
    size_t count, missing; /* of the pings; those that are asked */
    struct loop_ping pings[];
};

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void answer(struct loops *loops, struct asking *asking)
{
    json_t *late = json_array();
    for (size_t i = 0; i < loops->count; i++)
        if (loops->pings[i].asked)
            json_array_append_new(late, json_integer((json_int_t)i));
    list_del(&asking->link);
    call_reply(asking->call,
               json_pack("{s:I, s:o}", "loops", (json_int_t)loops->count, "late", late));
    uv_close((uv_handle_t *)&asking->timer, on_closed);
}

static void on_deadline(uv_timer_t *timer)
{
    struct asking *asking = timer->data;
    answer(asking->call->api->loops, asking);
}

/* The download loop's thread. */
static void on_there(struct mail *mail)
{
    struct loop_ping *ping = container_of(mail, struct loop_ping, there);
    mailbox_post(ping->loops->api->config.mailbox, &ping->back);
}

static void on_back(struct mail *mail)
{
    struct loop_ping *ping = container_of(mail, struct loop_ping, back);
    struct loops *loops = ping->loops;
    ping->asked = false;
    loops->missing--;
    while (loops->missing == 0 && !list_empty(&loops->askings))
        answer(loops, container_of(loops->askings.next, struct asking, link));
    api_paid(loops->api); /* its last touch: the api may be gone now */
}

static void ping_all(struct loops *loops)
{
    for (size_t i = 0; i < loops->count; i++) {
        struct loop_ping *ping = &loops->pings[i];
        if (ping->asked)
            continue;
        ping->asked = true;
        loops->missing++;
        api_owe(loops->api);
        fetch_loop_post(ping->loop, &ping->there);
    }
}

void call_loops(struct api_call *call)
{
    struct loops *loops = call->api->loops;
    struct asking *asking = calloc(1, sizeof *asking);
    if (!asking) {
        call_reply(call, NULL);
        return;
    }
    asking->call = call;
    uv_timer_init(call->api->jobs->config.loop, &asking->timer);
    asking->timer.data = asking;
    uv_timer_start(&asking->timer, on_deadline, LOOPS_DEADLINE_MS, 0);
    list_add_tail(&loops->askings, &asking->link);
    ping_all(loops);
}

int loops_new(struct api *api, struct fetch *fetch, struct loops **ret)
{
    size_t count = fetch_loop_count(fetch);
    struct loops *loops = calloc(1, sizeof *loops + count * sizeof loops->pings[0]);
    if (!loops)
        return -ENOMEM;
    loops->api = api;
    loops->count = count;
    list_init(&loops->askings);
    for (size_t i = 0; i < count; i++) {
        struct loop_ping *ping = &loops->pings[i];
        ping->loops = loops;
        ping->loop = fetch_loop_at(fetch, i);
        mail_init(&ping->there, on_there);
        mail_init(&ping->back, on_back);
    }
    *ret = loops;
    return 0;
}

void loops_free(struct loops *loops)
{
    assert(!loops || (loops->missing == 0 && list_empty(&loops->askings)));
    free(loops);
}
