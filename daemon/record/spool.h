/* A spool: the records of one attempt, held back in a file without a name until it is known that
 * they count. Each is a line of the log as it will stand there, with the time at which its parser
 * emitted it. Written by one worker thread; then handed to the sink as a whole (struct sink_line's
 * `spool`), whose thread reads it. */
#ifndef PENSTOCK_RECORD_SPOOL_H
#define PENSTOCK_RECORD_SPOOL_H

#include "base/buf.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct sink_source;

struct spool {
    int fd;             /* -1: not open */
    uint64_t size, max; /* bytes: with those that are not written yet; allowed */
    uint64_t lines;
    struct buf buf; /* not written yet */
    int error;      /* negative errno: it is incomplete for good */
};

/* Opens the directory `dir`, which is made, 0700, if only the last part of its path is missing.
 * Anybody may make a directory in a shared one like /var/tmp: so it is no symbolic link, it belongs
 * to the daemon's user or to root, and others do not write there. The descriptor, or a negative
 * errno with a message in *err that names flow.spool_dir. Blocks, as the others do: not for loop
 * threads. */
int spool_dir_open(const char *dir, struct error *err);

/* A file without a name, for reading and writing, close-on-exec, in such a directory. The
 * descriptor, or a negative errno with a message in *err. */
int spool_file(const char *dir, struct error *err);

/* Takes a zeroed one. 0, or a negative errno with a message in *err with the directory's path. */
int spool_open(struct spool *spool, const char *dir, uint64_t max, struct error *err);

/* Adds a record. 0; -EOVERFLOW: it would be over `max`; or another negative errno (-ENOSPC …), then
 * all that follows fails with it. */
int spool_record(struct spool *spool, const struct sink_source *source, uint64_t seq,
                 const char *json, size_t len);

/* Everything is in the file. 0 or a negative errno. */
int spool_flush(struct spool *spool);

/* The file and its content are gone. Takes one that is not open. */
void spool_close(struct spool *spool);

#endif
