#include "client/job_options.h"
#include "base/buf.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    const char *at;
    struct buf name, value;
    json_t *job;
    char *socket;
    struct error *err;
};

static int no_memory(struct error *err)
{
    return error_set(err, -ENOMEM, "out of memory");
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Up to the equals sign, which is passed over. */
static int read_name(struct reader *r)
{
    const char *end = r->at;
    while (*end && *end != '=' && !is_space(*end))
        end++;
    if (*end != '=' || end == r->at)
        return error_set(r->err, -EINVAL, "options: NAME=VALUE is wanted at \"%.40s\"", r->at);
    buf_reset(&r->name);
    buf_put(&r->name, r->at, (size_t)(end - r->at));
    r->at = end + 1;
    return r->name.failed ? no_memory(r->err) : 0;
}

static int read_value(struct reader *r)
{
    const char *begin = r->at;
    bool quoted = *r->at == '"';
    buf_reset(&r->value);
    r->at += quoted;
    while (*r->at && (quoted ? *r->at != '"' : !is_space(*r->at))) {
        if (quoted && r->at[0] == '\\' && r->at[1])
            r->at++;
        buf_putc(&r->value, *r->at++);
    }
    if (quoted && *r->at++ != '"')
        return error_set(r->err, -EINVAL, "options: the quote is not closed at \"%.40s\"", begin);
    if (*r->at && !is_space(*r->at))
        return error_set(r->err, -EINVAL,
                         "options: white space is wanted behind the quote at \"%.40s\"", begin);
    return r->value.failed ? no_memory(r->err) : 0;
}

static const char *value_text(const struct reader *r)
{
    return r->value.len > 0 ? r->value.data : "";
}

/* The protocol has numbers where a value is one, except for these, which are text whatever stands
 * there. */
static bool is_number(const char *name, const char *text)
{
    static const char *const texts[] = {"key", "user_agent", "credential", "body", "method"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (strcmp(name, texts[i]) == 0)
            return false;
    text += *text == '-';
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits < 19 && !text[digits];
}

/* What is not UTF-8 makes no JSON string. */
static int check_made(struct reader *r, json_t *value)
{
    if (value)
        return 0;
    return error_set(r->err, -EINVAL, "options: the value of %s is not UTF-8", r->name.data);
}

static json_t *container(json_t *job, const char *name, json_t *(*make)(void))
{
    json_t *value = json_object_get(job, name);
    if (!value && json_object_set_new(job, name, make()) == 0)
        value = json_object_get(job, name);
    return value;
}

static int put(struct reader *r, json_t *object, const char *name, json_t *value)
{
    int failed = check_made(r, value);
    if (failed < 0)
        return failed;
    if (object && json_object_get(object, name)) {
        json_decref(value);
        return error_set(r->err, -EINVAL, "options: %s is given twice", r->name.data);
    }
    return object && json_object_set_new(object, name, value) == 0 ? 0 : no_memory(r->err);
}

static int take(struct reader *r)
{
    const char *text = value_text(r);
    char *name = r->name.data;
    for (char *c = name; *c && *c != '.'; c++)
        if (*c == '-')
            *c = '_';
    if (strcmp(name, "socket") == 0) {
        free(r->socket);
        r->socket = strdup(text);
        return r->socket ? 0 : no_memory(r->err);
    }
    if (strncmp(name, "label.", 6) == 0)
        return put(r, container(r->job, "labels", json_object), name + 6, json_string(text));
    if (strncmp(name, "option.", 7) == 0)
        return put(r, container(r->job, "options", json_object), name + 7, json_string(text));
    if (strcmp(name, "header") == 0) {
        json_t *value = json_string(text);
        int failed = check_made(r, value);
        if (failed < 0)
            return failed;
        return json_array_append_new(container(r->job, "headers", json_array), value) == 0
                   ? 0
                   : no_memory(r->err);
    }
    if (is_number(name, text))
        return put(r, r->job, name, json_integer(strtoll(text, NULL, 10)));
    return put(r, r->job, name, json_string(text));
}

static int read_all(struct reader *r)
{
    int result = 0;
    for (;;) {
        while (is_space(*r->at))
            r->at++;
        if (!*r->at)
            return 0;
        if ((result = read_name(r)) < 0 || (result = read_value(r)) < 0 || (result = take(r)) < 0)
            return result;
    }
}

int options_job(const char *url, const char *options, json_t **ret_job, char **ret_socket,
                struct error *err)
{
    struct reader r = {.at = options ? options : "", .job = json_object(), .err = err};
    json_t *value = url ? json_string(url) : NULL;
    int result = r.job ? 0 : no_memory(err);
    if (result == 0 && !value)
        result = error_set(err, -EINVAL, "url: %s", url ? "it is not UTF-8" : "there is none");
    if (result == 0 && json_object_set(r.job, "url", value) < 0)
        result = no_memory(err);
    json_decref(value);
    if (result == 0)
        result = read_all(&r);
    buf_deinit(&r.name);
    buf_deinit(&r.value);
    if (result < 0) {
        json_decref(r.job);
        free(r.socket);
        return result;
    }
    *ret_job = r.job;
    *ret_socket = r.socket;
    return 0;
}
