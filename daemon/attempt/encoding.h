/* Content-Encoding, charset and the job's `decode`: what of a body the worker decodes
 * (flow/decode.h), and whether its encoding can verify an end that HTTP leaves open. Judgements
 * without a loop. */
#ifndef PENSTOCK_ATTEMPT_ENCODING_H
#define PENSTOCK_ATTEMPT_ENCODING_H

#include "base/error.h"
#include "fetch/request.h"
#include "flow/charset.h"
#include "flow/decode.h"
#include "terms/spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Usable zeroed. */
struct encoding {
    char *text;                 /* the first response's Content-Encoding; NULL: none */
    struct decode_plan plan;    /* how the worker is to decode the body */
    struct charset_plan wanted; /* the job's `charset` and `charset_errors` */
    char head[DECODE_MAGIC];
    size_t head_len;
};

/* What a request with `compress = yes` asks for. */
#define ENCODING_ACCEPT "Accept-Encoding: gzip, zstd, br"

void encoding_deinit(struct encoding *e);

/* The first response of a body that goes to the parser: makes the plan; ratio and window as in
 * struct decode_plan. 0; -ENOMEM; or -EINVAL with a message: it cannot be decoded. */
int encoding_plan(struct encoding *e, const struct spec *spec, uint64_t max_ratio,
                  uint64_t max_window, const struct transfer_response *response, struct error *err);

/* Bytes of the body that the parser gets, in their order. */
void encoding_note(struct encoding *e, const char *data, size_t len);

/* Has encoding_note seen all that it wants of the body? */
bool encoding_noted(const struct encoding *e);

/* The body's end was not verified: may the worker's decoder do it? */
bool encoding_may_vouch(const struct encoding *e, const struct spec *spec);
/* What the job could say to have it so, as the end of a sentence; or "". */
const char *encoding_remedy(const struct encoding *e, const struct spec *spec);

#endif
