#include "record/kind.h"

#include "base/suggest.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const char *const kinds[KIND_COUNT_] = {
    [KIND_NONE] = "none",
    [KIND_POLICY] = "policy",
    [KIND_DNS] = "dns",
    [KIND_CONNECT] = "connect",
    [KIND_CONNECT_TIMEOUT] = "connect_timeout",
    [KIND_TLS] = "tls",
    [KIND_PROTOCOL] = "protocol",
    [KIND_REDIRECTS] = "redirects",
    [KIND_HTTP_STATUS] = "http_status",
    [KIND_FIRST_BYTE_TIMEOUT] = "first_byte_timeout",
    [KIND_STALLED] = "stalled",
    [KIND_TRUNCATED] = "truncated",
    [KIND_UNVERIFIED_END] = "unverified_end",
    [KIND_JOB_TIMEOUT] = "job_timeout",
    [KIND_PARSER_FAILED] = "parser_failed",
    [KIND_PARSER_TIMEOUT] = "parser_timeout",
    [KIND_PARSER_CRASHED] = "parser_crashed",
    [KIND_EXEC_FAILED] = "exec_failed",
    [KIND_DECODE_ERROR] = "decode_error",
    [KIND_DIGEST_MISMATCH] = "digest_mismatch",
    [KIND_LIMIT_EXCEEDED] = "limit_exceeded",
    [KIND_UNEXPECTED] = "unexpected",
    [KIND_RESOURCES] = "resources",
    [KIND_INTERNAL] = "internal",
    [KIND_PROXY] = "proxy",
};

static const char *const verifieds[VERIFIED_COUNT_] = {
    [VERIFIED_NONE] = "none",         [VERIFIED_LENGTH] = "length", [VERIFIED_CHUNKED] = "chunked",
    [VERIFIED_HTTP2] = "http2",       [VERIFIED_HTTP3] = "http3",   [VERIFIED_DIGEST] = "digest",
    [VERIFIED_ENCODING] = "encoding", [VERIFIED_ENOUGH] = "enough",
};

/* Bit n of enum event. */
static const char *const events[] = {"start", "record", "attempt", "verdict",
                                     "stop",  "revoke", "audit"};
static const int event_count = sizeof events / sizeof events[0];
static const int follow_count = sizeof events / sizeof events[0] - 1; /* EVENT_ALL: the first */
_Static_assert((EVENT_ALL | EVENT_AUDIT) == (1 << sizeof events / sizeof events[0]) - 1,
               "each event has its name");

static const char *const states[JOB_STATE_COUNT_] = {
    [JOB_QUEUED] = "queued", [JOB_RUNNING] = "running", [JOB_WAITING] = "waiting",
    [JOB_DONE] = "done",     [JOB_FAILED] = "failed",   [JOB_CANCELLED] = "cancelled",
};

static const char *lookup(const char *const *names, int count, int value)
{
    return value >= 0 && value < count ? names[value] : "?";
}

static int find(const char *const *names, int first, int count, const char *name)
{
    for (int i = first; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -EINVAL;
}

const char *kind_name(enum error_kind kind)
{
    return lookup(kinds, KIND_COUNT_, (int)kind);
}

const char *verified_name(enum verified_by verified)
{
    return lookup(verifieds, VERIFIED_COUNT_, (int)verified);
}

const char *event_name(enum event event)
{
    return lookup(events, event_count, __builtin_ffs((int)event) - 1);
}

const char *job_state_name(enum job_state state)
{
    return lookup(states, JOB_STATE_COUNT_, (int)state);
}

int kind_parse(const char *name, enum error_kind *ret)
{
    /* "none" is not an error that somebody could ask for. */
    int i = find(kinds, KIND_NONE + 1, KIND_COUNT_, name);
    if (i < 0)
        return i;
    *ret = (enum error_kind)i;
    return 0;
}

int event_parse(const char *name, enum event *ret)
{
    int i = find(events, 0, follow_count, name);
    if (i < 0)
        return i;
    *ret = (enum event)(1 << i);
    return 0;
}

int job_state_parse(const char *name, enum job_state *ret)
{
    int i = find(states, 0, JOB_STATE_COUNT_, name);
    if (i < 0)
        return i;
    *ret = (enum job_state)i;
    return 0;
}

static const char *meant(const char *const *names, int first, int count, const char *name,
                         char *buf, size_t size)
{
    struct suggest near;
    suggest_init(&near, name);
    for (int i = first; i < count; i++)
        suggest_offer(&near, names[i]);
    return suggest_text(&near, buf, size);
}

const char *kind_meant(const char *name, char *buf, size_t size)
{
    return meant(kinds, KIND_NONE + 1, KIND_COUNT_, name, buf, size);
}

const char *event_meant(const char *name, char *buf, size_t size)
{
    return meant(events, 0, follow_count, name, buf, size);
}

const char *job_state_meant(const char *name, char *buf, size_t size)
{
    return meant(states, 0, JOB_STATE_COUNT_, name, buf, size);
}
