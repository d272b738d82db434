/* A head: lines of "Name: value" up to an empty one, as HTTP and WARC have them. A line that begins
 * with white space goes on with the one before it. One owner. */
#ifndef PENSTOCK_PARSE_WARC_HEAD_H
#define PENSTOCK_PARSE_WARC_HEAD_H

#include "base/buf.h"
#include "parse/task.h"

#include <stdbool.h>
#include <stddef.h>

#define HEAD_SIZE   ((size_t)128 << 10) /* bytes of a head, at most */
#define HEAD_FIELDS 256                 /* of which so many are told of */

struct warc_head {
    struct buf text;  /* as it came, and from warc_head_read on: cut up by NULs */
    const char *line; /* the first one: "HTTP/1.1 200 OK" */
    struct parse_pair fields[HEAD_FIELDS];
    size_t count;
};

void warc_head_deinit(struct warc_head *h);

/* Takes bytes of `data` up to the head's end: *ret_used. 1: it is whole; 0: more is needed;
 * -EMSGSIZE: it is too long; -ENOMEM. */
int warc_head_take(struct warc_head *h, const char *data, size_t len, size_t *ret_used);

/* Finds the line and the fields of a head that is whole, or is to be taken as it is. */
void warc_head_read(struct warc_head *h);

/* A field's value, by its name without regard to case, the first one; NULL: there is none. */
const char *warc_head_get(const struct warc_head *h, const char *name);

/* For the next one. */
void warc_head_reset(struct warc_head *h);

#endif
