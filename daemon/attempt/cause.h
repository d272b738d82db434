/* Why an attempt did not succeed. The first cause wins: whoever finds out first why the attempt
 * cannot succeed sets it, once, by compare-exchange, and only then aborts the body. So what a
 * parser says after an abort is never taken for the cause. */
#ifndef PENSTOCK_ATTEMPT_CAUSE_H
#define PENSTOCK_ATTEMPT_CAUSE_H

#include "record/kind.h"

#include <stdatomic.h>
#include <stdbool.h>

struct cause {
    enum error_kind kind;
    bool cancelled;   /* somebody cancelled the job: the verdict is `cancelled`, not `failed` */
    bool interrupted; /* the daemon stops: no verdict at all, the job runs again */
    char message[768];
};

/* Where it is set; usable zeroed. */
struct first_cause {
    atomic_bool claimed; /* by whoever came first, who then fills in `cause` and publishes it */
    struct cause cause;
    _Atomic(struct cause *) published;
};

/* Sets the cause. True if it is the first. Stops nothing. Any thread. */
bool cause_fail(struct first_cause *first, enum error_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a system call's negative errno, as KIND_RESOURCES. Returns it. */
int cause_fail_errno(struct first_cause *first, const char *what, int code);
/* The same for what is no failure: a job that was cancelled, or a daemon that stops. */
bool cause_cancel(struct first_cause *first, bool interrupted, const char *message);

/* NULL: there is none yet. Any thread. */
const struct cause *cause_of(const struct first_cause *first);

#endif
