/* How the lower parts of this layer get the upper ones going without knowing them: a timer, and
 * three mails. Somebody says what is to be looked at again; the callbacks, which jobs.c has set,
 * know whose work that is, and run from the loop and never from within the call. Control loop. */
#ifndef PENSTOCK_JOB_WAKE_H
#define PENSTOCK_JOB_WAKE_H

#include "base/mailbox.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct wake_calls {
    void (*due)(void *arg);     /* a time that was given to wake_at has come */
    void (*admit)(void *arg);   /* something may be able to start now */
    void (*drained)(void *arg); /* the drain may be over */
    void (*recover)(
        void *arg); /* the store could not be read, or memory no longer agrees with it */
};

struct wake {
    const struct wake_calls *calls;
    void *arg;
    uv_loop_t *loop;
    struct mailbox *mailbox;
    uv_timer_t timer;
    uint64_t at;   /* clock_now: when the timer runs; 0: it is not set */
    bool draining; /* before that nobody asks whether the drain is over */
    struct mail admit_mail, drained_mail, recover_mail, last_mail;
    void (*closed)(void *arg);
};

/* 0 or a negative errno. */
int wake_init(struct wake *wake, uv_loop_t *loop, struct mailbox *mailbox,
              const struct wake_calls *calls, void *arg);
/* `closed` is called with the callbacks' argument, behind all that is on its way. */
void wake_close(struct wake *wake, void (*closed)(void *arg));

/* At this time (clock_now) or before. Each such time is looked up again by who gave it: there is
 * one timer for all. */
void wake_at(struct wake *wake, uint64_t at);
/* The same for a moment of the day's clock: CLOCK_REALTIME, µs. */
void wake_at_real(struct wake *wake, int64_t at_us);
void wake_admit(struct wake *wake); /* any thread */
void wake_drained(struct wake *wake);
void wake_recover(struct wake *wake);

#endif
