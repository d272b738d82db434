/* The one treatment of bytes that are not UTF-8 (RFC 3629): U+FFFD, one for each maximal ill-formed part, as
 * Unicode recommends (and base/json_string.h does in strings). Any thread, each with its own buffer. */
#ifndef PENSTOCK_PARSE_UTF8_REPAIR_H
#define PENSTOCK_PARSE_UTF8_REPAIR_H

#include "base/buf.h"

#include <stddef.h>

/* *text and *len: left as they are if they are UTF-8, else a repaired copy in `b`, which is emptied first. 0 or
 * -ENOMEM. */
int utf8_repair(struct buf *b, const char **text, size_t *len);

#endif
