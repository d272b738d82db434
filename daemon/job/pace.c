#include "job/pace.h"

#include "base/clock.h"

/* A second's worth may start at once, and one in any case. */
static double burst(const struct pace_limits *limits)
{
    return limits->rate > 1 ? limits->rate : 1;
}

static void refill(struct pace *pace, const struct pace_limits *limits, uint64_t now)
{
    double full = burst(limits);
    if (pace->counted_at == 0)
        pace->tokens = full;
    else
        pace->tokens += (double)(now - pace->counted_at) / (double)NS_PER_SEC * limits->rate;
    if (pace->tokens > full)
        pace->tokens = full;
    pace->counted_at = now;
}

static uint64_t breaker_wait(const struct pace *pace, uint64_t now)
{
    if (pace->breaker == BREAKER_PROBE)
        return UINT64_MAX;
    if (pace->breaker == BREAKER_OPEN && now < pace->retry_at)
        return pace->retry_at - now;
    return 0;
}

uint64_t pace_wait(struct pace *pace, const struct pace_limits *limits, uint64_t now)
{
    uint64_t wait = breaker_wait(pace, now);
    if (wait > 0 || limits->rate <= 0)
        return wait;
    refill(pace, limits, now);
    if (pace->tokens >= 1)
        return 0;
    return (uint64_t)((1 - pace->tokens) / limits->rate * (double)NS_PER_SEC) + 1;
}

void pace_take(struct pace *pace, const struct pace_limits *limits, uint64_t now)
{
    pace->used_at = now;
    if (pace->breaker == BREAKER_OPEN)
        pace->breaker = BREAKER_PROBE;
    if (limits->rate > 0) {
        refill(pace, limits, now);
        pace->tokens -= 1;
    }
}

/* Does this end speak against the host, and not against the job? */
static bool host_failed(enum error_kind kind, int status)
{
    switch (kind) {
    case KIND_DNS:
    case KIND_CONNECT:
    case KIND_CONNECT_TIMEOUT:
    case KIND_TLS:
    case KIND_FIRST_BYTE_TIMEOUT:
    case KIND_STALLED:
        return true;
    case KIND_HTTP_STATUS: /* 501: it has no such method, HEAD say, and may well answer another */
        return (status >= 500 && status != 501) || status == 429;
    default:
        return false;
    }
}

bool pace_report(struct pace *pace, const struct pace_limits *limits, enum error_kind kind,
                 int status, uint64_t now)
{
    if (!host_failed(kind, status)) {
        pace->breaker = BREAKER_CLOSED;
        pace->failed = 0;
        return false;
    }
    pace->failed++;
    bool opens = pace->breaker == BREAKER_PROBE ||
                 (pace->breaker == BREAKER_CLOSED && limits->failures > 0 &&
                  pace->failed >= limits->failures);
    if (opens) {
        pace->breaker = BREAKER_OPEN;
        pace->retry_at = now + limits->cooldown;
    }
    return opens;
}

void pace_withdraw(struct pace *pace)
{
    if (pace->breaker == BREAKER_PROBE)
        pace->breaker = BREAKER_OPEN; /* retry_at has passed: the next job is the probe */
}
