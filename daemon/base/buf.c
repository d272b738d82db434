#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_deinit(struct buf *b)
{
    free(b->data);
    *b = (struct buf)BUF_INIT;
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = '\0';
}

int buf_reserve(struct buf *b, size_t extra)
{
    if (extra < b->size - b->len && b->size > 0)
        return 0;
    if (extra > (size_t)-1 / 2 - b->len) {
        b->failed = true;
        return -ENOMEM;
    }
    size_t size = b->size ? b->size : 128;
    while (size - b->len <= extra)
        size *= 2;
    char *data = realloc(b->data, size);
    if (!data) {
        b->failed = true;
        return -ENOMEM;
    }
    b->data = data;
    b->size = size;
    return 0;
}

int buf_put_growing(struct buf *b, const void *data, size_t len)
{
    /* Nothing comes behind a gap, even if there is memory again. */
    if (b->failed || buf_reserve(b, len) < 0)
        return -ENOMEM;
    if (len > 0)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
    return 0;
}

int buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    if (b->failed)
        return -ENOMEM;
    va_copy(again, ap);
    int n = vsnprintf(b->data ? b->data + b->len : NULL, b->data ? b->size - b->len : 0, fmt, ap);
    int r = 0;
    if (n < 0) {
        b->failed = true;
        r = -EINVAL;
    } else if (!b->data || (size_t)n >= b->size - b->len) {
        r = buf_reserve(b, (size_t)n);
        if (r == 0)
            vsnprintf(b->data + b->len, b->size - b->len, fmt, again);
    }
    va_end(again);
    if (r == 0)
        b->len += (size_t)n;
    else if (b->data)
        b->data[b->len] = '\0';
    return r;
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int r = buf_vprintf(b, fmt, ap);
    va_end(ap);
    return r;
}

void buf_drop(struct buf *b, size_t n)
{
    if (n == 0)
        return;
    b->len -= n;
    memmove(b->data, b->data + n, b->len);
    b->data[b->len] = '\0';
}

char *buf_steal(struct buf *b)
{
    char *data = NULL;
    if (!b->failed && (b->data || buf_reserve(b, 0) == 0)) {
        data = b->data;
        data[b->len] = '\0';
        b->data = NULL;
    }
    buf_deinit(b);
    return data;
}
