/* Origins in processes of their own, so that a test which lets its own process run out of memory
 * spares them. The functions fail the running test if they cannot do their work. */
#ifndef TESTS_SUPPORT_APART_H
#define TESTS_SUPPORT_APART_H

#include "support/origin.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct apart {
    pid_t pid;
    uint16_t port;
    char base[64];       /* "http://127.0.0.1:PORT", or https */
    const char *ca_file; /* in the test's directory; NULL: it speaks no TLS */
};

/* The misbehaving origin, as `config` says but for its ca_file. Before the test starts threads of
 * its own; the process dies with the test's. */
void apart_start(struct apart *ret_apart, const struct origin_config *config);

/* An origin of HTTP/2 over TLS that answers every request by 200 and `size` bytes of
 * origin_pattern, at most 60,000: flow control is not its business. With END_STREAM, unless `cut`:
 * then it closes the connection after half of them. */
void apart_start_h2(struct apart *ret_apart, size_t size, bool cut);

void apart_stop(struct apart *apart);

#endif
