/* A request to the misbehaving origin, parsed; and the table of the parameters that it may carry.
 */
#ifndef TESTS_SUPPORT_ORIGIN_REQUEST_H
#define TESTS_SUPPORT_ORIGIN_REQUEST_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define REQUEST_MAX_PARAMS 32

struct request_param {
    const char *name, *value; /* percent-decoded */
    uint64_t from;            /* holds from the key's so many-th request on; 1 unless told */
};

struct request {
    char *
        text; /* the head as it came, NUL-terminated; owned, as all below point into copies of it */
    char *target;
    char method[16];
    const char *path; /* percent-decoded, without the query */
    struct request_param params[REQUEST_MAX_PARAMS];
    size_t param_count;
    char range[64], if_range[128]; /* the headers; "" if there is none */
    char if_none_match[512], if_modified_since[64];
    bool head_only, keep_alive, expects; /* HEAD; the connection's wish; Expect: 100-continue */
    size_t body_len;                     /* Content-Length of the request */
    struct buf body;
    uint64_t seq;   /* the how many-th of its key; 0: nobody has counted, as 1 */
    bool faultless; /* `first=` is used up: the parameters that are faults read as absent */
};

/* Parses a head that ends in an empty line. 0, or a negative errno and a sentence: -EINVAL for a
 * bad request or parameter, -ENOMEM. Either way request_deinit takes it. */
int request_parse(struct request *request, const char *head, size_t len, struct error *err);
void request_deinit(struct request *request);

/* The value, or NULL. Several of a name: the i-th of those that hold from the same request on, the
 * latest that has come. */
const char *request_param(const struct request *request, const char *name);
const char *request_param_at(const struct request *request, const char *name, size_t i);
/* The number, size or flag, or `standard` if it is absent. */
uint64_t request_number(const struct request *request, const char *name, uint64_t standard);
bool request_is(const struct request *request, const char *name, const char *value);
/* Under which its counters are kept: id=, else the path. */
const char *request_key(const struct request *request);

/* "10", "4K", "1M", "2G". False if it is not one. */
bool request_size(const char *text, uint64_t *ret);

/* Prints the table. */
void request_help(FILE *out);

#endif
