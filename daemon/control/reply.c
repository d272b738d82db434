#include "control/reply.h"

#include "base/json_string.h"

#include <string.h>

static const struct {
    int code;
    const char *kind;
} kinds[] = {
    {REPLY_PARSE_ERROR, "parse_error"},
    {REPLY_INVALID_REQUEST, "invalid_request"},
    {REPLY_METHOD_NOT_FOUND, "method_not_found"},
    {API_INVALID_PARAMS, "invalid_params"},
    {API_INTERNAL, "internal"},
    {API_NOT_FOUND, "not_found"},
    {API_CONFLICT, "conflict"},
    {API_DRAINING, "draining"},
    {API_QUEUE_FULL, "queue_full"},
    {API_FORBIDDEN, "forbidden"},
    {API_UNAVAILABLE, "unavailable"},
    {API_BAD_CONFIG, "bad_config"},
};

static const char notify_head[] = "{\"jsonrpc\":\"2.0\",\"method\":\"";
static const char notify_params[] = "\",\"params\":";

const char *reply_kind(int code)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].code == code)
            return kinds[i].kind;
    return "internal";
}

static int put_chunk(const char *data, size_t len, void *arg)
{
    return buf_put(arg, data, len);
}

static void put_head(struct buf *b, const char *id, const char *member)
{
    buf_puts(b, "{\"jsonrpc\":\"2.0\",\"id\":");
    buf_puts(b, id);
    buf_puts(b, ",\"");
    buf_puts(b, member);
    buf_puts(b, "\":");
}

void reply_result(struct buf *b, const char *id, const json_t *result)
{
    put_head(b, id, "result");
    /* 15 digits: seconds print as they were written (0.734), not as 0.73399999999999999. */
    size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15);
    if (json_dump_callback(result, put_chunk, b, flags) < 0)
        b->failed = true;
    buf_putc(b, '}');
}

void reply_result_text(struct buf *b, const char *id, const char *result, size_t len)
{
    put_head(b, id, "result");
    buf_put(b, result, len);
    buf_putc(b, '}');
}

void reply_error(struct buf *b, const char *id, int code, const char *message, const char *field)
{
    put_head(b, id, "error");
    buf_printf(b, "{\"code\":%d,\"message\":", code);
    json_put_string(b, message, strlen(message));
    buf_puts(b, ",\"data\":{\"kind\":");
    const char *kind = reply_kind(code);
    json_put_string(b, kind, strlen(kind));
    if (field) {
        buf_puts(b, ",\"field\":");
        json_put_string(b, field, strlen(field));
    }
    buf_puts(b, "}}}");
}

size_t reply_notify_size(const char *method)
{
    return sizeof notify_head + sizeof notify_params + strlen(method);
}

void reply_notify(struct buf *b, const char *method, const char *params, size_t len)
{
    buf_put(b, notify_head, sizeof notify_head - 1);
    buf_puts(b, method);
    buf_put(b, notify_params, sizeof notify_params - 1);
    buf_put(b, params, len);
    buf_putc(b, '}');
}

void reply_complete_errors(json_t *results)
{
    for (size_t i = 0; i < json_array_size(results); i++) {
        json_t *error = json_object_get(json_array_get(results, i), "error");
        json_t *code = json_object_get(error, "code");
        json_t *data = json_object_get(error, "data");
        if (!json_is_integer(code) || json_object_get(data, "kind"))
            continue;
        json_t *kind = json_string(reply_kind((int)json_integer_value(code)));
        if (data)
            json_object_set_new(data, "kind", kind);
        else
            json_object_set_new(error, "data", json_pack("{so}", "kind", kind));
    }
}
