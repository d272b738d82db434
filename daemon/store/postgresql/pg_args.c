#include "store/postgresql/pg_args.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

void args_deinit(struct args *args)
{
    for (int i = 0; i < ARGS_MAX; i++)
        buf_deinit(&args->bufs[i]);
}

void args_reset(struct args *args)
{
    args->count = 0;
}

static struct buf *next(struct args *args, bool null)
{
    assert(args->count < ARGS_MAX);
    struct buf *buf = &args->bufs[args->count];
    args->array[args->count] = false;
    args->null[args->count++] = null;
    buf_reset(buf);
    return buf;
}

static void put_int(struct buf *buf, int64_t value)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%" PRId64, value);
    buf_put(buf, text, (size_t)len);
}

void args_int(struct args *args, int64_t value)
{
    put_int(next(args, false), value);
}

void args_bool(struct args *args, bool value)
{
    buf_putc(next(args, false), value ? 't' : 'f');
}

void args_text(struct args *args, const char *value)
{
    struct buf *buf = next(args, !value);
    if (value && *value)
        buf_puts(buf, value);
    else
        buf_reserve(buf, 1);
}

void args_arrays(struct args *args, int count)
{
    for (int i = 0; i < count; i++) {
        buf_putc(next(args, false), '{');
        args->array[args->count - 1] = true;
    }
}

static struct buf *item(struct args *args, int at)
{
    struct buf *buf = &args->bufs[at];
    assert(at < args->count);
    if (buf->len > 1)
        buf_putc(buf, ',');
    return buf;
}

void array_int(struct args *args, int at, int64_t value)
{
    put_int(item(args, at), value);
}

void array_bool(struct args *args, int at, bool value)
{
    buf_putc(item(args, at), value ? 't' : 'f');
}

void array_text(struct args *args, int at, const char *value)
{
    struct buf *buf = item(args, at);
    if (!value) {
        buf_puts(buf, "NULL");
        return;
    }
    buf_putc(buf, '"');
    while (*value) {
        size_t plain = strcspn(value, "\"\\");
        buf_put(buf, value, plain);
        value += plain;
        if (*value) {
            buf_putc(buf, '\\');
            buf_putc(buf, *value++);
        }
    }
    buf_putc(buf, '"');
}

void args_close(struct args *args)
{
    for (int i = 0; i < args->count; i++) {
        if (args->array[i])
            buf_putc(&args->bufs[i], '}');
        args->array[i] = false;
    }
}

const char *const *args_values(struct args *args)
{
    for (int i = 0; i < args->count; i++) {
        if (args->bufs[i].failed)
            return NULL;
        args->values[i] = args->null[i] ? NULL : args->bufs[i].len ? args->bufs[i].data : "";
    }
    return args->values;
}
