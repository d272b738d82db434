#include "support/origin_response.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_FRAME 20 /* a chunk's size line and its CRLF fit */

void response_deinit(struct response *response)
{
    buf_deinit(&response->head);
    content_deinit(&response->content);
    *response = (struct response){0};
}

void response_released(struct response *response)
{
    response->held_once = true;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static enum response_step pause_now(struct response *r, unsigned *ret_ms)
{
    *ret_ms = r->pause;
    r->pause = 0;
    return RESPONSE_PAUSE;
}

static enum response_step next_head(struct response *r, char *out, size_t size,
                                    struct response_piece *ret)
{
    static const char filler[] = "X-Endless: 0123456789012345678901234567890123456789\r\n";
    if (r->head_drip > 0) {
        size = 1;
        r->pause = r->head_drip;
    }
    size_t want = (size_t)least(size, r->head_stop - r->head_off);
    if (r->head_off < r->head.len) {
        want = (size_t)least(want, r->head.len - r->head_off);
        memcpy(out, r->head.data + r->head_off, want);
    } else {
        for (size_t i = 0; i < want; i++)
            out[i] = filler[(r->head_off - r->head.len + i) % (sizeof filler - 1)];
    }
    r->head_off += want;
    ret->len = want;
    return RESPONSE_BYTES;
}

static enum response_step put(char *out, struct response_piece *ret, const char *text)
{
    ret->len = strlen(text);
    memcpy(out, text, ret->len);
    return RESPONSE_BYTES;
}

/* The next body bytes, in one chunk's frame at most. */
static enum response_step next_data(struct response *r, char *out, size_t size,
                                    struct response_piece *ret)
{
    size_t room = size;
    uint64_t left = least(r->size, r->stop_at) - r->body_off;
    if (r->hold && !r->held_once && r->hold_at > r->body_off)
        left = least(left, r->hold_at - r->body_off);
    if (r->drip > 0) {
        left = least(left, r->drip_size);
        r->pause = r->drip;
    }
    if (r->framing == FRAMING_CHUNKED) {
        room -= CHUNK_FRAME;
        if (r->chunk_left == 0) {
            r->chunk_left = least(r->chunk, r->size - r->body_off);
            if (r->bad_chunk)
                r->chunk_left = least(r->chunk_left, r->stop_at - r->body_off);
            ret->data_off = (size_t)sprintf(out, "%llx\r\n", (unsigned long long)r->chunk_left);
        }
        left = least(left, r->chunk_left);
    }
    ssize_t n = content_read(&r->content, r->from + r->body_off, out + ret->data_off,
                             (size_t)least(left, room));
    if (n <= 0)
        return RESPONSE_CUT;
    ret->data_len = (size_t)n;
    ret->len = ret->data_off + ret->data_len;
    r->body_off += (uint64_t)n;
    if (r->framing == FRAMING_CHUNKED && (r->chunk_left -= (uint64_t)n) == 0) {
        memcpy(out + ret->len, "\r\n", 2);
        ret->len += 2;
    }
    return RESPONSE_BYTES;
}

static enum response_step stop_here(struct response *r, char *out, struct response_piece *ret)
{
    if (!r->bad_chunk)
        return r->stop;
    r->bad_chunk = false;
    return put(out, ret, "zz\r\n");
}

static enum response_step next_end(struct response *r, char *out, struct response_piece *ret)
{
    if (r->framing == FRAMING_CHUNKED && !r->ended) {
        r->ended = true;
        if (r->no_final_chunk)
            return RESPONSE_CUT;
        return put(out, ret,
                   r->no_final_crlf ? "0\r\n"
                   : r->trailer     ? "0\r\nX-Trailer: here\r\n\r\n"
                                    : "0\r\n\r\n");
    }
    if (r->no_final_crlf)
        return RESPONSE_CUT;
    return r->close ? RESPONSE_CLOSE : RESPONSE_END;
}

enum response_step response_next(struct response *r, char *out, size_t size,
                                 struct response_piece *ret, unsigned *ret_ms)
{
    *ret = (struct response_piece){0};
    bool holding = r->hold && !r->held_once;
    if (holding && r->hold_at == RESPONSE_NEVER)
        return RESPONSE_HOLD;
    if (r->slow_head > 0) {
        r->pause = r->slow_head;
        r->slow_head = 0;
    }
    if (r->pause > 0)
        return pause_now(r, ret_ms);
    if (r->head_off == r->head_stop)
        return r->head_fault;
    if (r->head_off < r->head.len || r->endless_head)
        return next_head(r, out, size, ret);
    if (holding && r->body_off == r->hold_at)
        return RESPONSE_HOLD;
    if (r->body_off == r->stop_at)
        return stop_here(r, out, ret);
    if (r->body_off < r->size)
        return next_data(r, out, size, ret);
    return next_end(r, out, ret);
}
