#include "record/journal_text.h"

#include <string.h>

static const char *text_of(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    return s ? s : "";
}

static json_int_t integer_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

/* journalctl shows an entry with such characters as a blob, or lets them steer the terminal. */
static void put_clean(struct buf *b, const char *text)
{
    for (; *text; text++)
        buf_putc(b, (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}

static void put_error(struct buf *b, const json_t *line)
{
    const json_t *error = json_object_get(line, "error");
    const char *kind = text_of(error, "kind"), *message = text_of(error, "message");
    if (*kind)
        buf_printf(b, ": %s", kind);
    if (*message) {
        buf_puts(b, ": ");
        put_clean(b, message);
    }
}

static void put_verdict(struct buf *b, const json_t *line)
{
    const char *state = text_of(line, "state"), *url = text_of(line, "url");
    const json_t *seconds = json_object_get(line, "seconds");
    buf_printf(b, "job %" JSON_INTEGER_FORMAT " ", integer_of(line, "job"));
    put_clean(b, state);
    if (strcmp(state, "done") == 0)
        buf_printf(b, ": %" JSON_INTEGER_FORMAT " bytes, %" JSON_INTEGER_FORMAT " records, %.3f s",
                   integer_of(line, "bytes"), integer_of(line, "records"),
                   json_number_value(json_object_get(seconds, "total")));
    put_error(b, line);
    if (*url) {
        buf_puts(b, " (");
        put_clean(b, url);
        buf_putc(b, ')');
    }
}

static void put_attempt(struct buf *b, const json_t *line)
{
    const json_t *retry_in = json_object_get(line, "retry_in");
    buf_printf(b, "job %" JSON_INTEGER_FORMAT " attempt %" JSON_INTEGER_FORMAT " ",
               integer_of(line, "job"), integer_of(line, "attempt"));
    put_clean(b, text_of(line, "outcome"));
    put_error(b, line);
    if (retry_in)
        buf_printf(b, "; tried again in %.1f s", json_number_value(retry_in));
}

/* "uid 1000 (pid 4242): cancel, 3 jobs from 42". */
static void put_audit(struct buf *b, const json_t *line)
{
    static const char *const names[] = {"host", "parser", "schedule", "signal", "error"};
    json_int_t pid = integer_of(line, "pid"), jobs = integer_of(line, "jobs");
    if (json_object_get(line, "uid"))
        buf_printf(b, "uid %" JSON_INTEGER_FORMAT, integer_of(line, "uid"));
    else
        buf_puts(b, "penstockd");
    if (pid > 0)
        buf_printf(b, " (pid %" JSON_INTEGER_FORMAT ")", pid);
    buf_puts(b, ": ");
    put_clean(b, text_of(line, "action"));
    if (jobs > 0)
        buf_printf(b, ", %" JSON_INTEGER_FORMAT " job%s from %" JSON_INTEGER_FORMAT, jobs,
                   jobs > 1 ? "s" : "", integer_of(line, "first"));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = text_of(line, names[i]);
        if (*value)
            buf_printf(b, ", %s ", names[i]);
        put_clean(b, value);
    }
}

void journal_put_text(struct buf *b, enum event event, const json_t *line)
{
    switch (event) {
    case EVENT_VERDICT:
        put_verdict(b, line);
        break;
    case EVENT_ATTEMPT:
        put_attempt(b, line);
        break;
    case EVENT_RECORD:
        buf_printf(b, "job %" JSON_INTEGER_FORMAT " record %" JSON_INTEGER_FORMAT,
                   integer_of(line, "job"), integer_of(line, "seq"));
        break;
    case EVENT_AUDIT:
        put_audit(b, line);
        break;
    default: /* start, stop and what may be added */
        buf_puts(b, "penstockd ");
        put_clean(b, text_of(line, "version"));
        buf_puts(b, event == EVENT_START ? " has started" : " stops");
    }
}
