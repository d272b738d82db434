/* The headers that a job may send. What is refused would carry a secret into the store and the
 * logs, contradict what penstock itself does on the connection, or forge a request (RFC 9110, RFC
 * 9112). */
#include "terms/spec_headers.h"

#include "base/buf.h"
#include "terms/field.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define COUNT_MAX 64
#define LINE_MAX  8192

struct refusal {
    const char *name;
    const char *why;
};

#define SECRET "it would carry a secret; use `credential`"
#define HOP    "it speaks of the connection, which is not the job's"

#define SECRET_COUNT 3 /* the first ones */

static const struct refusal refusals[] = {
    {"Authorization", SECRET},
    {"Proxy-Authorization", SECRET},
    {"Cookie", SECRET},
    {"Connection", HOP},
    {"Keep-Alive", HOP},
    {"Proxy-Connection", HOP},
    {"Proxy-Authenticate", HOP},
    {"TE", HOP},
    {"Trailer", HOP},
    {"Transfer-Encoding", HOP},
    {"Upgrade", HOP},
    {"HTTP2-Settings", HOP},
    {"Content-Length", "it follows from `body`"},
    {"Expect", "penstock sets it where it is needed"},
    {"Host", "it follows from `url`"},
    {"User-Agent", "use `user_agent`"},
    {"Accept-Encoding", "penstock asks for what it can decode"},
    {"Range", "a part of a body is no body; resuming is penstock's"},
    {"If-Range", "a part of a body is no body; resuming is penstock's"},
};

int spec_check_header_name(const char *name, size_t len, bool secret, struct error *err)
{
    static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t good = 0;
    while (good < len && name[good] && strchr(token, name[good]))
        good++;
    if (len == 0 || good < len)
        return error_set(err, -EINVAL, "'%.*s' is no header's name", len < 64 ? (int)len : 64,
                         name);
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        if (strlen(refusals[i].name) == len && strncasecmp(refusals[i].name, name, len) == 0 &&
            !(secret && i < SECRET_COUNT))
            return error_set(err, -EINVAL, "%s is refused: %s", refusals[i].name, refusals[i].why);
    return 0;
}

/* Values are not shown in errors: they may be secrets all the same. */
static int check_value(const char *value, size_t len, const char *name, size_t name_len,
                       struct error *err)
{
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)value[i] < 0x20 && value[i] != '\t') || value[i] == 0x7f)
            return error_set(err, -EINVAL,
                             "the value of %.*s has a control character (CR, LF, NUL …)",
                             (int)name_len, name);
    return 0;
}

static int add_header(struct strings *headers, const char *name, size_t name_len, const char *value,
                      size_t len, struct error *err)
{
    struct buf line = BUF_INIT;
    int r = spec_check_header_name(name, name_len, false, err);
    while (len > 0 && (*value == ' ' || *value == '\t')) {
        value++;
        len--;
    }
    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        len--;
    if (r == 0)
        r = check_value(value, len, name, name_len, err);
    if (r < 0)
        return r;
    if (headers->count == COUNT_MAX || name_len + len > LINE_MAX)
        return error_set(err, -EINVAL, "at most %d headers, each up to %d bytes", COUNT_MAX,
                         LINE_MAX);
    buf_put(&line, name, name_len);
    buf_puts(&line, ": ");
    buf_put(&line, value, len);
    r = line.failed ? -ENOMEM : strings_add(headers, line.data, line.len);
    buf_deinit(&line);
    return r < 0 ? error_set(err, r, "out of memory") : 0;
}

static int read_object(const json_t *value, struct strings *headers, struct error *err)
{
    const char *name;
    json_t *item;
    json_object_foreach((json_t *)value, name, item)
    {
        if (!json_is_string(item))
            return error_set(err, -EINVAL, "the value of %.64s is not a string", name);
        int r = add_header(headers, name, strlen(name), json_string_value(item),
                           json_string_length(item), err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_array(const json_t *value, struct strings *headers, struct error *err)
{
    size_t i;
    json_t *item;
    json_array_foreach(value, i, item)
    {
        const char *line = json_string_value(item);
        const char *colon = line ? strchr(line, ':') : NULL;
        if (!colon)
            return error_set(err, -EINVAL, "item %zu is not \"Name: value\"", i);
        int r = add_header(headers, line, (size_t)(colon - line), colon + 1,
                           json_string_length(item) - (size_t)(colon - line) - 1, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int spec_read_headers(const json_t *value, struct strings *headers, struct error *err)
{
    if (json_is_object(value))
        return read_object(value, headers, err);
    if (json_is_array(value))
        return read_array(value, headers, err);
    return error_set(err, -EINVAL,
                     "write an object {\"Name\":\"value\"} or an array [\"Name: value\"]");
}
