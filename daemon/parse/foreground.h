/* One parser on one file, in this process and on the calling thread: `penstockd --parse`, for
 * trying options and for a debugger. The file goes through a real body pipe, fed by a thread. */
#ifndef PENSTOCK_PARSE_FOREGROUND_H
#define PENSTOCK_PARSE_FOREGROUND_H

#include "parse/registry.h"

#include <stdint.h>
#include <stdio.h>

/* How a job would have it. */
struct foreground_terms {
    const struct parse_pair *options; /* the parser's */
    size_t option_count;
    const char *content_type; /* as of a response; or NULL */
    struct decode_plan decode;
    struct charset_plan text;
    size_t record_bytes; /* limit of one record; 0 for 1 MiB */
    int64_t cut_at;      /* >= 0: the parser is given that many bytes and then an aborted body */
};

/* Runs the parser `name` over `path` (NULL or "-": standard input), and writes to `out` the log's
 * lines: the records, of job 0 and attempt 0, and a verdict. Returns the exit code: 0 done, 1
 * failed (or `out` does), 2 unknown parser, bad option, no such file; then one sentence is on
 * stderr. */
int foreground_run(const struct registry *registry, const char *name,
                   const struct foreground_terms *terms, const char *path, FILE *out);

#endif
