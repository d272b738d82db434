/* What a parser tells of one input, to be compared with what it tells of the same bytes when they
 * come in other pieces: where these end is chance, and must show nowhere. */
#ifndef TESTS_UNIT_PARSE_PIECES_H
#define TESTS_UNIT_PARSE_PIECES_H

#include "harness.h"

struct told {
    char *records;
    int result;
    enum error_kind kind;
    uint64_t line, offset, replaced, repaired, skipped;
    char message[512];
};

struct input {
    const struct penstock_parser *parser;
    const char *options;
    const char *data;
    size_t len;
};

static inline void told_deinit(struct told *t)
{
    free(t->records);
    t->records = NULL;
}

/* The first piece has `first` bytes (0: as the others), each other one `chunk`. */
static inline struct told tell(const struct input *in, size_t first, size_t chunk)
{
    struct harness h;
    harness_init(&h, in->parser, in->options);
    h.first = first;
    h.chunk = chunk;
    harness_run(&h, in->data, in->len);
    struct told t = {.records = buf_steal(&h.records),
                     .result = (int)h.task.result,
                     .kind = h.task.kind,
                     .line = h.task.line,
                     .offset = h.task.offset,
                     .replaced = h.task.replaced,
                     .repaired = h.task.repaired,
                     .skipped = h.task.skipped};
    snprintf(t.message, sizeof t.message, "%s", h.task.message);
    assert_non_null(t.records);
    harness_deinit(&h);
    return t;
}

/* Of a run that fails, the counts are of how far it came before that was seen; and which of two
 * faults expat names depends on what it has of the second one. */
static inline bool is_same(const struct input *in, const struct told *a, const struct told *b)
{
    bool well = a->kind == KIND_NONE;
    bool expat = in->parser == &parser_xml || in->parser == &parser_feed;
    return strcmp(a->records, b->records) == 0 && a->result == b->result && a->kind == b->kind &&
           a->line == b->line && a->offset == b->offset &&
           (!well || (a->replaced == b->replaced && a->repaired == b->repaired &&
                      a->skipped == b->skipped)) &&
           ((expat && !well) || strcmp(a->message, b->message) == 0);
}

static inline void expect_same(const struct input *in, const struct told *a, size_t first,
                               size_t chunk)
{
    struct told b = tell(in, first, chunk);
    bool same = is_same(in, a, &b);
    if (!same)
        fail_msg("%s with %s of %zu bytes \"%.200s\", a first piece of %zu, then of %zu:\n"
                 "%s%s (%s at %llu, %lld)\nand whole:\n%s%s (%s at %llu, %lld)",
                 in->parser->name, in->options ? in->options : "no option", in->len, in->data,
                 first, chunk, b.records, b.message, kind_name(b.kind), (unsigned long long)b.line,
                 (long long)b.offset, a->records, a->message, kind_name(a->kind),
                 (unsigned long long)a->line, (long long)a->offset);
    told_deinit(&b);
}

/* All that the whole gives, in small pieces of a few sizes. */
static inline void expect_same_in_pieces(const struct input *in)
{
    static const size_t chunks[] = {1, 2, 5};
    struct told whole = tell(in, 0, 4096);
    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++)
        expect_same(in, &whole, 0, chunks[i]);
    told_deinit(&whole);
}

static inline size_t count_lines(const char *text)
{
    size_t n = 0;
    for (; (text = strchr(text, '\n')); text++)
        n++;
    return n;
}

#endif
