/* Content-Encoding and the job's `decode`: what of a body the worker decodes (flow/decode.h), and whether its
 * encoding can verify an end that HTTP leaves open. Part of an attempt; everything here runs on its
 * fetch loop. */
#ifndef PENSTOCK_ATTEMPT_ENCODING_H
#define PENSTOCK_ATTEMPT_ENCODING_H

#include "fetch/request.h"
#include "flow/decode.h"

#include <stdbool.h>
#include <stddef.h>

struct attempt;

struct encoding {
    char *text; /* the first response's Content-Encoding; NULL: none */
    char head[DECODE_MAGIC];
    size_t head_len;
};

/* What a request with `compress = yes` asks for. */
#define ENCODING_ACCEPT "Accept-Encoding: gzip, zstd, br"

void encoding_deinit(struct encoding *e);

/* The first response of a body that goes to the parser: plans its decoding (task.decode). 0, or negative
 * with the cause set. */
int encoding_accept(struct attempt *a, const struct transfer_response *response);

/* Bytes of the body that the parser gets, in their order. */
void encoding_note(struct attempt *a, const char *data, size_t len);

/* Has encoding_note seen all that it wants of the body? */
bool encoding_noted(const struct attempt *a);

/* The body's end was not verified: may the worker's decoder do it? */
bool encoding_may_vouch(const struct attempt *a);
/* What a job could say to have it so, as the end of a sentence; or "". */
const char *encoding_remedy(const struct attempt *a);

#endif
