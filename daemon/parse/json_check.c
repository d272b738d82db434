#include "parse/json_check.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "parse/json_scan.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct json {
    struct json_scan scan;
    unsigned max_depth;
    struct buf squeezed;
};

struct json *json_new(unsigned max_depth)
{
    struct json *json = calloc(1, sizeof *json);
    if (json)
        json->max_depth = max_depth;
    return json;
}

void json_free(struct json *json)
{
    if (json)
        buf_deinit(&json->squeezed);
    free(json);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* One value: the scanner tells of its begin, its end, and whatever comes instead. */
static int validate(struct json *json, const char *text, size_t len, size_t *ret_offset,
                    struct error *err)
{
    struct json_scan *scan = &json->scan;
    size_t at = 0, used;
    enum json_event event;
    json_scan_init(scan, json->max_depth, 0);
    do {
        event = json_scan(scan, text + at, len - at, &used);
        at += used;
        *ret_offset = at;
        if (event == JSON_BEGIN && scan->values > 0)
            return error_set(err, -EINVAL, "more than one JSON value");
    } while (event == JSON_BEGIN || event == JSON_END);
    if (event == JSON_MORE && json_scan_end(scan) == JSON_BAD)
        event = JSON_BAD;
    if (event == JSON_TOO_DEEP)
        return error_set(err, -E2BIG, "nested deeper than %u levels", json->max_depth);
    if (event == JSON_BAD && scan->values > 0)
        return error_set(err, -EINVAL, "more than one JSON value");
    if (event == JSON_BAD)
        return error_set(err, -EINVAL, "%s", scan->reason);
    return scan->values > 0 ? 0 : error_set(err, -EINVAL, "no JSON value");
}

int json_squeeze(struct buf *b, const char **text, size_t *len)
{
    const char *p = *text, *end = p + *len;
    if (!memchr(p, '\n', *len) && !memchr(p, '\r', *len))
        return 0;
    buf_reset(b);
    if (buf_reserve(b, *len) < 0)
        return -ENOMEM;
    while (p < end) {
        size_t run = 0;
        while (p + run < end && p[run] != '\n' && p[run] != '\r')
            run++;
        memcpy(b->data + b->len, p, run);
        b->len += run;
        for (p += run; p < end && is_space(*p);)
            p++;
    }
    b->data[b->len] = '\0';
    *text = b->data;
    *len = b->len;
    return 0;
}

int json_check(struct json *json, const char *text, size_t len, const char **ret_value,
               size_t *ret_len, size_t *ret_offset, struct error *err)
{
    size_t unused, *offset = ret_offset ? ret_offset : &unused, skipped = 0;
    while (len > 0 && is_space(text[len - 1]))
        len--;
    while (skipped < len && is_space(text[skipped]))
        skipped++;
    const char *value = text + skipped;
    size_t value_len = len - skipped, good = utf8_valid(value, value_len);
    if (good < value_len) {
        *offset = skipped + good;
        return error_set(err, -EILSEQ, "not UTF-8");
    }
    int r = validate(json, value, value_len, offset, err);
    if (r < 0) {
        *offset += skipped;
        return r;
    }
    r = json_squeeze(&json->squeezed, &value, &value_len);
    if (r < 0)
        return r;
    *ret_value = value;
    *ret_len = value_len;
    return 0;
}
