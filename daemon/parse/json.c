/* One yajl handle takes value after value (yajl_allow_multiple_values), and the callbacks count how
 * many were whole: exactly one must have been, with nothing begun behind it. After an error the
 * handle is of no more use and is replaced. */
#include "parse/json.h"

#include "base/buf.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

struct json {
    yajl_handle yajl; /* NULL: to be made anew */
    unsigned depth;
    unsigned values; /* whole values at depth 0 */
    bool too_deep;
    struct buf squeezed;
};

static int on_scalar(struct json *json)
{
    if (json->depth == 0)
        json->values++;
    return json->values <= 1;
}

static int on_null(void *ctx)
{
    return on_scalar(ctx);
}

static int on_boolean(void *ctx, int value)
{
    return on_scalar(ctx);
}

static int on_number(void *ctx, const char *text, size_t len)
{
    return on_scalar(ctx);
}

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
    return on_scalar(ctx);
}

static int on_open(void *ctx)
{
    struct json *json = ctx;
    if (json->depth == 0 && json->values > 0) {
        json->values++;
        return 0;
    }
    json->too_deep = ++json->depth > JSON_DEPTH;
    return !json->too_deep;
}

static int on_close(void *ctx)
{
    struct json *json = ctx;
    json->depth--;
    return on_scalar(json);
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_open,
    .yajl_end_map = on_close,
    .yajl_start_array = on_open,
    .yajl_end_array = on_close,
};

struct json *json_new(void)
{
    return calloc(1, sizeof(struct json));
}

static void drop_handle(struct json *json)
{
    if (json->yajl)
        yajl_free(json->yajl);
    json->yajl = NULL;
}

void json_free(struct json *json)
{
    if (!json)
        return;
    drop_handle(json);
    buf_deinit(&json->squeezed);
    free(json);
}

static bool ready(struct json *json)
{
    json->depth = json->values = 0;
    json->too_deep = false;
    if (json->yajl)
        return true;
    json->yajl = yajl_alloc(&callbacks, NULL, json);
    if (!json->yajl)
        return false;
    yajl_config(json->yajl, yajl_allow_multiple_values, 1);
    yajl_config(json->yajl, yajl_dont_validate_strings, 1); /* done before, and more strictly */
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* yajl's reason in one line: "lexical error: invalid char in json text" */
static int yajl_reason(struct json *json, const char *text, size_t len, struct error *err)
{
    unsigned char *reason = yajl_get_error(json->yajl, 0, (const unsigned char *)text, len);
    if (!reason)
        return -ENOMEM;
    size_t n = strcspn((const char *)reason, "\n");
    while (n > 0 && (reason[n - 1] == '.' || reason[n - 1] == ' '))
        n--;
    int r = error_set(err, -EINVAL, "%.*s", (int)n, (const char *)reason);
    yajl_free_error(json->yajl, reason);
    return r;
}

static int explain(struct json *json, const char *text, size_t len, bool at_end, struct error *err)
{
    if (json->too_deep)
        return error_set(err, -EINVAL, "nested deeper than %d levels", JSON_DEPTH);
    if (json->values > 1)
        return error_set(err, -EINVAL, "more than one JSON value");
    if (len == 0)
        return error_set(err, -EINVAL, "no JSON value");
    if (at_end)
        return error_set(err, -EINVAL, "the JSON value is cut short");
    return yajl_reason(json, text, len, err);
}

static int validate(struct json *json, const char *text, size_t len, size_t *ret_offset,
                    struct error *err)
{
    if (!ready(json))
        return -ENOMEM;
    bool at_end = false;
    yajl_status status = yajl_parse(json->yajl, (const unsigned char *)text, len);
    if (status == yajl_status_ok) {
        /* A newline ends a number or a word that the text's end leaves open, and is an error in a
         * string. */
        at_end = true;
        status = yajl_parse(json->yajl, (const unsigned char *)"\n", 1);
        if (status == yajl_status_ok && json->depth == 0 && json->values == 1)
            return 0;
    }
    *ret_offset = at_end ? len : yajl_get_bytes_consumed(json->yajl);
    int r = explain(json, text, len, at_end, err);
    drop_handle(json);
    return r;
}

/* Most text is, and this is many times faster than looking for sequences. */
static bool is_ascii(const char *text, size_t len)
{
    uint64_t all = 0, word;
    size_t i = 0;
    for (; i + sizeof word <= len; i += sizeof word) {
        memcpy(&word, text + i, sizeof word);
        all |= word;
    }
    for (; i < len; i++)
        all |= (unsigned char)text[i];
    return (all & UINT64_C(0x8080808080808080)) == 0;
}

/* Removes what stands between tokens only, so no token changes or joins another. */
static int squeeze(struct json *json, const char **value, size_t *len)
{
    const char *text = *value;
    if (!memchr(text, '\n', *len) && !memchr(text, '\r', *len))
        return 0;
    buf_reset(&json->squeezed);
    if (buf_reserve(&json->squeezed, *len) < 0)
        return -ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < *len; i++)
        if (text[i] != '\n' && text[i] != '\r')
            json->squeezed.data[n++] = text[i];
    *value = json->squeezed.data;
    *len = json->squeezed.len = n;
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
    size_t value_len = len - skipped, good = value_len;
    if (!is_ascii(value, value_len))
        good = utf8_valid(value, value_len);
    if (good < value_len) {
        *offset = skipped + good;
        return error_set(err, -EILSEQ, "not UTF-8");
    }
    int r = validate(json, value, value_len, offset, err);
    if (r < 0) {
        *offset += skipped;
        return r;
    }
    r = squeeze(json, &value, &value_len);
    if (r < 0)
        return r;
    *ret_value = value;
    *ret_len = value_len;
    return 0;
}
