/* How fast and whether at all a host is asked: a token bucket for requests, a circuit breaker for
 * hosts that fail. Control loop; times are clock_now. */
#ifndef PENSTOCK_JOB_PACE_H
#define PENSTOCK_JOB_PACE_H

#include "record/kind.h"

#include <stdbool.h>
#include <stdint.h>

/* Failures in a row that open the breaker, and how long it stays open. */
struct pace_limits {
    double rate;       /* requests a second; 0: no limit */
    uint64_t failures; /* 0: no breaker */
    uint64_t cooldown; /* ns */
};

enum breaker {
    BREAKER_CLOSED, /* all is well */
    BREAKER_OPEN,   /* nothing starts until `retry_at` */
    BREAKER_PROBE,  /* one job is out to see; nothing else starts */
};

struct pace {
    double tokens;       /* at most one second's worth, at least one */
    uint64_t counted_at; /* when `tokens` was right; 0: full */
    enum breaker breaker;
    uint64_t failed; /* in a row */
    uint64_t retry_at;
    uint64_t used_at; /* of the last request */
};

/* Nanoseconds until a request may start; 0: now; UINT64_MAX: when the probe has come back. Takes
 * nothing. */
uint64_t pace_wait(struct pace *pace, const struct pace_limits *limits, uint64_t now);

/* A request starts: after pace_wait said 0, or for the next hop of a job that runs (which may go
 * into debt: those that start later wait for it). */
void pace_take(struct pace *pace, const struct pace_limits *limits, uint64_t now);

/* An attempt on this host has ended. True if that opened the breaker. */
bool pace_report(struct pace *pace, const struct pace_limits *limits, enum error_kind kind,
                 int status, uint64_t now);

/* An attempt ended without telling anything about the host (cancelled): a probe may be sent
 * again. */
void pace_withdraw(struct pace *pace);

#endif
