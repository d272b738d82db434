/* A mailbox: how threads hand work to a loop's thread. A message (struct mail) is embedded in the
 * object it speaks of and queued at most once, so posting never fails, blocks or allocates; one
 * uv_async_t wakes the reader, which takes all.
 *
 * Memory order: what the poster wrote before mailbox_post is visible to the handler. A mail that is
 * already queued is not queued again: its handler runs once, after the last such post, so it must
 * look at its object's state rather than count its calls.
 *
 * The object of a queued mail must live until its handler has run. */
#ifndef PENSTOCK_BASE_MAILBOX_H
#define PENSTOCK_BASE_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

struct mail;
typedef void mail_handler(struct mail *mail);

struct mail {
    _Atomic(struct mail *) next;
    atomic_bool queued;
    mail_handler
        *handler; /* runs on the mailbox's thread; may post the same mail again, or free it */
};

struct mailbox {
    _Atomic(struct mail *) head; /* newest first */
    uv_async_t async;
    uv_thread_t thread; /* which has made it */
    void (*closed)(void *arg);
    void *closed_arg;
};

/* Any thread, before the first post. */
void mail_init(struct mail *mail, mail_handler *handler);

/* The loop's thread. 0 or a negative errno. */
int mailbox_init(struct mailbox *box, uv_loop_t *loop);

/* Is this the thread that has made the mailbox? For assertions about a loop whose mailbox is made
 * on its own thread. */
bool mailbox_is_current(const struct mailbox *box);

/* Delivers what is queued, then closes; `closed` (may be NULL) runs from the close callback on,
 * when the mailbox's memory is free to use again. Nobody may post any more. The loop's thread. */
void mailbox_close(struct mailbox *box, void (*closed)(void *arg), void *arg);

/* Queues the mail unless it is queued already. True if it was queued now. Any thread. */
bool mailbox_post(struct mailbox *box, struct mail *mail);

/* Runs the handlers of all that is queued, oldest first. The loop's thread; the async calls it. */
void mailbox_deliver(struct mailbox *box);

#endif
