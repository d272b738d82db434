/* The fetch loops: threads with a uv loop and a curl multi each. */
#ifndef PENSTOCK_FETCH_FETCH_H
#define PENSTOCK_FETCH_FETCH_H

#include "base/error.h"
#include "fetch/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fetch;

struct fetch_config {
    unsigned threads;      /* 0 for 1 */
    unsigned max_connects; /* idle connections kept, a loop; 0 for 64 */
    size_t receive_buffer; /* SO_RCVBUF of each socket; 0: the kernel's way */
    /* What is left of a plain body of known length and goes through the kernel alone, from so many
     * bytes on; its connection is not used again. 0: never. */
    uint64_t splice_min;
    const char *ca_file; /* for requests that name none; NULL: the system's */
};

/* Starts the loops. 0, or a negative errno with a message in *err. curl_global_init is done here,
 * once. */
int fetch_new(const struct fetch_config *config, struct fetch **ret_fetch, struct error *err);

/* Every transfer has ended, and handles of others on the loops are closed: stops the loops, joins,
 * frees. Takes NULL. */
void fetch_free(struct fetch *fetch);

/* The CA bundle is read again before the next connection that needs it, and what was made by the
 * old one is used no more. (By itself that happens within a second or two of a change of the file.)
 * Any thread, before fetch_free. */
void fetch_renew_trust(struct fetch *fetch);

struct fetch_loop_stats {
    uint64_t transfers;   /* started */
    uint64_t connections; /* made */
    uint64_t bytes;       /* of bodies */
    uint64_t spliced;     /* transfers whose body went on through the kernel alone */
    unsigned running;
    uint64_t ticks_ns; /* clock_now of its last sign of life, at least two a second */
};

/* The loop that serves this host: by a hash of its name, so that connections are reused. Any
 * thread. */
struct fetch_loop *fetch_loop_for(struct fetch *fetch, const char *host);
struct fetch_loop *fetch_loop_at(struct fetch *fetch, size_t i); /* below fetch_loop_count */

size_t fetch_loop_count(const struct fetch *fetch);
void fetch_loop_stats(const struct fetch *fetch, size_t i, struct fetch_loop_stats *ret_stats);

#endif
