#include "service.h"

#include "base/buf.h"
#include "base/clock.h"
#include "notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#define TURN_MS      5000 /* between two looks, at most */
#define TURNS_A_SPAN 4    /* of the watchdog */
#define MAX_SINKS    16   /* whose trouble is told */

int service_socket(struct error *err, int *ret_fd)
{
    char **names = NULL, count[32];
    const char *text = getenv("LISTEN_FDS");
    snprintf(count, sizeof count, "%s", text ? text : "");
    int n = sd_listen_fds_with_names(1, &names); /* 1: children shall not take it for theirs */
    for (char **name = names; name && *name; name++)
        free(*name);
    free(names);
    if (n < 0)
        return error_set(err, n,
                         "the sockets of the service manager (LISTEN_FDS=%s and LISTEN_PID): %s",
                         count, strerror(-n));
    if (n > 1)
        return error_set(err, -EINVAL,
                         "the service manager gave %d sockets: one ListenStream= is wanted", n);
    *ret_fd = n == 1 ? SD_LISTEN_FDS_START : -1;
    return 0;
}

/* What state it is in: said until the manager has taken it, or the next one takes its place. */
static void say_owed(struct service *s)
{
    if (s->owed[0] && notify_send(s->owed) != -EAGAIN)
        s->owed[0] = '\0';
}

/* --- STATUS ----------------------------------------------------------------------------------- */

static void put_troubles(struct service *s, struct buf *b)
{
    struct sink_status sinks[MAX_SINKS];
    size_t n = sink_statuses(s->parts.sink, sinks, MAX_SINKS);
    for (size_t i = 0; i < n && i < MAX_SINKS; i++)
        if (sinks[i].error)
            buf_printf(b, "; sink %s: %s", sinks[i].target, strerror(sinks[i].error));
    if (store_failing(s->parts.store))
        buf_puts(b, "; the store fails");
}

static void put_figures(struct service *s, struct buf *b)
{
    unsigned running;
    uint64_t pending;
    struct store_counts counts;
    jobs_figures(s->parts.jobs, &running, &pending);
    s->parts.store->engine->counts(s->parts.store, &counts);
    buf_printf(b, "%u running, %" PRIu64 " waiting", running,
               pending > running ? pending - running : 0);
    buf_printf(b, "; %" PRIu64 " done, %" PRIu64 " failed, %" PRIu64 " cancelled",
               counts.by_state[JOB_DONE], counts.by_state[JOB_FAILED],
               counts.by_state[JOB_CANCELLED]);
}

/* Said only if it is news. */
static void say_status(struct service *s)
{
    struct buf b = BUF_INIT;
    buf_puts(&b, "STATUS=");
    buf_puts(&b, s->stopping ? "Draining: " : "");
    put_figures(s, &b);
    put_troubles(s, &b);
    buf_putc(&b, '\0');
    if (!b.failed && strncmp(b.data, s->said, sizeof s->said - 1) != 0) {
        if (notify_send(b.data) == 0)
            strncpy(s->said, b.data, sizeof s->said - 1);
    }
    buf_deinit(&b);
}

static void on_timer(uv_timer_t *timer)
{
    struct service *s = timer->data;
    say_owed(s);
    say_status(s);
    watchdog_turn(&s->watchdog);
}

/* --- a life ----------------------------------------------------------------------------------- */

static uint64_t turn_ms(const struct service *s)
{
    uint64_t ms = s->watchdog.span / NS_PER_MS / TURNS_A_SPAN;
    return ms == 0 || ms > TURN_MS ? TURN_MS : ms;
}

int service_start(struct service *s, const struct service_parts *parts, struct error *err)
{
    *s = (struct service){.parts = *parts, .managed = getenv("NOTIFY_SOCKET") != NULL};
    if (!s->managed)
        return 0;
    int r = watchdog_init(&s->watchdog, parts->mailbox, parts->fetch, parts->store);
    if (r == 0)
        r = uv_timer_init(parts->loop, &s->timer);
    if (r < 0)
        return error_set(err, r, "the watchdog cannot be set up: %s", uv_strerror(r));
    s->timer.data = s;
    s->running = true;
    uv_timer_start(&s->timer, on_timer, turn_ms(s), turn_ms(s));
    service_reloaded(s);
    on_timer(&s->timer);
    return 0;
}

void service_reloading(struct service *s)
{
    snprintf(s->owed, sizeof s->owed, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_now() / 1000);
    say_owed(s);
}

void service_reloaded(struct service *s)
{
    snprintf(s->owed, sizeof s->owed, "READY=1");
    say_owed(s);
    service_changed(s);
}

void service_stopping(struct service *s)
{
    s->stopping = true;
    snprintf(s->owed, sizeof s->owed, "STOPPING=1");
    say_owed(s);
    service_changed(s);
}

void service_changed(struct service *s)
{
    if (s->running)
        say_status(s);
}

void service_stop(struct service *s)
{
    if (!s->running)
        return;
    s->running = false;
    uv_close((uv_handle_t *)&s->timer, NULL);
}

void service_deinit(struct service *s)
{
    watchdog_deinit(&s->watchdog);
}
