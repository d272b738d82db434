#include "fetch/transfer_impl.h"

#include "fetch/loop_impl.h"
#include "fetch/shortage.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* --- the result ------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 0))) static void set_message(struct transfer_result *result,
                                                              const char *fmt, va_list ap)
{
    vsnprintf(result->message, sizeof result->message, fmt, ap);
    for (char *p = result->message; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
}

bool impl_is_starved(const struct transfer_impl *impl)
{
    return shortage_count() != impl->shortages;
}

void impl_fail(struct transfer_impl *impl, enum error_kind kind, const char *fmt, ...)
{
    if (impl->settled)
        return;
    impl->settled = true;
    impl->result.kind = kind;
    if (impl_is_starved(impl) && !impl->result.stopped && impl->stage < STAGE_BODY) {
        impl->result.kind = KIND_RESOURCES;
        fmt = "there was no memory for all of the request or its answer";
    }
    va_list ap;
    va_start(ap, fmt);
    set_message(&impl->result, fmt, ap);
    va_end(ap);
}

void impl_stop(struct transfer_impl *impl)
{
    if (!impl->settled)
        impl->result.stopped = true;
    impl_fail(impl, KIND_INTERNAL, "stopped");
}

const char *impl_at(const struct transfer_impl *impl, char *text, size_t size)
{
    if (impl->proxied)
        snprintf(text, size, "%s port %d through the proxy %s", impl->host, impl->port,
                 impl->proxy);
    else if (impl->result.address[0] && strcmp(impl->result.address, impl->host) != 0)
        snprintf(text, size, "%s port %d (%s)", impl->host, impl->port, impl->result.address);
    else
        snprintf(text, size, "%s port %d", impl->host, impl->port);
    return text;
}

/* --- curl and the loop ------------------------------------------------------------------------ */

void impl_leave_curl(struct transfer_impl *impl)
{
    if (!impl->added)
        return;
    multi_socket_mask(&impl->loop->multi, impl->socket, false);
    impl->socket = -1; /* its number may be another connection's from now on */
    curl_multi_remove_handle(impl->loop->multi.handle, impl->easy);
    impl->added = false;
}

void impl_end_soon(struct transfer_impl *impl, CURLcode code)
{
    multi_report(&impl->loop->multi, &impl->report, impl->easy, code);
}

void impl_tell_turns(struct multi *multi)
{
    struct fetch_loop *loop = container_of(multi, struct fetch_loop, multi);
    struct list *e;
    while ((e = list_pop(&loop->turns))) {
        struct transfer *t = container_of(e, struct transfer_impl, turn_link)->t;
        t->ops->on_turn(t);
    }
}
