/* What can be told of an attempt: the same facts while it runs as after its end. Strings are
 * borrowed from the attempt, and live as long as it does. */
#ifndef PENSTOCK_ATTEMPT_REPORT_H
#define PENSTOCK_ATTEMPT_REPORT_H

#include "record/kind.h"

#include <stdbool.h>
#include <stdint.h>

/* What holds a running attempt up. */
enum attempt_wait {
    WAITS_ORIGIN, /* for bytes, or for the parser's own work on them */
    WAITS_HOST,   /* its host's byte rate is used up */
    WAITS_PARSER, /* the body's pipe is full */
    WAITS_SINK,   /* a record does not get into the log's queue */
    WAITS_READER, /* a record waits for the client that follows the job */
};

struct attempt_report {
    /* At any time. Times are in ns, moments as of clock_now. */
    uint64_t started;      /* 0: not yet */
    unsigned hops;         /* requests, but for those that resume */
    const char *url;       /* of the hop under way or the last one; with what may be secret in it */
    const char *host;      /* its host */
    const char *final_url; /* the same URL as it may be shown, if it is not the job's; or NULL */
    uint64_t bytes;        /* of the body, as it arrived */
    int64_t length;        /* Content-Length, -1 if not told */
    uint64_t records;      /* that the parser has emitted */
    bool held;             /* they are held back until the job is done */
    unsigned resumes;
    bool decoded; /* the body is: to so many bytes by now */
    uint64_t decoded_bytes;
    bool engaged;         /* a worker reads the body, or did */
    uint64_t parser_busy; /* the parser's own time: neither waiting for data nor for the sink */
    enum attempt_wait waits;
    uint64_t wait_origin, wait_sink;

    /* While no transfer of it is under way; else 0, NULL, false. */
    int status;              /* of the response that decided; 0: there was none */
    const char *address;     /* connected to */
    const char *retry_after; /* as the origin wrote it */
    bool proxy_refuses;      /* of KIND_PROXY: another try will not help */
    uint64_t connect, first_byte, wait_parser;
    bool unchanged; /* the origin says that there is nothing new */
    const char *digest_name, *digest;
    /* The body's validators, for the conditions of a later request: is what an earlier one had
     * given to be forgotten for these? Each may be NULL. */
    bool renewed;
    const char *etag, *modified, *page;
    unsigned skipped_codings;
    enum verified_by verified; /* the parser's part in it is there once it has returned */
};

#endif
