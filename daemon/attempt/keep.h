/* keep_body: the body that a parser broke on, as a file. What the parser reads is written on the
 * worker's thread (of a process: on the one that passes the body on) to a file without a name; if
 * the attempt fails by the parser's own no, the file gets its name, and the oldest ones go. Neither
 * loop ever touches a file: naming and removing run on a thread of libuv's pool. */
#ifndef PENSTOCK_ATTEMPT_KEEP_H
#define PENSTOCK_ATTEMPT_KEEP_H

#include "record/kind.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keep {
    uint64_t max;      /* bytes; more of a body is not kept; 0: none is */
    uint64_t size;     /* the worker's */
    atomic_int fd;     /* one more than the descriptor; 0: none */
    atomic_bool ended; /* nothing more is written: given up, or being stored */
};

/* Does a failure of this kind speak of the body? */
bool keep_worth(enum error_kind kind);

/* Worker's thread. Failing is told to the log, once: the job goes on without. */
void keep_open(struct keep *keep, const char *dir, uint64_t job);
void keep_take(void *keep, const char *data, size_t len);

/* A pool's thread, once: gives it its name in `dir`, and removes the oldest so that all that are
 * kept are within `total` bytes. 0 and the path, newly allocated; or a negative errno (-ENODATA:
 * there is none). The worker may still be reading. */
int keep_store(struct keep *keep, const char *dir, uint64_t total, uint64_t job, uint32_t attempt,
               char **ret_path);

/* Closes. Takes a zeroed one. */
void keep_close(struct keep *keep);

#endif
