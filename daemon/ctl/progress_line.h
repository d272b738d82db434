/* The progress line under a terminal's output: how far the job has come that is being waited for.
 * Asks over a connection of its own, as answers on one come in order and the other waits. */
#ifndef PENSTOCK_CTL_PROGRESS_LINE_H
#define PENSTOCK_CTL_PROGRESS_LINE_H

#include "base/buf.h"
#include "ctl/conn.h"
#include "ctl/job_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRESS_MS 250

/* How fast bytes come, over the last few seconds. Zeroed is fresh. */
struct rate {
    uint64_t job;
    int64_t bytes;
    uint64_t at; /* clock_now; 0: no sample yet */
    double per_second;
    bool known;
};
void rate_sample(struct rate *rate, uint64_t job, int64_t bytes, uint64_t now_ns);

/* "42 running  12.3 MiB of 100 MiB  1.2 MiB/s  9000 records  1 min 13 s left", with "[3/10] "
 * before it where there are several jobs. */
void progress_put(struct buf *b, const struct job_view *view, const struct rate *rate, size_t ended,
                  size_t total);

struct progress {
    bool on;
    struct conn conn;
    struct rate rate;
    uint64_t due; /* clock_now of the next look */
};

/* On only where standard error is a terminal. Never fails: without a second connection there is no
 * line. */
void progress_init(struct progress *p, const char *path);
void progress_deinit(struct progress *p);

/* How long to wait at most in conn_poll: -1 if it is off. */
int progress_timeout(const struct progress *p);

/* Looks and draws if it is time: of job `id` (0: none), `ended` of `total`. 0, or -EINTR for
 * Ctrl-C. */
int progress_tick(struct progress *p, uint64_t id, size_t ended, size_t total);

#endif
