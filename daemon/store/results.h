/* The results: the records of jobs that asked for it (keep_records), kept under the job's id so
 * that they can be read once more. Beside the log, which stays what it is.
 *
 * A result is the records of one attempt, put as a whole once that attempt has succeeded and before
 * the verdict is told; until its last piece stands it is not there for a reader, and it takes the
 * place of what another attempt of the same job has left. They are in an SQLite database of their
 * own, made with the first of them, which one thread owns: no loop waits for it. The oldest go when
 * they are older than `keep`, or when all together are over `max_bytes`; so nobody who reads
 * slowly, or never, holds anything up.
 *
 * The calls come back to the control loop's mailbox. All functions: the control loop. */
#ifndef PENSTOCK_STORE_RESULTS_H
#define PENSTOCK_STORE_RESULTS_H

#include "base/error.h"
#include "base/list.h"
#include "base/mailbox.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct results;
struct spool;

#define RESULTS_PIECE ((size_t)64 << 10) /* a page of a result: whole lines; one longer line, too */

struct results_config {
    const char *path; /* NULL: a file without a name, which is gone with the daemon */
    uint64_t keep_ns;
    uint64_t max_bytes; /* of the lines of all results, and a little for each; 0: none is kept */
};

/* Belongs to who asks, until the mail comes. */
struct results_put {
    struct mail mail; /* the caller sets it up */
    uint64_t job;
    uint32_t attempt;
    void *user;                /* the caller's */
    const struct spool *spool; /* flushed; NULL: no records */
    /* 0; -EFBIG: over max_bytes by itself; or another negative errno (-ENOSPC …). A sentence in
     * `error`. */
    int result;
    struct error error;
    struct list link; /* private, as those below */
    uint64_t id, offset;
    uint32_t pieces;
};

/* One page of a result, by number from 0. */
struct results_get {
    struct mail mail;
    uint64_t job;
    uint32_t attempt;
    uint32_t page;
    int result; /* 0; -ENOENT: there is none, or no such page, or it has gone; or another errno */
    struct error error;
    char *text; /* lines of the log, each with its newline; the caller's */
    size_t len;
    uint64_t lines;      /* of the whole result */
    uint32_t page_count; /* an empty result has none: its page 0 is empty text */
    struct list link;
};

/* 0 or -ENOMEM. Touches no file, and starts no thread before there is something to do. */
int results_new(const struct results_config *config, struct mailbox *mailbox,
                struct results **ret_results);
/* Every call has come back. Takes NULL. */
void results_free(struct results *results);
/* After a reload. */
void results_set_bounds(struct results *results, uint64_t keep_ns, uint64_t max_bytes);

void results_put(struct results *results, struct results_put *put);
void results_get(struct results *results, struct results_get *get);

#endif
