#include "parse/member.h"

#include "base/buf.h"
#include "base/list.h"
#include "flow/transcode.h"
#include "parse/plugin_check.h"

#include <errno.h>
#include <stdio_ext.h>
#include <stdlib.h>

#define BUFFER 32768

struct reader {
    const struct member *member;
    struct parse_task task;
    struct decode *decode;  /* or NULL */
    struct transcode *text; /* or NULL: the parser reads bytes */
    FILE *file;
    char buffer[BUFFER];
    struct buf record;
    bool source_failed;
};

/* --- reading ---------------------------------------------------------------------------------- */

static ssize_t read_source(void *arg, char *data, size_t size)
{
    struct reader *r = arg;
    ssize_t n = r->source_failed ? -1 : r->member->source(r->member->arg, data, size);
    r->source_failed = n < 0;
    return n;
}

static ssize_t read_decoded(void *arg, char *data, size_t size)
{
    struct reader *r = arg;
    return r->decode ? decode_read(r->decode, data, size) : read_source(r, data, size);
}

static ssize_t cookie_read(void *cookie, char *data, size_t size)
{
    struct reader *r = cookie;
    ssize_t n = size == 0 ? 0
                : r->text ? transcode_read(r->text, data, size)
                          : read_decoded(r, data, size);
    if (n < 0)
        errno = EIO;
    return n;
}

static int cookie_close(void *cookie)
{
    ((struct reader *)cookie)->file = NULL;
    return 0;
}

static int open_file(struct reader *r)
{
    if (!decode_plan_empty(&r->member->decode)) {
        r->decode = decode_new(&r->member->decode, read_source, r);
        if (!r->decode)
            return -ENOMEM;
    }
    if (parser_flags(r->member->inner->parser) & PENSTOCK_PARSER_TEXT) {
        struct charset_plan plan = r->member->outer->text;
        plan.declares = parser_flags(r->member->inner->parser) & PENSTOCK_PARSER_DECLARES;
        charset_of_type(r->member->content_type, plan.header);
        r->text = transcode_new(&plan, read_decoded, r);
        if (!r->text)
            return -ENOMEM;
    }
    r->file =
        fopencookie(r, "r", (cookie_io_functions_t){.read = cookie_read, .close = cookie_close});
    if (!r->file || setvbuf(r->file, r->buffer, _IOFBF, sizeof r->buffer) != 0)
        return -ENOMEM;
    __fsetlocking(r->file, FSETLOCKING_BYCALLER);
    return 0;
}

/* What the parser has left, so that checksums are checked. False: it cannot be had. */
static bool drain(struct reader *r)
{
    ssize_t n;
    do
        n = cookie_read(r, r->buffer, sizeof r->buffer);
    while (n > 0);
    return n == 0;
}

/* --- failing ---------------------------------------------------------------------------------- */

static int fail(struct reader *r, enum error_kind kind, uint64_t line, const char *why)
{
    struct buf b = BUF_INIT;
    buf_printf(&b, "%.220s", r->member->name);
    if (line > 0)
        buf_printf(&b, ", line %llu", (unsigned long long)line);
    buf_printf(&b, ": %s", why);
    parse_task_fail(&r->member->outer->run, b.failed ? KIND_RESOURCES : kind, 0, PENSTOCK_NO_OFFSET,
                    b.failed ? "out of memory" : b.data);
    buf_deinit(&b);
    return -EINVAL;
}

static int fail_decode(struct reader *r)
{
    switch (decode_fault(r->decode)) {
    case DECODE_LIMIT:
        return fail(r, KIND_LIMIT_EXCEEDED, 0, decode_message(r->decode));
    case DECODE_NO_MEMORY:
        return fail(r, KIND_RESOURCES, 0, decode_message(r->decode));
    default:
        return fail(r, KIND_DECODE_ERROR, 0, decode_message(r->decode));
    }
}

/* The member was not read to its end, or not well. */
static int fail_read(struct reader *r)
{
    if (r->text && transcode_fault(r->text) == TRANSCODE_NO_MEMORY)
        return fail(r, KIND_RESOURCES, 0, "out of memory");
    if (r->text && transcode_fault(r->text) == TRANSCODE_WRONG)
        return fail(r, KIND_DECODE_ERROR, 0, transcode_message(r->text));
    if (!r->source_failed && r->decode && decode_fault(r->decode) != DECODE_FINE)
        return fail_decode(r);
    return -EIO; /* the source has said why */
}

/* --- the run ---------------------------------------------------------------------------------- */

static int emit(struct parse_task *task, const char *json, size_t len)
{
    struct reader *r = container_of(task, struct reader, task);
    struct buf *b = &r->record;
    buf_reset(b);
    buf_puts(b, r->member->head);
    buf_puts(b, ",\"data\":");
    buf_put(b, json, len);
    buf_putc(b, '}');
    return b->failed ? -ENOMEM : parse_task_emit(&r->member->outer->run, b->data, b->len);
}

static int judge(struct reader *r, enum penstock_result result)
{
    const struct parse_task *task = &r->task;
    r->member->outer->notes += task->notes;
    r->member->outer->skipped += task->skipped;
    bool broken = r->source_failed || (r->decode && decode_fault(r->decode) != DECODE_FINE) ||
                  (r->text && transcode_fault(r->text) != TRANSCODE_FINE);
    r->member->outer->repaired += task->repaired;
    if (broken || (result == PENSTOCK_OK && !drain(r)))
        return fail_read(r);
    if (result != PENSTOCK_FAILED)
        return 0;
    if (r->member->outer->refused || r->member->outer->failed_said)
        return -ECANCELED;
    return fail(r, task->kind, task->line, task->message);
}

int member_run(const struct member *member)
{
    struct reader *r = calloc(1, sizeof *r);
    if (!r)
        return parse_task_fail(&member->outer->run, KIND_RESOURCES, 0, PENSTOCK_NO_OFFSET,
                               "out of memory");
    r->member = member;
    r->task.parser = member->inner->parser;
    r->task.facts = member->outer->facts;
    r->task.facts.url = member->url ? member->url : r->task.facts.url;
    r->task.facts.status = member->status;
    r->task.facts.headers = member->headers;
    r->task.facts.header_count = member->header_count;
    r->task.facts.options = member->inner->options;
    r->task.facts.option_count = member->inner->option_count;
    r->task.body = member->outer->body;
    r->task.record_bytes = member->outer->record_bytes;
    r->task.emit = emit;
    int result = open_file(r);
    if (result < 0)
        fail(r, KIND_RESOURCES, 0, "out of memory");
    else
        result = judge(r, parse_task_nested(&r->task, r->file));
    if (r->file)
        fclose(r->file);
    if (r->text)
        member->outer->replaced += transcode_replaced(r->text);
    if (r->text)
        member->outer->repaired += transcode_contradicted(r->text);
    transcode_free(r->text);
    decode_free(r->decode);
    buf_deinit(&r->record);
    free(r);
    return result;
}
