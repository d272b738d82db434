/* A decoder over an input. The first byte chooses the size of the reads and writes. What must hold:
 * however the input is cut, the same bytes come out, and the same outcome; the limits are kept; and
 * what decodes is not taken for whole when its last byte is missing, unless another stream ended
 * there. */
#ifndef TESTS_FUZZ_FUZZ_DECODE_H
#define TESTS_FUZZ_FUZZ_DECODE_H

#include "base/buf.h"
#include "flow/decode.h"

#include <stdlib.h>
#include <string.h>

#define FUZZ_MAX ((uint64_t)1 << 20)

struct fuzz_source {
    const uint8_t *data;
    size_t len, step;
};

struct fuzz_outcome {
    struct buf text;
    enum decode_fault fault;
    bool vouches;
};

static inline void fuzz_need(bool condition)
{
    if (!condition)
        abort();
}

static inline ssize_t fuzz_give(void *arg, char *data, size_t size)
{
    struct fuzz_source *s = arg;
    size_t n = s->len < s->step ? s->len : s->step;
    n = n < size ? n : size;
    memcpy(data, s->data, n);
    s->data += n;
    s->len -= n;
    return (ssize_t)n;
}

static inline void fuzz_decode_once(const struct decode_plan *plan, const uint8_t *data, size_t len,
                                    size_t step, size_t size, struct fuzz_outcome *o)
{
    struct fuzz_source source = {data, len, step};
    struct decode *d = decode_new(plan, fuzz_give, &source);
    char *out = malloc(size);
    ssize_t n;
    fuzz_need(d && out);
    *o = (struct fuzz_outcome){.text = BUF_INIT};
    while ((n = decode_read(d, out, size)) > 0)
        buf_put(&o->text, out, (size_t)n);
    o->fault = decode_fault(d);
    o->vouches = decode_vouches(d);
    fuzz_need((n == 0) == (o->fault == DECODE_FINE));
    fuzz_need(o->fault != DECODE_NO_MEMORY && o->fault != DECODE_BROKEN_SOURCE);
    fuzz_need(n == 0 || decode_message(d)[0]);
    fuzz_need(!decode_active(d) || o->text.len <= plan->max_decoded);
    decode_free(d);
    free(out);
}

static inline void fuzz_decode(struct decode_plan plan, const uint8_t *data, size_t size)
{
    struct fuzz_outcome one, two, cut;
    if (size < 1)
        return;
    plan.max_decoded = FUZZ_MAX;
    plan.max_window = (uint64_t)8 << 20;
    size_t step = 1 + data[0] % 16 * (size_t)7, room = 1 + data[0] / 16 * (size_t)40;
    fuzz_decode_once(&plan, data + 1, size - 1, size, 65536, &one);
    fuzz_decode_once(&plan, data + 1, size - 1, step, room, &two);
    fuzz_need(one.vouches == two.vouches);
/* of two decoders: which of them meets its own first is a matter of the cuts */
#ifdef FUZZ_SEVERAL_FAULTS
    fuzz_need((one.fault == DECODE_FINE) == (two.fault == DECODE_FINE));
#else
    fuzz_need(one.fault == two.fault);
#endif
    if (one.fault == DECODE_FINE) {
        fuzz_need(one.text.len == two.text.len);
        fuzz_need(one.text.len == 0 || memcmp(one.text.data, two.text.data, one.text.len) == 0);
    }
    if (one.vouches && size > 1) {
        fuzz_decode_once(&plan, data + 1, size - 2, size, 65536, &cut);
        fuzz_need(!cut.vouches || cut.text.len == one.text.len); /* what is missing was padding */
        buf_deinit(&cut.text);
    }
    buf_deinit(&one.text);
    buf_deinit(&two.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_DECODER(...)                                           \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)    \
    {                                                               \
        fuzz_decode((struct decode_plan){__VA_ARGS__}, data, size); \
        return 0;                                                   \
    }

#endif
