#include "terms/spec_values.h"

#include "base/buf.h"
#include "terms/params.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAIRS_MAX  64
#define LABEL_MAX  512
#define OPTION_MAX 65536
#define PARAM_MAX  1024

static int check_text(const char *text, size_t len, size_t max, struct error *err)
{
    if (len > max)
        return error_set(err, -EINVAL, "it is over %zu bytes", max);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return error_set(err, -EINVAL, "it has a control character");
    return 0;
}

int spec_read_text(const json_t *value, size_t max, const char **ret_text, struct error *err)
{
    if (!json_is_string(value))
        return error_set(err, -EINVAL, "it is not a string");
    int r = check_text(json_string_value(value), json_string_length(value), max, err);
    if (r == 0)
        *ret_text = json_string_value(value);
    return r;
}

int spec_read_body(const json_t *value, char **ret_body, size_t *ret_len, struct error *err)
{
    if (!json_is_string(value))
        return error_set(err, -EINVAL, "it is not a string");
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);
    if (memchr(text, '\0', len))
        return error_set(err, -EINVAL, "it has a NUL, which a JSON string here may not");
    char *body = strdup(text);
    if (!body)
        return error_set(err, -ENOMEM, "out of memory");
    *ret_body = body;
    *ret_len = len;
    return 0;
}

/* --- parameters ------------------------------------------------------------------------------- */

/* A number as one would write it in the config. */
static int put_number(struct buf *b, const json_t *value, struct error *err)
{
    if (json_is_integer(value)) {
        buf_printf(b, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return 0;
    }
    double real = json_real_value(value);
    if (!(real > -1e15 && real < 1e15))
        return error_set(err, -EINVAL, "the number is out of all bounds");
    buf_printf(b, real == (double)(int64_t)real ? "%.0f" : "%.9f", real);
    return 0;
}

static int put_scalar(struct buf *b, const json_t *value, struct error *err)
{
    const char *text;
    if (json_is_number(value))
        return put_number(b, value, err);
    if (!json_is_string(value))
        return error_set(err, -EINVAL, "it is not a string or a number");
    int r = spec_read_text(value, PARAM_MAX, &text, err);
    if (r == 0)
        buf_puts(b, text);
    return r;
}

static int put_list(struct buf *b, const json_t *value, struct error *err)
{
    size_t i;
    json_t *item;
    if (json_array_size(value) > PAIRS_MAX)
        return error_set(err, -EINVAL, "it has more than %d items", PAIRS_MAX);
    json_array_foreach(value, i, item)
    {
        int r = put_scalar(b, item, err);
        if (r < 0)
            return r;
        buf_putc(b, ' ');
    }
    return 0;
}

int spec_read_param(const json_t *value, int param, struct job_params *params, struct error *err)
{
    struct buf b = BUF_INIT;
    size_t bad;
    int r = params_fields[param].type == FIELD_LIST && json_is_array(value)
                ? put_list(&b, value, err)
                : put_scalar(&b, value, err);
    if (r == 0 && b.failed)
        r = error_set(err, -ENOMEM, "out of memory");
    if (r == 0) {
        const char *text = b.data ? b.data : "";
        r = params_set_texts(params, param, &text, 1, &bad, err);
    }
    buf_deinit(&b);
    return r;
}

/* --- pairs ------------------------------------------------------------------------------------ */

static int check_pairs(const json_t *value, struct error *err)
{
    if (!json_is_object(value))
        return error_set(err, -EINVAL, "write an object {\"name\":\"value\"}");
    if (json_object_size(value) > PAIRS_MAX)
        return error_set(err, -EINVAL, "it has more than %d members", PAIRS_MAX);
    return 0;
}

static int add_pair(struct settings_pair **pairs, size_t *count, const char *name,
                    const char *value, struct error *err)
{
    return pairs_add(pairs, count, name, value) < 0 ? error_set(err, -ENOMEM, "out of memory") : 0;
}

int spec_read_labels(const json_t *value, struct spec *spec, struct error *err)
{
    const char *name, *text = NULL;
    struct error why;
    json_t *item;
    int r = check_pairs(value, err);
    if (r < 0)
        return r;
    json_object_foreach((json_t *)value, name, item)
    {
        r = check_name(name, &why);
        if (r == 0)
            r = spec_read_text(item, LABEL_MAX, &text, &why);
        if (r < 0)
            return error_set(err, r, "%.64s: %s", name, why.text);
        r = add_pair(&spec->labels, &spec->label_count, name, text, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* An option's value is a text to its parser; a number or a boolean is one that needs no quotes. */
static int option_text(const json_t *value, struct buf *b, struct error *err)
{
    if (json_is_boolean(value)) {
        buf_puts(b, json_is_true(value) ? "yes" : "no");
        return 0;
    }
    if (json_is_number(value))
        return put_number(b, value, err);
    if (!json_is_string(value))
        return error_set(err, -EINVAL, "it is not a string, a number or a boolean");
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);
    if (len > OPTION_MAX)
        return error_set(err, -EINVAL, "it is over %d bytes", OPTION_MAX);
    if (memchr(text, '\0', len))
        return error_set(err, -EINVAL, "it has a NUL");
    buf_put(b, text, len);
    return 0;
}

int spec_read_options(const json_t *value, struct spec *spec, struct error *err)
{
    const char *name;
    struct error why;
    json_t *item;
    int r = check_pairs(value, err);
    if (r < 0)
        return r;
    json_object_foreach((json_t *)value, name, item)
    {
        struct buf b = BUF_INIT;
        r = check_name(name, &why);
        if (r == 0)
            r = option_text(item, &b, &why);
        if (r < 0)
            error_set(err, r, "%.64s: %s", name, why.text);
        else if (b.failed)
            r = error_set(err, -ENOMEM, "out of memory");
        else
            r = add_pair(&spec->options, &spec->option_count, name, b.data ? b.data : "", err);
        buf_deinit(&b);
        if (r < 0)
            return r;
    }
    return 0;
}
