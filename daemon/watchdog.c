#include "watchdog.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "fetch/loop.h"
#include "notify.h"

#include <errno.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

/* There and back: `there` is read by the fetch loop, which posts `back`. */
struct watchdog_ping {
    struct watchdog *watchdog;
    struct fetch_loop *loop;
    struct mail there, back;
    bool asked; /* and not answered */
};

static void one_answer(struct watchdog *w)
{
    if (--w->missing > 0)
        return;
    if (w->told)
        log_info("all threads answer again, after %.1f s",
                 (double)(clock_now() - w->asked_at) / (double)NS_PER_SEC);
    (void)notify_send("WATCHDOG=1"); /* if not now, then after the next round */
}

/* The fetch loop's thread. */
static void on_there(struct mail *mail)
{
    struct watchdog_ping *ping = container_of(mail, struct watchdog_ping, there);
    mailbox_post(ping->watchdog->home, &ping->back);
}

static void on_back(struct mail *mail)
{
    struct watchdog_ping *ping = container_of(mail, struct watchdog_ping, back);
    ping->asked = false;
    one_answer(ping->watchdog);
}

static void on_store(struct mail *mail)
{
    struct watchdog *w = container_of(mail, struct watchdog, get.call.mail);
    store_job_free(w->get.job); /* there is no job 0, and if there were, it would be ours */
    w->get.job = NULL;
    w->store_asked = false;
    one_answer(w);
}

int watchdog_init(struct watchdog *w, struct mailbox *home, struct fetch *fetch,
                  struct store *store)
{
    uint64_t usec = 0;
    *w = (struct watchdog){.home = home, .store = store};
    if (sd_watchdog_enabled(0, &usec) <= 0)
        return 0;
    w->pings = calloc(fetch_loop_count(fetch), sizeof *w->pings);
    if (!w->pings)
        return -ENOMEM;
    w->count = fetch_loop_count(fetch);
    for (size_t i = 0; i < w->count; i++) {
        struct watchdog_ping *ping = &w->pings[i];
        ping->watchdog = w;
        ping->loop = fetch_loop_at(fetch, i);
        mail_init(&ping->there, on_there);
        mail_init(&ping->back, on_back);
    }
    mail_init(&w->get.call.mail, on_store);
    w->span = usec * 1000;
    return 0;
}

void watchdog_deinit(struct watchdog *w)
{
    free(w->pings);
    w->pings = NULL;
    w->count = 0;
}

/* In time for the log to have it: after half the span. */
static void tell_late(struct watchdog *w)
{
    if (w->told || clock_now() - w->asked_at < w->span / 2)
        return;
    w->told = true;
    for (size_t i = 0; i < w->count; i++)
        if (w->pings[i].asked)
            log_error(
                "thread fetch-%zu does not answer: if it stays so, the watchdog ends the daemon",
                i);
    if (w->store_asked)
        log_error(
            "the store's thread does not answer: if it stays so, the watchdog ends the daemon");
}

void watchdog_turn(struct watchdog *w)
{
    if (w->span == 0)
        return;
    if (w->missing > 0) {
        tell_late(w);
        return;
    }
    w->told = false;
    w->asked_at = clock_now();
    w->missing = w->count + 1;
    for (size_t i = 0; i < w->count; i++) {
        w->pings[i].asked = true;
        fetch_loop_post(w->pings[i].loop, &w->pings[i].there);
    }
    w->store_asked = true;
    w->store->engine->get(w->store, &w->get);
}
