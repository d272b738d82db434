/* What is behind a struct transfer while it runs: curl's handle, the clocks, what is known so far.
 * Pooled by its loop, where it keeps handle and timer. The loop's thread only. */
#ifndef PENSTOCK_FETCH_TRANSFER_IMPL_H
#define PENSTOCK_FETCH_TRANSFER_IMPL_H

#include "base/buf.h"
#include "base/error.h"
#include "base/list.h"
#include "fetch/connection.h"
#include "fetch/head.h"
#include "fetch/multi.h"
#include "fetch/rate.h"
#include "fetch/tls.h"
#include "fetch/transfer.h"

#include <curl/curl.h>

enum stage {
    STAGE_CONNECT, /* name, TCP, TLS: connect_ms */
    STAGE_SENT,    /* connected; no byte of the final head yet: first_byte_ms */
    STAGE_HEAD,    /* its status line is here: stall_ms */
    STAGE_BODY,    /* on_response was called: stall_ms, but not while paused */
};

struct splice;

#define TRIED_MAX 8 /* addresses of one name that are tried side by side: curl has two at once */

enum proxy_type { PROXY_NONE, PROXY_HTTP, PROXY_HTTPS, PROXY_SOCKS };

struct transfer_impl {
    struct list link; /* among the loop's spares */
    struct fetch_loop *loop;
    struct transfer *t; /* NULL for a spare */
    CURL *easy;
    CURLU *url;
    struct curl_slist *headers, *forget; /* forget: the name that curl's cache is to lose first */
    uv_timer_t timer;
    struct multi_report report;
    struct list turn_link; /* in the loop's list of those whose on_turn is due */
    struct head head;

    enum stage stage;
    bool added;     /* the multi has the handle */
    bool paused;    /* by the consumer */
    bool throttled; /* by the host's rate; not while paused */
    bool ended;     /* result is final and the handle is out of the multi */
    bool
        over; /* curl is done with it, while some of the body is still kept; `over_code` says how */
    CURLcode over_code;
    uint64_t shortages; /* shortage_count when it began */
    bool settled;       /* result.kind and message are: what comes later is a consequence */
    bool proxied;
    enum proxy_type proxy_type;
    char proxy[288]; /* its name and port, without a user's name and password */
    bool plain;      /* the URL's scheme is http */

    /* The connection, from on_connected on. */
    struct connection_ends ends;
    int socket;                /* -1: it could not be found */
    struct tls_answer *answer; /* what TLS knows of it; NULL */
    int64_t read_base;         /* connection_bytes_read before the request went out */
    int tried
        [TRIED_MAX]; /* the last sockets that were opened for this transfer; one of them connects */
    unsigned tried_count;
    /* the idle connection that curl took was not innocent, and the request has not gone out; or its
     * peer did not get it */
    bool stale;
    bool unheard; /* went out on an idle connection, whose peer has yet to show that it is there */
    bool afresh;  /* this is the second try, on a connection of its own */

    /* delivery.c's. */
    bool held;      /* curl holds a piece, as it was told to pause */
    bool unpausing; /* within curl_easy_pause */
    struct buf kept;
    size_t kept_off; /* what of it was taken */

    bool no_splice; /* the kernel has said no */
    /* the body goes from the socket into a pipe; curl has nothing to do with it any more */
    struct splice *splice;

    /* Clocks, in ns of clock_now. */
    uint64_t started, stage_since, last_byte, armed; /* armed: when the timer is due; 0: it isn't */
    bool overdue; /* the time is up, but what the socket holds has yet to be looked at */

    /* Connecting. */
    bool opened;          /* a socket was made for this transfer: it reuses no connection */
    bool passed_over;     /* an address was refused, or no socket could be had for it */
    int open_errno;       /* why one could not be made; 0 */
    struct error refusal; /* the policy's, of the first address it refused */

    struct rate *rate; /* or NULL */
    struct list rate_link;

    char host[256]; /* as curl reads the URL: normalised, without brackets */
    int port;
    char curl_error[CURL_ERROR_SIZE];
    struct transfer_result result;
};

/* Has a library gone without memory since it began? Up to the response's head it may have made
 * another request of it, and another answer. */
bool impl_is_starved(const struct transfer_impl *impl);

/* Settles the result, unless it is. Of one that is starved before its head was told: as
 * `resources`. */
void impl_fail(struct transfer_impl *impl, enum error_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Settles it as stopped. */
void impl_stop(struct transfer_impl *impl);

/* "HOST port N", and the address if it is another word. Returns text. */
#define IMPL_AT 384
const char *impl_at(const struct transfer_impl *impl, char *text, size_t size);

/* Takes the handle out of the multi, if it is there: curl never reads again. From outside of
 * curl. */
void impl_leave_curl(struct transfer_impl *impl);
/* The end, by the multi's `done` from the loop's next turn on: its caller may be inside of what
 * on_end frees. */
void impl_end_soon(struct transfer_impl *impl, CURLcode code);
/* Calls on_turn of those that got data since the last time; for the multi, after each call into
 * curl. */
void impl_tell_turns(struct multi *multi);

#endif
