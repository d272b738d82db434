#include "ctl/records.h"

#include "ctl/out.h"
#include "ctl/slice.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct reading {
    bool whole;
    uint64_t printed, expected;
    json_int_t page; /* the next one; -1: there is none */
};

static bool print_line(const struct reading *r, struct slice line)
{
    struct slice data;
    if (r->whole) {
        out_json(line.p, line.len);
        return true;
    }
    if (!slice_member(line, "data", &data))
        return false;
    out_json(data.p, data.len);
    return true;
}

/* False: it is not as it should be. */
static bool print_page(struct reading *r, const json_t *result)
{
    const json_t *lines = json_object_get(result, "lines");
    const json_t *records = json_object_get(result, "records");
    const json_t *next = json_object_get(result, "next");
    const char *text = json_string_value(lines);
    if (!text || !json_is_integer(records))
        return false;
    const char *end = text + json_string_length(lines);
    r->expected = (uint64_t)json_integer_value(records);
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        if (!newline || !print_line(r, (struct slice){text, (size_t)(newline - text)}))
            return false;
        r->printed++;
        text = newline + 1;
    }
    bool more = json_is_integer(next) && json_integer_value(next) > r->page;
    r->page = more ? json_integer_value(next) : -1;
    return more || r->printed == r->expected;
}

static json_t *ask(const struct reading *r, uint64_t id, uint64_t attempt)
{
    json_t *params = json_pack("{s:I, s:I}", "id", (json_int_t)id, "page", r->page);
    if (attempt && json_object_set_new(params, "attempt", json_integer((json_int_t)attempt)) < 0) {
        json_decref(params);
        return NULL;
    }
    return params;
}

/* What was printed is no whole, and whoever reads it is to know. */
static int tell(const struct reading *r, const char *why)
{
    if (r->printed > 0)
        out_error("%s; %" PRIu64 " of %" PRIu64 " records were printed", why, r->printed,
                  r->expected);
    else
        out_error("%s", why);
    return EXIT_REFUSED;
}

int records_print(struct conn *conn, uint64_t id, uint64_t attempt, bool whole)
{
    struct reading r = {.whole = whole};
    while (r.page >= 0) {
        struct answer answer;
        struct error err = {"out of memory"};
        json_t *params = ask(&r, id, attempt);
        int code = params ? conn_call(conn, "records", params, &answer, &err) : -ENOMEM;
        if (code == -EINTR)
            return EXIT_INTERRUPTED;
        if (code < 0)
            return tell(&r, err.text);
        bool good = answer.code == 0 && print_page(&r, answer.result);
        int status =
            good ? EXIT_ALL_WELL
                 : tell(&r, answer.code ? answer.message : "the daemon's answer lacks records");
        answer_deinit(&answer);
        if (!good)
            return status;
    }
    return EXIT_ALL_WELL;
}
