#include "job/wake.h"

#include "base/clock.h"
#include "base/list.h"

#include <assert.h>

#define REAL_MAX (60 * NS_PER_SEC) /* between two looks at the day's clock, which may be set */

static int by_time(const struct tree_node *a, const struct tree_node *b)
{
    const struct wake_timer *x = container_of(a, struct wake_timer, node);
    const struct wake_timer *y = container_of(b, struct wake_timer, node);
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return a < b ? -1 : a > b;
}

static struct wake_timer *first(const struct tree *tree)
{
    return tree_entry(tree_first(tree), struct wake_timer, node);
}

/* --- the loop's timer ------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);

static void arm(struct wake *wake, uint64_t at)
{
    uint64_t now = clock_now();
    if ((wake->at && wake->at <= at) || uv_is_closing((uv_handle_t *)&wake->timer))
        return;
    wake->at = at;
    uv_update_time(wake->loop);
    /* Rounded up, and never 0: libuv 1.44 runs a 0 ms timer that is set in its own callback at
     * once. */
    uint64_t ms = at > now ? (at - now + NS_PER_MS - 1) / NS_PER_MS : 1;
    uv_timer_start(&wake->timer, on_timer, ms > 0 ? ms : 1, 0);
}

static uint64_t loop_time(const struct wake *wake, const struct wake_timer *timer)
{
    if (!timer->real)
        return (uint64_t)timer->at;
    int64_t wait = timer->at - wake->calls->now(wake->arg);
    uint64_t ns = wait > 0 ? (uint64_t)wait * 1000 : 0;
    return clock_now() + (ns < REAL_MAX ? ns : REAL_MAX);
}

static void ring(struct wake *wake, struct tree *tree, int64_t now)
{
    struct wake_timer *timer;
    while ((timer = first(tree)) && timer->at <= now) {
        wake_stop(wake, timer);
        wake->calls->ring(wake->arg, timer);
    }
    if (timer)
        arm(wake, loop_time(wake, timer));
}

/* Who sets its timer again from within the call sets it for later than `now`. */
static void on_timer(uv_timer_t *timer)
{
    struct wake *wake = timer->data;
    wake->at = 0;
    ring(wake, &wake->timers, (int64_t)clock_now());
    ring(wake, &wake->real_timers, wake->calls->now(wake->arg));
}

/* --- timers ----------------------------------------------------------------------------------- */

void wake_timer_init(struct wake_timer *timer, enum wake_kind kind)
{
    *timer = (struct wake_timer){.kind = kind};
}

static void timer_set(struct wake *wake, struct wake_timer *timer, int64_t at, bool real)
{
    assert(mailbox_is_current(wake->mailbox));
    wake_stop(wake, timer);
    timer->at = at > 0 ? at : 1;
    timer->real = real;
    tree_insert(real ? &wake->real_timers : &wake->timers, &timer->node);
    arm(wake, loop_time(wake, timer));
}

void wake_at(struct wake *wake, struct wake_timer *timer, uint64_t at)
{
    timer_set(wake, timer, (int64_t)at, false);
}

void wake_at_real(struct wake *wake, struct wake_timer *timer, int64_t at_us)
{
    timer_set(wake, timer, at_us, true);
}

void wake_by(struct wake *wake, struct wake_timer *timer, uint64_t at)
{
    assert(!timer->at || !timer->real);
    if (!timer->at || (int64_t)at < timer->at)
        wake_at(wake, timer, at);
}

void wake_stop(struct wake *wake, struct wake_timer *timer)
{
    if (timer->at)
        tree_remove(timer->real ? &wake->real_timers : &wake->timers, &timer->node);
    timer->at = 0;
}

/* --- mails ------------------------------------------------------------------------------------ */

static void on_admit(struct mail *mail)
{
    struct wake *wake = container_of(mail, struct wake, admit_mail);
    wake->calls->admit(wake->arg);
}

static void on_drained(struct mail *mail)
{
    struct wake *wake = container_of(mail, struct wake, drained_mail);
    wake->calls->drained(wake->arg);
}

static void on_recover(struct mail *mail)
{
    struct wake *wake = container_of(mail, struct wake, recover_mail);
    wake->calls->recover(wake->arg);
}

int wake_init(struct wake *wake, uv_loop_t *loop, struct mailbox *mailbox,
              const struct wake_calls *calls, void *arg)
{
    *wake = (struct wake){.calls = calls, .arg = arg, .loop = loop, .mailbox = mailbox};
    mail_init(&wake->admit_mail, on_admit);
    mail_init(&wake->drained_mail, on_drained);
    mail_init(&wake->recover_mail, on_recover);
    tree_init(&wake->timers, by_time);
    tree_init(&wake->real_timers, by_time);
    wake->timer.data = wake;
    return uv_timer_init(loop, &wake->timer);
}

static void on_last_mail(struct mail *mail)
{
    struct wake *wake = container_of(mail, struct wake, last_mail);
    wake->closed(wake->arg); /* which may free it */
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct wake *wake = handle->data;
    mail_init(&wake->last_mail, on_last_mail);
    mailbox_post(wake->mailbox, &wake->last_mail);
}

void wake_close(struct wake *wake, void (*closed)(void *arg))
{
    wake->closed = closed;
    uv_close((uv_handle_t *)&wake->timer, on_timer_closed);
}

void wake_admit(struct wake *wake)
{
    mailbox_post(wake->mailbox, &wake->admit_mail);
}

void wake_drained(struct wake *wake)
{
    if (wake->draining)
        mailbox_post(wake->mailbox, &wake->drained_mail);
}

void wake_recover(struct wake *wake)
{
    mailbox_post(wake->mailbox, &wake->recover_mail);
}
