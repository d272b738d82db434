/* A transfer: one libcurl easy handle feeding one consumer, on one fetch loop. It follows no
 * redirect and never retries: each is a new transfer, and the consumer's business.
 *
 * The struct is embedded in its attempt and may be used again after on_end. Calls into it are
 * marked by thread; the callbacks all run on the loop's thread, never from within transfer_start or
 * _cancel. */
#ifndef PENSTOCK_FETCH_TRANSFER_H
#define PENSTOCK_FETCH_TRANSFER_H

#include "base/mailbox.h"
#include "fetch/policy.h"
#include "flow/body_pipe.h"
#include "record/kind.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct cookies;
struct fetch;
struct fetch_loop;

/* What to fetch; borrowed until on_end. Times in milliseconds, 0 for none. */
struct transfer_request {
    const char *url; /* http or https, without user-info */
    const char
        *host; /* as in the URL, lower case, without brackets and port: for policy and sharding */
    const char *method; /* "GET" or "POST" */
    const void *body;   /* POST's */
    size_t body_len;
    /* "Name: value", checked: no CR, LF or NUL; copies are wiped, but for Cookie's, which libcurl joins with the
     * chain's. */
    const char *const *headers;
    size_t header_count;
    const char *user_agent;
    struct cookies *cookies; /* of the chain that the request is a part of; or NULL */
    const char *proxy;       /* NULL or "" for none */
    const char *proxy_user, *proxy_password; /* or NULL: none but what its URL has */
    const char *ca_file;                     /* NULL: the loops' */
    /* A client's certificate (and the chain after it) and its key, PEM. NULL: none; the key may stand
     * with the certificate. */
    const void *client_cert, *client_key;
    size_t client_cert_len, client_key_len;
    /* The version of HTTP to be spoken over TLS at most: 0 or 11, 20, 30. What the server does not speak, or this libcurl,
     * is the next lower one. Each connection has one transfer at a time in any. */
    int http;
    int ip;                    /* 4 or 6: such addresses only; 0: any */
    uint64_t bytes_per_second; /* of the bodies of all transfers from this host; 0: no limit */
    struct policy *policy;     /* a reference of the caller's */
    uint32_t connect_ms, first_byte_ms, stall_ms;
    uint64_t max_header_bytes; /* of one response; 0 for 256 KiB */
    uint64_t range_from;       /* resume: `Range: bytes=N-`; 0 and no if_range: none */
    const char *if_range;      /* resume's validator */
};

struct transfer_header {
    const char *name, *value; /* value without surrounding white space */
};

/* The final response's head (1xx are skipped); valid during on_response. */
struct transfer_response {
    int status;
    int http_version; /* 10, 11, 20, 30 */
    const struct transfer_header *headers;
    size_t header_count;
    int64_t content_length; /* -1: not told */
    bool chunked;
    /* Of a 3xx: resolved against the URL, absolute, whatever its scheme (a transfer refuses what is neither http
     * nor https), without a fragment. NULL: there is none, or none that can be followed. */
    const char *location;
    const char *bad_location; /* why it cannot be followed: a sentence; NULL */
};

/* How it ended. */
struct transfer_result {
    /* KIND_NONE: the response ended, as well as HTTP can tell: `verified` says how (VERIFIED_NONE:
     * closed by the peer, nobody can tell). KIND_INTERNAL with stopped = true: transfer_cancel or a
     * callback ended it. Else why it failed. */
    enum error_kind kind;
    char message[256]; /* one line, no secret; "" if kind is KIND_NONE */
    bool stopped;
    enum verified_by verified;
    uint64_t bytes;    /* of the body, as given to on_data and taken, or piped */
    bool got_response; /* on_response was called */
    bool connection_reused;
    uint64_t connect_ns, first_byte_ns; /* from the start; 0 if not reached */
    char address[64];                   /* connected to, "" if never */
    bool
        proxy_refuses; /* of KIND_PROXY: it said no, or is not who it should be; another try will not help */
    int port;          /* the URL's, or its scheme's */
};

#define TRANSFER_TAKEN 0
#define TRANSFER_PAUSE 1

struct transfer;
struct transfer_ops {
    /* The head is here. 0: go on with the body; negative: stop (the transfer ends `stopped`).
     * Always called before on_data, and for a response without a body too. */
    int (*on_response)(struct transfer *t, const struct transfer_response *response);
    /* A piece of the body, at most 16 KiB. TRANSFER_TAKEN: all of it; TRANSFER_PAUSE: none of it,
     * give it again after transfer_resume; negative: stop. */
    int (*on_data)(struct transfer *t, const char *data, size_t len);
    /* on_data was called, and no more comes before the loop has looked at others. The op may be NULL. */
    void (*on_turn)(struct transfer *t);
    /* The next `left` bytes are all that is left of the body: a pipe of the consumer's into which they may go
     * unseen, in place of on_data; or NULL. A pipe's `drained` calls transfer_resume, as ever. The op may be
     * NULL, and may be asked more than once. */
    struct body_pipe *(*pipe_for)(struct transfer *t, uint64_t left);
    /* So many more bytes went there; 0: it is full. */
    void (*on_piped)(struct transfer *t, uint64_t len);
    /* Exactly once and last: the handle is gone, the struct may be freed or started again. */
    void (*on_end)(struct transfer *t, const struct transfer_result *result);
};

struct transfer {
    const struct transfer_request *request;
    const struct transfer_ops *ops;
    void *user;
    struct fetch_loop *loop;
    struct mail start_mail, cancel_mail;
    atomic_bool throttled;      /* it waits for its host's byte rate; to be read by any thread */
    atomic_int phase;           /* enum transfer_phase, transfer.c's; 0 in a zeroed struct */
    struct transfer_impl *impl; /* transfer.c's: the easy handle and its clocks; loop's thread */
};

/* The loop that serves this host: by a hash of its name, so that connections are reused. Any
 * thread. */
struct fetch_loop *fetch_loop_for(struct fetch *fetch, const char *host);
struct fetch_loop *fetch_loop_at(struct fetch *fetch, size_t i); /* below fetch_loop_count */
/* Its uv loop, for handles that live beside a transfer (body pipes). The loop's thread. */
uv_loop_t *fetch_loop_uv(struct fetch_loop *loop);
/* Posts a mail to the loop's thread. Any thread. */
void fetch_loop_post(struct fetch_loop *loop, struct mail *mail);

/* Starts it. Any thread. Out of memory and the like come as on_end. */
void transfer_start(struct transfer *t, struct fetch_loop *loop,
                    const struct transfer_request *request, const struct transfer_ops *ops,
                    void *user);

/* Ends it soon, with on_end(stopped), unless that is on its way. Any thread; idempotent. Harmless
 * before transfer_start and after on_end, as long as the struct is there (zeroed, if it was never
 * started); nothing refers to the struct any more once on_end was called. */
void transfer_cancel(struct transfer *t);

/* After TRANSFER_PAUSE: delivers on. May call on_data before it returns, never on_end. The loop's
 * thread, but not from within another transfer's on_response or on_data. No-op if not paused. While
 * a transfer is paused its stall clock stands still. */
void transfer_resume(struct transfer *t);

#endif
