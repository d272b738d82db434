/* An archive read by libarchive's calls, each of which outlives a want of memory: where libarchive
 * has none for a string, of a name or of an error, it ends the process by exit(), and here the call
 * alone fails. After that the archive is good for nothing but to be freed. One thread each. */
#ifndef PENSTOCK_PARSE_ARCHIVE_SAFE_H
#define PENSTOCK_PARSE_ARCHIVE_SAFE_H

#include <archive.h>
#include <archive_entry.h>
#include <stdbool.h>
#include <stddef.h>

struct archive_safe {
    struct archive *archive;
    struct archive_entry
        *entry;     /* ours: libarchive does not look whether it had memory for its own */
    bool no_memory; /* a call failed for want of memory, whatever libarchive says */
};

typedef int (*archive_support)(struct archive *);

/* Reads what `read` gives as one of the formats, and through the filters, that `supports` (ended by
 * NULL) sets. ARCHIVE_OK, or ARCHIVE_FATAL. In any case to be freed. */
int archive_safe_open(struct archive_safe *a, const archive_support *supports,
                      archive_read_callback *read, void *arg);
void archive_safe_free(struct archive_safe *a); /* takes a zeroed one */

/* As archive_read_next_header2 (into `entry`), archive_read_data, archive_read_data_skip. */
int archive_safe_next(struct archive_safe *a);
la_ssize_t archive_safe_read(struct archive_safe *a, void *data, size_t size);
int archive_safe_skip(struct archive_safe *a);

/* The name of `entry`, in the locale's charset if it can be put into that, or NULL. */
const char *archive_safe_name(struct archive_safe *a);

#endif
