/* How the lower parts of this layer get the upper ones going without knowing them: timers, and
 * three mails. Somebody says what is to be looked at again; the callbacks, which jobs.c has set,
 * know whose work that is, and run from the loop and never from within the call.
 *
 * Timers stand in trees, by their time, and one timer of the loop runs for the first: what comes
 * due costs the logarithm of how many wait, and who is not due costs nothing. Control loop. */
#ifndef PENSTOCK_JOB_WAKE_H
#define PENSTOCK_JOB_WAKE_H

#include "base/mailbox.h"
#include "base/tree.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* Whose timer it is. */
enum wake_kind {
    WAKE_HOST,     /* host->clock */
    WAKE_HOST_DUE, /* host->due */
    WAKE_JOB,      /* job->clock */
    WAKE_WORDS,    /* jobs->words */
    WAKE_RECOVERY, /* jobs->recover */
    WAKE_FLEET,    /* jobs->fleet->clock */
};

/* Embedded in its owner, who stops it before its memory goes. */
struct wake_timer {
    struct tree_node node;
    int64_t at; /* clock_now, or of wake_calls.now in µs; 0: it is not set */
    enum wake_kind kind;
    bool real; /* it is a moment of the day's clock */
};

struct wake_calls {
    void (*ring)(void *arg, struct wake_timer *timer); /* its time has come; it is not set now */
    int64_t (*now)(void *arg);  /* the day's clock that `real` timers go by, in µs */
    void (*admit)(void *arg);   /* something may be able to start now */
    void (*drained)(void *arg); /* the drain may be over */
    /* The store could not be read, or memory no longer agrees with it. */
    void (*recover)(void *arg);
};

struct wake {
    const struct wake_calls *calls;
    void *arg;
    uv_loop_t *loop;
    struct mailbox *mailbox;
    uv_timer_t timer;
    struct tree timers, real_timers; /* struct wake_timer, by their time */
    uint64_t at;                     /* clock_now: when the loop's timer runs; 0: it is not set */
    bool draining;                   /* before that nobody asks whether the drain is over */
    struct mail admit_mail, drained_mail, recover_mail, last_mail;
    void (*closed)(void *arg);
};

/* 0 or a negative errno. */
int wake_init(struct wake *wake, uv_loop_t *loop, struct mailbox *mailbox,
              const struct wake_calls *calls, void *arg);
/* `closed` is called with the callbacks' argument, behind all that is on its way. No timer rings
 * any more. */
void wake_close(struct wake *wake, void (*closed)(void *arg));

void wake_timer_init(struct wake_timer *timer, enum wake_kind kind);
/* The timer rings then (clock_now), and not at the time that it had before. */
void wake_at(struct wake *wake, struct wake_timer *timer, uint64_t at);
/* The same for a moment of the day's clock (wake_calls.now). If that clock is set meanwhile, it
 * may ring up to a minute late. */
void wake_at_real(struct wake *wake, struct wake_timer *timer, int64_t at_us);
/* As wake_at, unless it rings before that anyway. */
void wake_by(struct wake *wake, struct wake_timer *timer, uint64_t at);
void wake_stop(struct wake *wake, struct wake_timer *timer);

void wake_admit(struct wake *wake); /* any thread */
void wake_drained(struct wake *wake);
void wake_recover(struct wake *wake);

#endif
