#include "base/mailbox.h"

#include "base/list.h"

#include <stddef.h>

void mail_init(struct mail *mail, mail_handler *handler)
{
    atomic_init(&mail->next, NULL);
    atomic_init(&mail->queued, false);
    mail->handler = handler;
}

static void on_async(uv_async_t *async)
{
    mailbox_deliver(container_of(async, struct mailbox, async));
}

int mailbox_init(struct mailbox *box, uv_loop_t *loop)
{
    atomic_init(&box->head, NULL);
    box->closed = NULL;
    box->thread = uv_thread_self();
    return uv_async_init(loop, &box->async, on_async);
}

bool mailbox_is_current(const struct mailbox *box)
{
    uv_thread_t self = uv_thread_self();
    return uv_thread_equal(&self, &box->thread);
}

static void on_close(uv_handle_t *handle)
{
    struct mailbox *box = container_of(handle, struct mailbox, async);
    if (box->closed)
        box->closed(box->closed_arg);
}

void mailbox_close(struct mailbox *box, void (*closed)(void *arg), void *arg)
{
    while (atomic_load_explicit(&box->head, memory_order_relaxed))
        mailbox_deliver(box);
    box->closed = closed;
    box->closed_arg = arg;
    uv_close((uv_handle_t *)&box->async, on_close);
}

bool mailbox_post(struct mailbox *box, struct mail *mail)
{
    if (atomic_exchange_explicit(&mail->queued, true, memory_order_acq_rel))
        return false;
    struct mail *head = atomic_load_explicit(&box->head, memory_order_relaxed);
    do {
        atomic_store_explicit(&mail->next, head, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak_explicit(&box->head, &head, mail, memory_order_release,
                                                    memory_order_relaxed));
    /* Only the first into an empty box wakes the reader: it takes all at once. */
    if (!head)
        uv_async_send(&box->async);
    return true;
}

void mailbox_deliver(struct mailbox *box)
{
    struct mail *newest = atomic_exchange_explicit(&box->head, NULL, memory_order_acquire);
    struct mail *oldest = NULL;

    while (newest) {
        struct mail *next = atomic_load_explicit(&newest->next, memory_order_relaxed);
        atomic_store_explicit(&newest->next, oldest, memory_order_relaxed);
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct mail *mail = oldest;
        oldest = atomic_load_explicit(&mail->next, memory_order_relaxed);
        /* From here on it may be posted again, so `next` is not ours any more. What a handler
         * posts waits for the next wake-up: a mail that posts itself starves nobody. */
        atomic_exchange_explicit(&mail->queued, false, memory_order_acq_rel);
        mail->handler(mail);
    }
}
