/* A parser on tables of inputs: each in chunks of several sizes, and each cut at every byte. */
#ifndef TESTS_UNIT_PARSE_SAMPLES_H
#define TESTS_UNIT_PARSE_SAMPLES_H

#include "harness.h"

struct sample {
    const char *options;
    const char *input;
    size_t len;
    const char *records;
    enum error_kind kind; /* KIND_NONE: it is well */
    uint64_t line;
    const char *message; /* a part of it */
    uint64_t repaired;
};

#define WELL(options, input, records)                                     \
    {                                                                     \
        options, input, sizeof(input) - 1, records, KIND_NONE, 0, NULL, 0 \
    }
/* It is well, but was not as it should be. */
#define MENDED(options, input, records, repaired)                                \
    {                                                                            \
        options, input, sizeof(input) - 1, records, KIND_NONE, 0, NULL, repaired \
    }
#define FAILS(options, input, records, kind, line, message)                \
    {                                                                      \
        options, input, sizeof(input) - 1, records, kind, line, message, 0 \
    }

static inline void check_whole(const struct penstock_parser *parser, const struct sample *s,
                               size_t chunk)
{
    struct harness h;
    harness_init(&h, parser, s->options);
    h.chunk = chunk;
    harness_run(&h, s->input, s->len);
    if (strcmp(h.records.data, s->records) != 0 || h.task.kind != s->kind ||
        (s->message && !strstr(h.task.message, s->message)))
        fail_msg("%s in pieces of %zu: %s\nrecords:  %sinstead of %s", s->input, chunk,
                 h.task.message, h.records.data, s->records);
    assert_int_equal(h.task.result, s->kind == KIND_NONE ? PENSTOCK_OK : PENSTOCK_FAILED);
    assert_int_equal(h.task.line, s->line);
    if (s->kind == KIND_NONE) {
        if (h.task.repaired != s->repaired)
            fail_msg("%s: repaired %d", s->input, (int)h.task.repaired);
        assert_true(h.task.body_ended);
        assert_string_equal(h.task.message, "");
    }
    harness_deinit(&h);
}

/* Whatever a cut body gives, it is a beginning of the truth, and never a success. */
static inline void check_cut(const struct penstock_parser *parser, const struct sample *s,
                             size_t cut)
{
    struct harness h;
    harness_init(&h, parser, s->options);
    h.ending = BODY_OPEN;
    harness_run(&h, s->input, cut);
    assert_int_equal(h.task.result, PENSTOCK_FAILED);
    assert_false(h.task.body_ended);
    assert_int_equal(strncmp(h.records.data, s->records, h.records.len), 0);
    if (s->kind == KIND_NONE)
        assert_int_equal(h.task.kind, KIND_TRUNCATED);
    harness_deinit(&h);
}

static inline void check_all(const struct penstock_parser *parser, const struct sample *samples,
                             size_t count)
{
    static const size_t chunks[] = {1, 2, 3, 7, 4096};
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < sizeof chunks / sizeof chunks[0]; j++)
            check_whole(parser, &samples[i], chunks[j]);
        for (size_t cut = 0; cut <= samples[i].len; cut++)
            check_cut(parser, &samples[i], cut);
    }
}

#define CHECK(parser, samples) check_all(parser, samples, sizeof(samples) / sizeof((samples)[0]))

#endif
