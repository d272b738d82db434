/* What is to be fetched, what came, and how that ended: data only. */
#ifndef PENSTOCK_FETCH_REQUEST_H
#define PENSTOCK_FETCH_REQUEST_H

#include "fetch/policy.h"
#include "record/kind.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cookies;

/* What to fetch; borrowed until on_end. Times in milliseconds, 0 for none. */
struct transfer_request {
    const char *url; /* http or https, without user-info */
    const char
        *host; /* as in the URL, lower case, without brackets and port: for policy and sharding */
    const char *method; /* "GET", "POST" or "HEAD" */
    const void *body;   /* POST's */
    size_t body_len;
    /* "Name: value", checked: no CR, LF or NUL; copies are wiped, but for Cookie's, which libcurl
     * joins with the chain's. */
    const char *const *headers;
    size_t header_count;
    const char *user_agent;
    struct cookies *cookies; /* of the chain that the request is a part of; or NULL */
    const char *proxy;       /* NULL or "" for none */
    const char *proxy_user, *proxy_password; /* or NULL: none but what its URL has */
    const char *ca_file;                     /* NULL: the loops' */
    /* A client's certificate (and the chain after it) and its key, PEM. NULL: none; the key may
     * stand with the certificate. */
    const void *client_cert, *client_key;
    size_t client_cert_len, client_key_len;
    /* The version of HTTP to be spoken over TLS at most: 0 or 11, 20, 30. What the server does not
     * speak, or this libcurl, is the next lower one. Each connection has one transfer at a time in
     * any. */
    int http;
    int ip;                    /* 4 or 6: such addresses only; 0: any */
    uint64_t bytes_per_second; /* of the bodies of all transfers from this host; 0: no limit */
    struct policy *policy;     /* a reference of the caller's */
    uint32_t connect_ms, first_byte_ms, stall_ms;
    uint64_t max_header_bytes; /* of one response; 0 for 256 KiB */
    uint64_t range_from;       /* resume: `Range: bytes=N-`; 0 and no if_range: none */
    const char *if_range;      /* resume's validator */
};

static inline bool request_is_head(const struct transfer_request *request)
{
    return request->method && strcmp(request->method, "HEAD") == 0;
}

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
    /* Where a 3xx leads: resolved against the URL, absolute, whatever its scheme (a
     * transfer refuses what is neither http nor https), without a fragment. NULL: there is none,
     * or none that can be followed. */
    const char *location;
    const char *bad_location; /* why it cannot be followed; NULL */
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
    char tls[16];                       /* "TLSv1.3"; "" without TLS */
    /* Of a HEAD on a connection of its own: looking the name up, and TLS's handshake. Else 0. */
    uint64_t dns_ns, tls_ns;
    /* of KIND_PROXY: it said no, or is not who it should be; another try will not help */
    bool proxy_refuses;
    int port; /* the URL's, or its scheme's */
};

#endif
