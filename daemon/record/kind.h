/* The closed lists of the log and the protocol (control/PROTOCOL.md): error kinds, how an end was
 * verified, events, and the states of a job. None is renamed within a major version. */
#ifndef PENSTOCK_RECORD_KIND_H
#define PENSTOCK_RECORD_KIND_H

#include <stddef.h>

enum error_kind {
    KIND_NONE, /* no error */
    KIND_POLICY,
    KIND_DNS,
    KIND_CONNECT,
    KIND_CONNECT_TIMEOUT,
    KIND_TLS,
    KIND_PROTOCOL,
    KIND_REDIRECTS,
    KIND_HTTP_STATUS,
    KIND_FIRST_BYTE_TIMEOUT,
    KIND_STALLED,
    KIND_TRUNCATED,
    KIND_UNVERIFIED_END,
    KIND_JOB_TIMEOUT,
    KIND_PARSER_FAILED,
    KIND_PARSER_TIMEOUT,
    KIND_PARSER_CRASHED,
    KIND_EXEC_FAILED,
    KIND_DECODE_ERROR,
    KIND_DIGEST_MISMATCH,
    KIND_LIMIT_EXCEEDED,
    KIND_UNEXPECTED,
    KIND_RESOURCES,
    KIND_INTERNAL,
    KIND_PROXY, /* the store keeps numbers: what is new goes to the end */
    KIND_COUNT_
};

enum verified_by {
    VERIFIED_NONE, /* nobody can tell whether the body is whole */
    VERIFIED_LENGTH,
    VERIFIED_CHUNKED,
    VERIFIED_HTTP2,
    VERIFIED_HTTP3,
    VERIFIED_DIGEST,
    VERIFIED_ENCODING,
    VERIFIED_ENOUGH,
    VERIFIED_COUNT_
};

/* What a line of the log is about; bits, so that a sink's `events` are a mask. */
enum event {
    EVENT_START = 1 << 0,
    EVENT_RECORD = 1 << 1,
    EVENT_ATTEMPT = 1 << 2,
    EVENT_VERDICT = 1 << 3,
    EVENT_STOP = 1 << 4,
    EVENT_REVOKE = 1 << 5, /* what the log says of an attempt does not count */
    EVENT_AUDIT = 1 << 6,  /* who did what: for sinks that ask for it by name, not for followers */
    EVENT_ALL =
        EVENT_START | EVENT_RECORD | EVENT_ATTEMPT | EVENT_VERDICT | EVENT_STOP | EVENT_REVOKE
};

enum job_state {
    JOB_QUEUED,    /* waits for a worker permit and a host slot; no attempt is under way */
    JOB_RUNNING,   /* an attempt holds a permit */
    JOB_WAITING,   /* an attempt failed; the next one is not due yet */
    JOB_DONE,      /* final: transfer, parser and every check agree */
    JOB_FAILED,    /* final */
    JOB_CANCELLED, /* final: somebody said so, or the daemon ended with a memory store */
    JOB_STATE_COUNT_
};

/* The names as they stand in the log; never NULL for a value of the list. Any thread. */
const char *kind_name(enum error_kind kind);
const char *verified_name(enum verified_by verified);
const char *event_name(enum event event); /* one bit */
const char *job_state_name(enum job_state state);

/* 0 and *ret, or -EINVAL for a name that is not in the list. */
int kind_parse(const char *name, enum error_kind *ret);
int event_parse(const char *name, enum event *ret); /* of EVENT_ALL */
int job_state_parse(const char *name, enum job_state *ret);

/* For a name that is not in the list: "; did you mean NAME?" with the nearest one, or "". Valid
 * until the buffer (of the caller's) goes. */
const char *kind_meant(const char *name, char *buf, size_t size);
const char *event_meant(const char *name, char *buf, size_t size);
const char *job_state_meant(const char *name, char *buf, size_t size);

static inline int job_state_final(enum job_state state)
{
    return state >= JOB_DONE;
}

#endif
