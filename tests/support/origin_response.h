/* A response being sent: made by the plan (what the request asks for, faults included), then taken
 * piece by piece by the connection. Does no I/O but reading files. */
#ifndef TESTS_SUPPORT_ORIGIN_RESPONSE_H
#define TESTS_SUPPORT_ORIGIN_RESPONSE_H

#include "support/origin_content.h"
#include "support/origin_request.h"

#define RESPONSE_NEVER UINT64_MAX

enum framing { FRAMING_LENGTH, FRAMING_CHUNKED, FRAMING_CLOSE };

/* What comes next. */
enum response_step {
    RESPONSE_BYTES, /* bytes to send */
    RESPONSE_PAUSE, /* nothing for some milliseconds */
    RESPONSE_HOLD,  /* nothing until `hold` is released: then call response_released */
    RESPONSE_STALL, /* nothing any more, but the connection stays */
    RESPONSE_END,   /* sent; the connection may serve another request */
    RESPONSE_CLOSE, /* sent; the connection closes */
    RESPONSE_CUT,   /* closes though more was promised */
    RESPONSE_RESET, /* the same with RST */
};

struct response {
    struct buf head;    /* 1xx heads included */
    uint64_t head_stop; /* head bytes after which `head_fault` is next */
    enum response_step head_fault;
    bool endless_head;
    struct content content;
    uint64_t from, size; /* the body is content[from, from + size) */
    enum framing framing;
    size_t chunk;
    uint64_t stop_at; /* body bytes after which `stop` is next */
    enum response_step stop;
    bool bad_chunk; /* …preceded by a bad chunk size */
    bool no_final_chunk, no_final_crlf, trailer;
    bool close;
    int notify;                          /* of TLS: 0, 1, or -1 as the end is */
    unsigned slow_head, head_drip, drip; /* milliseconds */
    uint64_t drip_size;
    const char *hold; /* points into the request */
    uint64_t hold_at; /* RESPONSE_NEVER: before the head */

    uint64_t head_off, body_off;
    uint64_t chunk_left;
    unsigned pause; /* due before the next piece */
    bool held_once, ended;
};

/* A piece of wire: len bytes, of which [data_off, data_off + data_len) are body bytes. */
struct response_piece {
    size_t len, data_off, data_len;
};

/* What the plan needs of its origin. */
struct response_origin {
    const char *root;
    /* The content of /data/NAME, /_stats and the like. 0, -ENOENT or -ENOMEM. */
    int (*special)(void *arg, const struct request *request, struct buf *ret);
    void *arg;
};

/* Plans the response to the seq-th request (from 1) of its key; `request` is borrowed until
 * response_deinit. A request that can't be served gives a response that says so. 0 or -ENOMEM. */
int response_plan(struct response *response, const struct request *request, uint64_t seq,
                  const struct response_origin *origin);
/* A plain text response with a status, closing. 0 or -ENOMEM. */
int response_plan_error(struct response *response, int status, const char *text);
/* The body alone, as request asks for it: 0, -ENOENT, -EINVAL (and a sentence) or -ENOMEM. */
int response_content(struct content *content, const struct request *request,
                     const struct response_origin *origin, struct error *err);
void response_deinit(struct response *response);

/* Fills `out` (size >= 256) with the next piece, or says what to do instead; *ret_ms with PAUSE. */
enum response_step response_next(struct response *response, char *out, size_t size,
                                 struct response_piece *ret, unsigned *ret_ms);
void response_released(struct response *response);

#endif
