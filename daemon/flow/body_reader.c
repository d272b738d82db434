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
    if (n > 0 && reader->tee)
        reader->tee(reader->tee_arg, data, (size_t)n);
    uint64_t waited = atomic_load_explicit(&body->read_wait, memory_order_relaxed);
    /* The sum first: body_read_wait relies on it. */
    atomic_store_explicit(&body->read_wait, waited + (clock_now() - start), memory_order_release);
    atomic_store_explicit(&body->read_wait_since, 0, memory_order_release);
    errno = saved;
    return n;
}

static ssize_t broken(struct body_reader *reader, enum body_fault fault)
{
    if (!reader->broken)
        reader->fault = fault;
    reader->broken = true;
    errno = EIO;
    return -1;
}

/* read(2) gave 0. The writer publishes the state before it closes: a pipe that ends while the body
 * is open was closed by something that could not vouch for it. */
static ssize_t end_pipe(struct body_reader *reader)
{
    enum body_state state = body_state(reader->body);
    if (state != BODY_COMPLETE && state != BODY_ENDED)
        return broken(reader, BODY_FAULT_CUT);
    reader->unverified = state == BODY_ENDED;
    reader->pipe_ended = true;
    return 0;
}

/* The one place where bytes leave the pipe. The bytes; 0: its end; -1 with EIO. */
static ssize_t read_pipe(void *arg, char *data, size_t size)
{
    struct body_reader *reader = arg;
    struct body *body = reader->body;
    ssize_t n;
    if (reader->pipe_ended || size == 0)
        return 0;
    do {
        /* An aborted body stops at once: what the pipe still holds is worth nothing. */
        if (reader->broken || body_state(body) == BODY_ABORTED)
            return broken(reader, BODY_FAULT_CUT);
        n = read_clocked(reader, data, size);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return broken(reader, BODY_FAULT_CUT);
    if (n == 0)
        return end_pipe(reader);
    uint64_t before = atomic_load_explicit(&body->bytes_read, memory_order_relaxed);
    atomic_store_explicit(&body->bytes_read, before + (uint64_t)n, memory_order_relaxed);
    return n;
}

/* --- decoding --------------------------------------------------------------------------------- */

static ssize_t decode_failed(struct body_reader *reader)
{
    switch (decode_fault(reader->decode)) {
    case DECODE_LIMIT:
        return broken(reader, BODY_FAULT_LIMIT);
    case DECODE_NO_MEMORY:
        return broken(reader, BODY_FAULT_MEMORY);
    case DECODE_CORRUPT:
        return broken(reader, BODY_FAULT_DECODE);
    default:
        return broken(reader, BODY_FAULT_CUT); /* unless the source has said why */
    }
}

static ssize_t read_decoded(struct body_reader *reader, char *data, size_t size)
{
    struct body *body = reader->body;
    ssize_t n = decode_read(reader->decode, data, size);
    if (n < 0)
        return decode_failed(reader);
    if (decode_active(reader->decode)) {
        uint64_t before = atomic_load_explicit(&body->bytes_decoded, memory_order_relaxed);
        atomic_store_explicit(&body->bytes_decoded, before + (uint64_t)n, memory_order_relaxed);
        atomic_store_explicit(&body->decoding, true, memory_order_relaxed);
    }
    return n;
}

/* The body has ended, as far as pipe and decoder can tell. */
static ssize_t end_body(struct body_reader *reader)
{
    if (reader->unverified) {
        bool vouched = reader->decode && decode_vouches(reader->decode);
        if (!body_judge_end(reader->body, vouched) || !vouched)
            return broken(reader, BODY_FAULT_UNVERIFIED);
    }
    reader->ended = true;
    return 0;
}

/* The bytes of the body, decoded; 0: its verified end; -1 with EIO. */
static ssize_t read_body(void *arg, char *data, size_t size)
{
    struct body_reader *reader = arg;
    if (reader->broken || body_state(reader->body) == BODY_ABORTED)
        return broken(reader, BODY_FAULT_CUT);
    if (reader->ended || size == 0)
        return 0;
    ssize_t n = reader->decode ? read_decoded(reader, data, size) : read_pipe(reader, data, size);
    return n == 0 ? end_body(reader) : n;
}

static ssize_t text_failed(struct body_reader *reader)
{
    switch (transcode_fault(reader->text)) {
    case TRANSCODE_WRONG:
        return broken(reader, BODY_FAULT_DECODE);
    case TRANSCODE_NO_MEMORY:
        return broken(reader, BODY_FAULT_MEMORY);
    default:
        return broken(reader, BODY_FAULT_CUT); /* unless the source has said why */
    }
}

/* A body that is small so far, as most are, and of which thousands may wait for their origins, has
 * few pages of its FILE's buffer. */
static size_t piece_size(const struct body_reader *reader, const char *data, size_t size)
{
    if (data != reader->buffer || size <= BODY_READER_PIECE ||
        atomic_load_explicit(&reader->body->bytes_read, memory_order_relaxed) >= BODY_READER_SMALL)
        return size;
    return BODY_READER_PIECE;
}

/* What the parser reads. */
static ssize_t cookie_read(void *cookie, char *data, size_t size)
{
    struct body_reader *reader = cookie;
    size = piece_size(reader, data, size);
    if (!reader->text)
        return read_body(reader, data, size);
    if (reader->broken || body_state(reader->body) == BODY_ABORTED)
        return broken(reader, BODY_FAULT_CUT);
    ssize_t n = size > 0 ? transcode_read(reader->text, data, size) : 0;
    return n < 0 ? text_failed(reader) : n;
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

int body_reader_decode(struct body_reader *reader, const struct decode_plan *plan)
{
    if (decode_plan_empty(plan))
        return 0;
    reader->decode = decode_new(plan, read_pipe, reader);
    return reader->decode ? 0 : -ENOMEM;
}

int body_reader_text(struct body_reader *reader, const struct charset_plan *plan)
{
    reader->text = transcode_new(plan, read_body, reader);
    return reader->text ? 0 : -ENOMEM;
}

bool body_reader_cut(const struct body_reader *reader)
{
    return reader->unverified && reader->decode && decode_cut(reader->decode);
}

const char *body_reader_message(const struct body_reader *reader)
{
    if (reader->text && transcode_message(reader->text)[0])
        return transcode_message(reader->text);
    return reader->decode ? decode_message(reader->decode) : "";
}

bool body_reader_vouched(const struct body_reader *reader)
{
    return reader->ended && reader->decode && decode_vouches(reader->decode);
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
    transcode_free(reader->text);
    reader->text = NULL;
    decode_free(reader->decode);
    reader->decode = NULL;
    free(reader->buffer);
    reader->buffer = NULL;
    body_unref(reader->body);
    reader->body = NULL;
}
