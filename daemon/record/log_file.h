/* A log file on disk, or another thing with a path (a FIFO, a device) that lines are written to. */
#ifndef PENSTOCK_RECORD_LOG_FILE_H
#define PENSTOCK_RECORD_LOG_FILE_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct log_file {
    int fd;        /* append only, non-blocking, close-on-exec */
    bool regular;  /* only then can a torn line be cut off */
    uint64_t size; /* of a regular file, which ends with a whole line */
};

/* Opens or creates (0640) and mends the end. 0, or a negative errno with a message in *err that
 * names the path. */
int log_file_open(const char *path, struct log_file *ret_file, struct error *err);

/* The same, but the end is not mended: the file may be written to by another at this moment. `size`
 * is void until log_file_mend. */
int log_file_open_unmended(const char *path, struct log_file *ret_file, struct error *err);

/* Sees to it that a regular file ends with a newline: a torn line of ours is truncated away, text
 * of others is ended. Updates `size`. 0, or a negative errno with a message in *err; the descriptor
 * stays open. */
int log_file_mend(struct log_file *file, const char *path, struct error *err);

#endif
