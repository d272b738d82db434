#include "job/wake.h"

#include "base/clock.h"
#include "base/list.h"

#include <assert.h>

static void on_timer(uv_timer_t *timer)
{
    struct wake *wake = timer->data;
    wake->at = 0;
    wake->calls->due(wake->arg);
}

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

void wake_at(struct wake *wake, uint64_t at)
{
    uint64_t now = clock_now();
    assert(mailbox_is_current(wake->mailbox));
    if ((wake->at && wake->at <= at) || uv_is_closing((uv_handle_t *)&wake->timer))
        return;
    wake->at = at;
    uv_update_time(wake->loop);
    /* Rounded up, and never 0: libuv 1.44 runs a 0 ms timer that is set in its own callback at
     * once. */
    uint64_t ms = at > now ? (at - now + NS_PER_MS - 1) / NS_PER_MS : 1;
    uv_timer_start(&wake->timer, on_timer, ms > 0 ? ms : 1, 0);
}

void wake_at_real(struct wake *wake, int64_t at_us)
{
    int64_t wait = at_us - clock_real_us();
    wake_at(wake, clock_now() + (wait > 0 ? (uint64_t)wait * 1000 : 0));
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
