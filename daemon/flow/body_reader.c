#include "flow/body_reader.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <unistd.h>

/* read(2) with the reader's clock running. */
static ssize_t read_clocked(struct body_reader *reader, char *data, size_t size)
{
    struct body *body = reader->body;
    uint64_t start = clock_now();
    atomic_store_explicit(&body->read_wait_since, start, memory_order_release);
    ssize_t n = read(reader->fd, data, size);
    int saved = errno;
    uint64_t waited = atomic_load_explicit(&body->read_wait, memory_order_relaxed);
    /* The sum first: body_read_wait relies on it. */
    atomic_store_explicit(&body->read_wait, waited + (clock_now() - start), memory_order_release);
    atomic_store_explicit(&body->read_wait_since, 0, memory_order_release);
    errno = saved;
    return n;
}

static ssize_t broken(struct body_reader *reader)
{
    reader->broken = true;
    errno = EIO;
    return -1;
}

/* The one place where bytes leave the pipe. The bytes; 0: the body's verified end; -1 with EIO. */
static ssize_t read_body(struct body_reader *reader, char *data, size_t size)
{
    struct body *body = reader->body;
    ssize_t n;
    if (reader->ended || size == 0)
        return 0;
    do {
        /* An aborted body stops at once: what the pipe still holds is worth nothing. */
        if (reader->broken || body_state(body) == BODY_ABORTED)
            return broken(reader);
        n = read_clocked(reader, data, size);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return broken(reader);
    if (n == 0) {
        /* The writer publishes the state before it closes. A pipe that ends while the body is open
         * was closed by something that could not vouch for it. */
        if (body_state(body) != BODY_COMPLETE)
            return broken(reader);
        reader->ended = true;
        return 0;
    }
    uint64_t before = atomic_load_explicit(&body->bytes_read, memory_order_relaxed);
    atomic_store_explicit(&body->bytes_read, before + (uint64_t)n, memory_order_relaxed);
    return n;
}

static ssize_t cookie_read(void *cookie, char *data, size_t size)
{
    return read_body(cookie, data, size);
}

static int cookie_close(void *cookie)
{
    struct body_reader *reader = cookie;
    reader->file = NULL;
    return 0;
}

static int open_file(struct body_reader *reader)
{
    reader->buffer = malloc(BODY_READER_BUFFER);
    if (!reader->buffer)
        return -ENOMEM;
    reader->file = fopencookie(reader, "r",
                               (cookie_io_functions_t){.read = cookie_read, .close = cookie_close});
    if (!reader->file)
        return -errno;
    __fsetlocking(reader->file, FSETLOCKING_BYCALLER);
    if (setvbuf(reader->file, reader->buffer, _IOFBF, BODY_READER_BUFFER) != 0)
        return -ENOMEM;
    return 0;
}

int body_reader_open(struct body_reader *reader, struct body *body, int fd)
{
    *reader = (struct body_reader){.body = body_ref(body), .fd = fd};
    int r = open_file(reader);
    if (r < 0)
        body_reader_close(reader);
    return r;
}

int body_reader_drain(struct body_reader *reader)
{
    ssize_t n;
    do
        n = read_body(reader, reader->buffer, BODY_READER_BUFFER);
    while (n > 0);
    /* The FILE may have hidden an error from a parser that did not look. */
    return n < 0 || reader->broken ? -EIO : 0;
}

void body_reader_close(struct body_reader *reader)
{
    if (reader->file)
        fclose(reader->file); /* cookie_close sets it to NULL */
    fd_close(&reader->fd);
    free(reader->buffer);
    reader->buffer = NULL;
    body_unref(reader->body);
    reader->body = NULL;
}
