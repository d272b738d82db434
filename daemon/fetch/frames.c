#include "fetch/frames.h"

#include <string.h>

#define OTHER_MAX (1 << 20)
/* A frame of one byte has a header of nine; a body that is padded to hide its size has more. */
#define RATIO_MAX 32

enum { DATA = 0, HEADERS = 1, CONTINUATION = 9 };
enum { END_STREAM = 1, END_HEADERS = 4, PADDED = 8 };

void frames_expect(struct frames *frames)
{
    if (frames->stream > frames->last)
        frames->last = frames->stream;
    frames->stream = 0;
    frames->ending = frames->ended = false;
    frames->data = frames->other = 0;
}

static uint32_t stream_of(const struct frames *frames)
{
    const uint8_t *p = frames->header + 5;
    return ((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]) & 0x7fffffff;
}

static bool is_answers(const struct frames *frames)
{
    return frames->stream != 0 && stream_of(frames) == frames->stream;
}

/* Its header is here. */
static void begin_frame(struct frames *frames)
{
    const uint8_t *h = frames->header;
    uint32_t stream = stream_of(frames);
    frames->padded = false;
    frames->padding = 0;
    frames->payload = (uint32_t)h[0] << 16 | (uint32_t)h[1] << 8 | h[2];
    if (h[3] == HEADERS && frames->stream == 0 && stream % 2 == 1 && stream > frames->last)
        frames->stream = stream;
    if (is_answers(frames) && (h[3] == DATA || h[3] == HEADERS) && h[4] & END_STREAM)
        frames->ending = true;
}

/* A stream ends with a frame of data, or with a block of fields, which may go on over several
 * frames. */
static void end_frame(struct frames *frames)
{
    const uint8_t *h = frames->header;
    frames->header_len = 0;
    if (frames->ending && is_answers(frames))
        frames->ended = frames->ended || h[3] == DATA ||
                        ((h[3] == HEADERS || h[3] == CONTINUATION) && h[4] & END_HEADERS);
}

static size_t read_header(struct frames *frames, const uint8_t *data, size_t len)
{
    size_t n = FRAMES_HEADER - frames->header_len;
    if (n > len)
        n = len;
    memcpy(frames->header + frames->header_len, data, n);
    frames->header_len += (unsigned)n;
    frames->other += n;
    if (frames->header_len == FRAMES_HEADER)
        begin_frame(frames);
    return n;
}

/* Counts as much of the frame as has come. A padded one of data says in its first byte how many of
 * its last bytes mean nothing. */
static size_t skip_payload(struct frames *frames, const uint8_t *data, size_t len)
{
    const uint8_t *h = frames->header;
    size_t n = frames->payload < len ? frames->payload : len;
    if (h[3] != DATA || !is_answers(frames)) {
        frames->other += n;
    } else if (h[4] & PADDED && frames->payload > 0 && !frames->padded) {
        frames->padded = true;
        frames->padding = data[0] < frames->payload ? data[0] : frames->payload - 1;
        frames->other += 1;
        n = 1;
    } else {
        size_t body = frames->payload - frames->padding; /* of what is still to come */
        if (body == 0)
            frames->padding -= (uint32_t)n;
        else if (n > body)
            n = body;
        *(body ? &frames->data : &frames->other) += n;
    }
    frames->payload -= (uint32_t)n;
    return n;
}

void frames_read(struct frames *frames, const void *data, size_t len)
{
    const uint8_t *p = data;
    while (len > 0) {
        size_t n = frames->header_len < FRAMES_HEADER ? read_header(frames, p, len)
                                                      : skip_payload(frames, p, len);
        p += n;
        len -= n;
        if (frames->header_len == FRAMES_HEADER && frames->payload == 0)
            end_frame(frames);
    }
}

bool frames_excess(const struct frames *frames)
{
    return frames->other > OTHER_MAX + RATIO_MAX * frames->data;
}
