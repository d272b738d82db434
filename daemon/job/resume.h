/* Resume in mid-body: a download that was cut goes on where it stopped, into the same pipe, and the parser
 * does not notice. Part of an attempt; everything here runs on its fetch loop.
 *
 * A body can be resumed if the first response was a 200 to a GET with a validator: a strong ETag, or a
 * Last-Modified that is strong by RFC 9110, 8.8.2.2. The next request carries Range and If-Range; what
 * comes back is checked here, as libcurl checks none of it (RFC 9110, 13.1.5, 14.4, 15.3.7):
 *   206 with the same validator, from the very byte, of the same total: goes on
 *   200 with the same strong ETag and total: the bytes that the parser has are skipped
 * Where the length is not known (chunked) the last byte is asked for once more: of a body that lacked nothing but
 * its end there is no other range to be had, and a 416 need not carry the validator.
 *   anything else: not resumed; the attempt fails, and the next one starts clean */
#ifndef PENSTOCK_JOB_RESUME_H
#define PENSTOCK_JOB_RESUME_H

#include "fetch/transfer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct attempt;

struct resume {
    char *etag, *modified; /* the validator: one of them, or neither */
    int64_t total;         /* the body's length, -1 if not told */
    uint64_t from;  /* bytes the parser had when the transfer under way began; 0: the first one */
    uint64_t asked; /* where the Range begins: there, or one byte before */
    uint64_t skip;  /* bytes still to be thrown away: the parser has them */
    _Atomic unsigned count; /* resumes so far; read by the control loop meanwhile */
    unsigned fruitless;     /* in a row, that brought no byte */
    unsigned meagre;        /* in a row, that brought next to nothing */
    bool pending;           /* waits for its back-off, or for room in the pipe */
    bool timer_open;
    uv_timer_t timer;
};

void resume_init(struct resume *r);
void resume_deinit(struct resume *r);

/* The first response of a body that goes to the parser: what would it take to resume it? */
void resume_note(struct attempt *a, const struct transfer_response *response);

/* The transfer ended badly. True: the attempt goes on, and a transfer starts by itself later. */
bool resume_try(struct attempt *a, const struct transfer_result *result);

/* The pipe has room again. */
void resume_drained(struct attempt *a);

/* The response to a resume. 0, or negative with the cause set. */
int resume_check(struct attempt *a, const struct transfer_response *response);

/* How many bytes of this chunk the parser has already (the rest is new). resume_skipped tells once the chunk
 * was taken. */
size_t resume_skip(const struct attempt *a, size_t len);
void resume_skipped(struct attempt *a, size_t len);

/* The body ended well as far as HTTP can tell: is it all there? 0, or negative with the cause set. */
int resume_whole(struct attempt *a);

/* Nothing more will be resumed. The timer is closed; `closed` comes from the loop if it was open (true). */
bool resume_stop(struct attempt *a, uv_close_cb closed);

#endif
