/* A job, as the daemon tells of it: the members of `show` that the client makes sentences of. */
#ifndef PENSTOCK_CTL_JOB_TEXT_H
#define PENSTOCK_CTL_JOB_TEXT_H

#include "base/buf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Strings are borrowed from the object, and "" where it has none; numbers are -1 then. */
struct job_view {
    uint64_t id;
    int64_t attempt;
    const char *state, *url, *parser;
    const char *error_kind, *error_message;
    const char *verified_by, *waiting_for, *due;
    int64_t bytes, length, records, status;
    double seconds;       /* total */
    double host_retry_in; /* seconds; 0: its host is not broken */
    bool ended, done;
};

void job_view_read(const json_t *object, struct job_view *ret_view);

/* "42 done 1048576 bytes 9000 records length 0.734 s", "43 failed truncated: MESSAGE", "44
 * cancelled". For terminals and pipes: what came from elsewhere is made safe. */
void job_put_verdict(struct buf *b, const struct job_view *view);

/* " (penstockctl explain 43)": where somebody at a terminal reads on after a failure. */
void job_put_way_on(struct buf *b, uint64_t id);

#endif
