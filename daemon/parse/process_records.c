#include "parse/process_records.h"

#include "base/error.h"
#include "base/json_string.h"
#include "base/utf8.h"
#include "parse/json_check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void records_init(struct records *r, struct parse_task *task, enum process_output output)
{
    *r = (struct records){.task = task,
                          .output = output,
                          .max = task->record_bytes ? task->record_bytes : PARSE_RECORD_BYTES};
}

void records_deinit(struct records *r)
{
    json_free(r->json);
    buf_deinit(&r->data);
    buf_deinit(&r->text);
}

char *records_room(struct records *r, size_t size)
{
    return buf_reserve(&r->data, size) < 0 ? NULL : r->data.data + r->data.len;
}

static int fail(struct records *r, int code, enum error_kind kind, const char *text)
{
    parse_task_fail(&r->task->run, kind, 0, PENSTOCK_NO_OFFSET, text);
    return code;
}

static int no_memory(struct records *r)
{
    return fail(r, -ENOMEM, KIND_RESOURCES, "no memory for a record");
}

static int too_long(struct records *r)
{
    struct error why;
    error_set(&why, 0, "a record of the output is over the limit of %zu bytes (parse.max_record)",
              r->max);
    return fail(r, -EMSGSIZE, KIND_LIMIT_EXCEEDED, why.text);
}

/* --- lines ------------------------------------------------------------------------------------ */

/* As often as json_put_string puts U+FFFD, from the first wrong byte on. */
static uint64_t count_wrong(const char *p, const char *end)
{
    uint64_t count = 0;
    while (p < end) {
        count++;
        p += -utf8_sequence((const unsigned char *)p, (const unsigned char *)end);
        p += utf8_valid(p, (size_t)(end - p));
    }
    return count;
}

static int emit_text(struct records *r, const char *line, size_t len)
{
    size_t good = utf8_valid(line, len);
    /* What a program prints is no text of the body's, which `charset_errors` is about; but it is
     * told. */
    r->task->replaced += count_wrong(line + good, line + len);
    buf_reset(&r->text);
    json_put_string(&r->text, line, len);
    if (r->text.failed)
        return no_memory(r);
    return parse_task_emit(&r->task->run, r->text.data, r->text.len);
}

static int emit_json(struct records *r, const char *line, size_t len)
{
    struct error why, sentence;
    size_t blank = 0;
    while (blank < len && line[blank] && strchr(" \t\r", line[blank]))
        blank++;
    if (blank == len)
        return 0;
    if (!r->json && !(r->json = json_new(JSON_DEPTH)))
        return no_memory(r);
    const char *value;
    size_t value_len;
    int e = json_check(r->json, line, len, &value, &value_len, NULL, &why);
    if (e == 0)
        return parse_task_emit(&r->task->run, value, value_len);
    if (e == -ENOMEM)
        return no_memory(r);
    error_set(&sentence, 0, "line %" PRIu64 " of the output is not one JSON value: %s", r->number,
              why.text);
    return fail(r, -EINVAL, KIND_PARSER_FAILED, sentence.text);
}

static int emit_line(struct records *r, const char *line, size_t len)
{
    r->number++;
    if (len > r->max)
        return too_long(r);
    if (len > 0 && line[len - 1] == '\r')
        len--;
    return r->output == PROCESS_JSON ? emit_json(r, line, len) : emit_text(r, line, len);
}

static int take_lines(struct records *r)
{
    const char *data = r->data.data, *end;
    size_t start = 0;
    int e = 0;
    while (e == 0 && (end = memchr(data + r->scanned, '\n', r->data.len - r->scanned))) {
        e = emit_line(r, data + start, (size_t)(end - data) - start);
        start = r->scanned = (size_t)(end - data) + 1;
    }
    if (e < 0)
        return e;
    buf_drop(&r->data, start);
    r->scanned = r->data.len;
    return r->data.len > r->max ? too_long(r) : 0;
}

/* --- a plug-in's emits ------------------------------------------------------------------------ */

static int take_emits(struct records *r)
{
    uint32_t len;
    size_t at = 0;
    int e = 0;
    while (e == 0 && r->data.len - at >= sizeof len) {
        memcpy(&len, r->data.data + at, sizeof len);
        if (len > r->max)
            return too_long(r);
        if (r->data.len - at - sizeof len < len)
            break;
        /* Checked once more: the process that sent it can send what it likes. */
        e = r->task->run.emit(&r->task->run, r->data.data + at + sizeof len, len);
        at += sizeof len + len;
    }
    if (e == 0)
        buf_drop(&r->data, at);
    return e;
}

int records_take(struct records *r, size_t len)
{
    r->data.len += len;
    r->taken += len;
    return r->output == PROCESS_RECORDS ? take_emits(r) : take_lines(r);
}

int records_end(struct records *r)
{
    if (r->data.len == 0 || r->output == PROCESS_RECORDS)
        return 0; /* half an emit: its process did not live to write the rest */
    int e = emit_line(r, r->data.data, r->data.len);
    buf_reset(&r->data);
    return e;
}
