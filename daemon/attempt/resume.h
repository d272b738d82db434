// clang-format off
/* Resume in mid-body: a download that was cut goes on where it stopped, into the same pipe, and the parser does not
 * notice. Here is what is judged, without a loop, a timer or a connection: whether another request makes sense and when
 * (resume_next), what it asks for (resume_ask), and whether the answer is the same version of the body (resume_check,
 * resume_compare). download.c, answer.c and verify.c act upon it. A resume is an attempt's, and its fetch loop's.
 *
 * Two versions must never become one body. libcurl checks none of this (RFC 9110, 13.1.5, 14.4, 15.3.7), and half of the
 * servers that know ranges ignore If-Range. So a version is what all its evidence says: of the first response every field
 * that tells versions apart is kept as it was sent.
 *
 *   asked at all    the first response was a 200 to a GET, and
 *                   by tag: ETag is one strong tag (one that is weak, or of nothing, or without quotes, or two, are
 *                   none); or
 *                   by date: there is no ETag at all, and Last-Modified is strong (RFC 9110, 8.8.2.2: a second older than
 *                   Date; without a Date, or with two, a minute older than our own clock, which may differ from the
 *                   origin's); and
 *                   in both cases Last-Modified, if it is there, is strong: within the file's own second it may be
 *                   replaced again, and a tag made of time and size stays the same
 *   206             from the very byte, to the body's end, of the same total; whatever field is on both sides is equal to
 *                   the letter; the validator, or the strong date, is there; it is no multipart
 *   200             an origin without ranges: the same, and what the parser has is skipped
 *   then            the last RESUME_TAIL bytes that were taken are asked for again and compared, before the first new
 *                   byte goes in
 *   408 425 429 5xx a gateway whose origin is away for a moment: as fruitless as a refused connection, no more; its
 *                   Retry-After is respected
 *   anything else   not resumed; the attempt fails, and the next one starts clean
 *
 * An encoded body of unknown length is only asked for from its start, without a range: some servers count a range in the
 * bytes before the encoding and encode them anew, and no total tells. What comes is compared and skipped as above.
 *
 * The tail of a spliced body (fetch/splice.c) has never been in this process, so there is nothing to compare it with. The
 * rest must suffice, and is stronger there: only bodies with a Content-Length that nobody encodes on the way are spliced,
 * so total and place are told by both answers; and if the first has both ETag and Last-Modified the second must have both
 * as well (some servers make the tag of the size alone, and it is the date that tells). What two versions could share, a
 * tag or a date within the file's own second, is not resumed by: what is left is an origin that lies. An origin without
 * ranges sends such a body from its start, and of that the bytes before the splice are compared.
 *
 * A chunked body that lacks nothing but its end cannot be asked for its rest (416), which the tail avoids as well. */
// clang-format on
#ifndef PENSTOCK_ATTEMPT_RESUME_H
#define PENSTOCK_ATTEMPT_RESUME_H

#include "base/error.h"
#include "fetch/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESUME_TAIL 4096 /* bytes that are kept, and asked for again */

/* The fields by which versions are told apart. */
enum resume_field {
    RESUME_ETAG,
    RESUME_MODIFIED,
    RESUME_ENCODING,
    RESUME_TYPE,
    RESUME_LOCATION,
    RESUME_FIELDS
};

struct resume {
    char *fields[RESUME_FIELDS]; /* of the first response, as it was sent; NULL: not there */
    const char *validator;       /* one of them: If-Range. NULL: the body cannot be resumed */
    const char *hindrance;       /* why not, to follow a colon */
    bool date_strong;            /* Last-Modified is */
    bool from_start;             /* no range is asked for */
    int64_t total;               /* the body's length, -1 if not told */

    char *tail; /* a ring: byte `at` of the body is at `at` % RESUME_TAIL */
    uint64_t tail_from, tail_end;

    uint64_t from;  /* bytes the parser had when the transfer under way began; 0: the first one */
    uint64_t asked; /* where its range begins */
    uint64_t skip;  /* bytes still to come that the parser has: compared, and thrown away */
    uint64_t overlap_max; /* so many bytes are asked for again, at most */
    bool open_end;        /* the answer has no length of its own */
    bool reached;         /* it was stopped, as the last byte had come */
    int busy;             /* the status that put us off; 0 */
    uint64_t wait;        /* ns: what its Retry-After asks for */
    char *asked_wait;     /* that field */

    _Atomic unsigned count; /* resumes so far; read by the control loop meanwhile */
    unsigned fruitless;     /* in a row, that brought no byte */
    unsigned meagre;        /* in a row, that brought next to nothing */
};

void resume_init(struct resume *r);
void resume_deinit(struct resume *r);

/* The first response of a body that goes to the parser: what would it take to resume it? `now`:
 * seconds since 1970. 0 or -ENOMEM. */
int resume_note(struct resume *r, const struct transfer_response *response, const char *method,
                int64_t now);

/* Does a response that calls itself the whole (200) say in its Content-Range that it is a part?
 * Some caches do, having kept what was a 206. */
bool resume_is_part(const struct transfer_response *response);

/* These bytes, from byte `at` of the body on, went to the parser. */
void resume_took(struct resume *r, uint64_t at, const char *data, size_t len);

enum resume_step {
    /* what the result says is final; *ret_why has its words, and why there is no resume */
    RESUME_OVER,
    RESUME_WHOLE, /* what the result says does not matter: every byte is there */
    RESUME_AGAIN, /* another transfer, after *ret_delay ns */
};

/* A transfer of a body has ended, and the parser has taken so many bytes. `delay`: before the first
 * try, in ns; twice as much after each that brought nothing. */
enum resume_step resume_next(struct resume *r, const struct transfer_result *result, uint64_t taken,
                             uint64_t delay, uint64_t *ret_delay, struct error *ret_why);

/* The next transfer begins: it is to ask for what is there from `asked` on, if that is still
 * `validator`'s; or, with `from_start`, for all, without a range. */
void resume_ask(struct resume *r, uint64_t taken);

/* The response to it, received at now_us. 0: go on; RESUME_BUSY: stop the transfer, resume_next
 * knows; -EINVAL with a message in *err: this body cannot be finished; -ENOMEM with a message in
 * *err. */
#define RESUME_BUSY 1
int resume_check(struct resume *r, const struct transfer_response *response, int64_t now_us,
                 struct error *err);

/* A chunk came. How many of its bytes the parser has already (the rest is new): 0 and *ret_skip;
 * -EILSEQ with a message in *err: they are not the bytes that it has; -EMSGSIZE: there are more
 * than the whole body has. Nothing is changed. */
int resume_compare(const struct resume *r, uint64_t taken, const char *data, size_t len,
                   size_t *ret_skip, struct error *err);

/* So many bytes were skipped, and the parser has `taken` now. True: those were the last, and the
 * answer would not say so: stop the transfer, resume_next knows. */
bool resume_passed(struct resume *r, size_t skipped, uint64_t taken);

/* The response ended well as far as HTTP can tell: is it all there? 0; or -EINVAL with a
 * message in *err. */
int resume_whole(const struct resume *r, uint64_t taken, struct error *err);

#endif
