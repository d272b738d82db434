/* A growable byte buffer. Always NUL-terminated behind its length once something was put in.
 * Not for use by two threads at once. Running out of memory is kept in the buffer (`failed`), so
 * that a chain of puts needs one check at its end: what follows the put that failed is not appended
 * either, as a text with a gap in it could pass for another one. */
#ifndef PENSTOCK_BASE_BUF_H
#define PENSTOCK_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct buf {
    char *data;
    size_t len, size;
    bool failed; /* an allocation failed: the content is incomplete */
};

#define BUF_INIT \
    {            \
        0        \
    }

/* Frees the content and leaves an empty buffer. Takes a zeroed one. */
void buf_deinit(struct buf *b);

/* Empties the buffer, keeps its memory, clears `failed`. */
void buf_reset(struct buf *b);

/* Room for `extra` more bytes and a NUL. 0 or -ENOMEM. */
int buf_reserve(struct buf *b, size_t extra);

/* Each appends, and returns 0 or -ENOMEM (also kept in `failed`). Records are put together from
 * many short pieces: as long as there is room, in place. */
int buf_put_growing(struct buf *b, const void *data, size_t len);

static inline int buf_put(struct buf *b, const void *data, size_t len)
{
    if (len >= b->size - b->len || b->failed || len == 0)
        return buf_put_growing(b, data, len);
    memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
    return 0;
}

static inline int buf_puts(struct buf *b, const char *s)
{
    return buf_put(b, s, strlen(s));
}

static inline int buf_putc(struct buf *b, char c)
{
    return buf_put(b, &c, 1);
}

int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* Drops the first n bytes (n <= len). */
void buf_drop(struct buf *b, size_t n);

/* The content, to be freed by the caller; the buffer is empty afterwards. NULL if it `failed`. */
char *buf_steal(struct buf *b);

#endif
