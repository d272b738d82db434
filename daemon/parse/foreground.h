/* One parser on one file, in this process and on the calling thread: `penstockd --parse`, for trying options
 * and for a debugger. The file goes through a real body pipe, fed by a thread. */
#ifndef PENSTOCK_PARSE_FOREGROUND_H
#define PENSTOCK_PARSE_FOREGROUND_H

#include "parse/registry.h"

#include <stdint.h>
#include <stdio.h>

/* Runs the parser `name` over `path` (NULL or "-": standard input; decoded, if its first bytes show a
 * compressed file), and writes to `out` the log's lines:
 * the records, of job 0 and attempt 0, and a verdict. cut_at >= 0: the parser is given that many bytes and
 * then an aborted body. Returns the exit code: 0 done, 1 failed (or `out` does), 2 unknown parser, bad
 * option, no such file; then one sentence is on stderr. */
int foreground_run(const struct registry *registry, const char *name,
                   const struct parse_pair *options, size_t option_count, const char *path,
                   int64_t cut_at, FILE *out);

#endif
