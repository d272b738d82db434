/* A response's head, line by line, as the framing of the body depends on it. No curl in here, no
 * I/O; one owner. Interim responses (1xx) are dropped; trailers count against the limit and are
 * dropped too.
 *
 * Stricter than libcurl where two readers could disagree about where the body ends (RFC 9112 §6.3,
 * §11.1). Each of these is a protocol error, not a guess:
 *   - Content-Length that is not digits, over 2^63-1, or given twice with different values (the
 * same value again, also as "5, 5", is that value)
 *   - Transfer-Encoding together with Content-Length, on HTTP/1.0, given twice, or other than
 * `chunked`
 *   - white space before a header's colon, a header without a name or a colon, a NUL or a bare CR
 *   - 101: nobody asked to switch protocols */
#ifndef PENSTOCK_FETCH_HEAD_H
#define PENSTOCK_FETCH_HEAD_H

#include "base/buf.h"
#include "fetch/transfer.h"

struct head_field;

struct head {
    uint64_t max, bytes;       /* the limit, and what came so far: interim heads and trailers too */
    struct buf text;           /* names and values, NUL-terminated, one after the other */
    struct head_field *fields; /* offsets into text, since that moves while it grows */
    size_t field_count, field_room;
    struct transfer_header *headers; /* once `done` */
    int status, version;             /* 0: no status line yet */
    int64_t content_length;
    unsigned transfer_encodings;
    bool done;         /* the final head has ended */
    const char *error; /* why a line was refused */
};

void head_init(struct head *head, uint64_t max_bytes);
void head_deinit(struct head *head); /* takes a zeroed one */

/* One line as it came, with its line end. 0; HEAD_DONE: it ended the final head, `headers` is set;
 * -EPROTO or -EMSGSIZE, `error` says why; -ENOMEM. */
#define HEAD_DONE 1
int head_line(struct head *head, const char *line, size_t len);

/* The first field of this name (ASCII case is ignored), or NULL. Once `done`. */
const char *head_get(const struct head *head, const char *name);

/* Has the response no body whatever its fields say (204, 304)? */
static inline bool head_bodiless(const struct head *head)
{
    return head->status == 204 || head->status == 304;
}

#endif
