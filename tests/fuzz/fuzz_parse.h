/* A built-in parser over an input, by parse_task_run over a body's pipe; no thread, so that a run
 * is the same each time. The input's first byte chooses the options, its second how the rest is cut
 * into reads.
 *
 * What must hold: every record is one JSON value on one line; how the input was cut changes
 * nothing; and after an abort the run has failed, with the beginning of the same records. */
#ifndef TESTS_FUZZ_FUZZ_PARSE_H
#define TESTS_FUZZ_FUZZ_PARSE_H

#include "base/buf.h"
#include "base/fd.h"
#include "base/list.h"
#include "parse/json_check.h"
#include "parse/json_scan.h"
#include "parse/registry.h"
#include "parse/task.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FUZZ_OPTIONS 4

/* One choice of options; ends with a NULL name. */
struct fuzz_choice {
    struct parse_pair options[FUZZ_OPTIONS + 1];
};

struct fuzz_run {
    struct parse_task task;
    struct buf records;
    struct json *json;
};

static inline void fuzz_need(bool condition)
{
    if (!condition)
        abort();
}

static inline int fuzz_emit(struct parse_task *task, const char *text, size_t len)
{
    struct fuzz_run *run = container_of(task, struct fuzz_run, task);
    const char *value;
    size_t value_len;
    fuzz_need(json_check(run->json, text, len, &value, &value_len, NULL, NULL) == 0);
    fuzz_need(value == text && value_len == len); /* no newline, no space around */
    buf_put(&run->records, text, len);
    buf_putc(&run->records, '\n');
    task->source.seq++;
    return 0;
}

static inline void fuzz_done(struct parse_task *task)
{
    (void)task;
}

/* Puts all of it into the pipe: packets, each of which is one read. Returns how many bytes had
 * room. */
static inline size_t fuzz_fill(int fd, const char *data, size_t len, size_t chunk)
{
    size_t at = 0;
    while (at < len) {
        size_t n = len - at < chunk ? len - at : chunk;
        if (write(fd, data + at, n) != (ssize_t)n)
            break;
        at += n;
    }
    return at;
}

static inline void fuzz_run(struct fuzz_run *run, const struct penstock_parser *parser,
                            const struct fuzz_choice *choice, const char *data, size_t len,
                            size_t chunk, bool whole)
{
    int ends[2];
    fuzz_need(pipe2(ends, O_CLOEXEC | O_DIRECT | O_NONBLOCK) == 0);
    (void)fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
    *run = (struct fuzz_run){.json = json_new(JSON_SCAN_DEPTH)};
    run->task.parser = parser;
    run->task.facts.url = "-";
    run->task.facts.options = choice->options;
    while (choice->options[run->task.facts.option_count].name)
        run->task.facts.option_count++;
    run->task.body = body_new();
    run->task.read_fd = ends[0];
    run->task.emit = fuzz_emit;
    run->task.done = fuzz_done;
    fuzz_need(fuzz_fill(ends[1], data, len, chunk) == len);
    if (whole)
        body_settle(run->task.body, BODY_COMPLETE);
    fd_close(&ends[1]);
    parse_task_run(&run->task);
    json_free(run->json);
    body_unref(run->task.body);
}

/* Of two things that are wrong one is met first, by how far a library looks ahead. */
static inline bool fuzz_is_either(enum error_kind a, enum error_kind b)
{
#ifdef FUZZ_OTHER_WORDS
    return (a == KIND_PARSER_FAILED && b == KIND_DECODE_ERROR) ||
           (b == KIND_PARSER_FAILED && a == KIND_DECODE_ERROR);
#else
    (void)a;
    (void)b;
    return false;
#endif
}

/* The same records. Of what is damaged as many as came out before that was noticed. */
static inline void fuzz_compare(const struct fuzz_run *one, const struct fuzz_run *two)
{
    size_t a = one->records.len, b = two->records.len, least = a < b ? a : b;
#ifdef FUZZ_OTHER_WORDS
    fuzz_need(a == b || one->task.result == PENSTOCK_FAILED);
#else
    fuzz_need(a == b);
#endif
    fuzz_need(least == 0 || memcmp(one->records.data, two->records.data, least) == 0);
}

/* A beginning of the same records. */
static inline void fuzz_compare_cut(const struct fuzz_run *whole, const struct fuzz_run *cut)
{
    size_t a = whole->records.len, b = cut->records.len;
#ifdef FUZZ_OTHER_WORDS
    fuzz_need(b <= a || whole->task.result == PENSTOCK_FAILED);
#else
    fuzz_need(b <= a);
#endif
    size_t least = a < b ? a : b;
    fuzz_need(least == 0 || memcmp(whole->records.data, cut->records.data, least) == 0);
}

static inline void fuzz_parse(const struct penstock_parser *parser,
                              const struct fuzz_choice *choices, size_t choice_count,
                              const uint8_t *data, size_t size)
{
    struct fuzz_run one, two, cut;
    if (size < 2)
        return;
    signal(SIGPIPE, SIG_IGN);
    const struct fuzz_choice *choice = &choices[data[0] % choice_count];
    const char *text = (const char *)data + 2;
    size_t len = size - 2 < 200 * 4096 ? size - 2 : 200 * 4096;
    size_t chunk = len / 200 + 1 + data[1] % 16;
    if (chunk > 4096)
        chunk = 4096;
    fuzz_run(&one, parser, choice, text, len, 4096, true);
    fuzz_run(&two, parser, choice, text, len, chunk, true);
    fuzz_need(one.task.result == two.task.result);
    fuzz_need(one.task.kind == two.task.kind || fuzz_is_either(one.task.kind, two.task.kind));
#ifndef FUZZ_OTHER_WORDS /* a library that says it in other words, as the input comes */
    fuzz_need(one.task.line == two.task.line && one.task.offset == two.task.offset);
    fuzz_need(strcmp(one.task.message, two.task.message) == 0);
#endif
    fuzz_compare(&one, &two);
    fuzz_need(one.task.kind != KIND_INTERNAL && one.task.kind != KIND_TRUNCATED);
    fuzz_run(&cut, parser, choice, text, len * (data[1] / 16) / 15, chunk, false);
    fuzz_need(cut.task.result == PENSTOCK_FAILED && !cut.task.body_ended);
    fuzz_compare_cut(&one, &cut);
    buf_deinit(&one.records);
    buf_deinit(&two.records);
    buf_deinit(&cut.records);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_PARSER(parser, choices)                                                        \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)                            \
    {                                                                                       \
        fuzz_parse(&(parser), choices, sizeof(choices) / sizeof((choices)[0]), data, size); \
        return 0;                                                                           \
    }

#endif
