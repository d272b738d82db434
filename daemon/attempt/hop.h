/* A hop: one request of an attempt's chain, the first or what a redirect leads to. It is made on
 * the control loop while no transfer of the attempt is under way; from then until that transfer's
 * end the fetch loop reads it, and nobody changes it. */
#ifndef PENSTOCK_ATTEMPT_HOP_H
#define PENSTOCK_ATTEMPT_HOP_H

#include "terms/identity.h"
#include "terms/spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cookies;
struct proxy;

/* What the settings say of a hop's host. Borrowed for the call. */
struct hop_traits {
    const char *client_cert, *client_key;               /* paths, or NULL */
    int http;                                           /* as transfer_request's */
    uint64_t bytes_per_second;                          /* 0: no limit */
    const struct settings_credential *proxy_credential; /* of [fetch], whatever the host; or NULL */
    const struct strings *redact;                       /* what is not shown of its URL */
};

struct hop {
    unsigned count;   /* hops so far, this one included */
    char *url, *host; /* NULL before the first */
    char *shown_url;  /* the same without secrets; NULL: it is the first, whose is the spec's */
    const char *method;
    const char **headers; /* ours, and those of the job's that this hop gets */
    size_t header_count;
    bool elsewhere; /* another origin than the job's was asked */
    struct identity identity;
    struct cookies *cookies; /* of all requests of the chain; NULL: no redirect is followed */
    const char *proxy;       /* NULL: none */
    int http;                /* as transfer_request's */
    uint64_t bytes_per_second;
};

/* Takes a zeroed one. 0 or -ENOMEM; takes ownership of `credential`, which may be NULL, in any
 * case. */
int hop_init(struct hop *hop, const struct spec *spec, struct credential *credential);
void hop_deinit(struct hop *hop); /* takes a zeroed one */

/* The next one goes to `url` on `host`; `status` is what led there. 0; or -ENOMEM, and the hop is
 * as it was. What its identity wants to have read is still to be read. */
int hop_next(struct hop *hop, const struct spec *spec, const struct proxy *proxy, const char *url,
             const char *host, const struct hop_traits *traits, int status);

/* The chain begins anew, at the job's own URL. Takes ownership of `credential`. */
void hop_begin_again(struct hop *hop, const struct spec *spec, struct credential *credential);

#endif
