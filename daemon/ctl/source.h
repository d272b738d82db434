/* Where `submit` gets its jobs from, one after another: the URLs of the command line, or the lines
 * of a file or of standard input. */
#ifndef PENSTOCK_CTL_SOURCE_H
#define PENSTOCK_CTL_SOURCE_H

#include "base/error.h"
#include "base/jsonl.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source {
    const char **urls; /* borrowed; used if there is no file */
    size_t url_count, next_url;
    int fd;     /* -1: URLs */
    bool owned; /* fd is to be closed */
    bool dry;   /* no whole line is left of what was read */
    bool end;   /* of the file */
    bool last_taken;
    struct jsonl lines;
    uint64_t line; /* of the last item */
};

/* `from`: a path, "-", or NULL for the URLs. 0, or a negative errno with a message in *err. */
int source_init(struct source *s, const char *from, const char **urls, size_t count,
                struct error *err);
void source_deinit(struct source *s);

/* The next item, valid until the next call: 1; 0: nothing more for now (source_done tells whether
 * for good); -EMSGSIZE: a line that is too long was skipped. Blank lines are skipped silently, and
 * counted. */
int source_next(struct source *s, const char **ret_text, size_t *ret_len);

/* True if the next item needs a source_read first. To read before that would gather lines without
 * bound. */
bool source_dry(const struct source *s);

/* Reads what there is, once poll says that there is something. 0 or a negative errno. */
int source_read(struct source *s);

/* True once nothing will come any more. */
bool source_done(const struct source *s);

#endif
