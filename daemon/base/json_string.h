/* Text as a JSON string (RFC 8259). Appends to a struct buf, which remembers when memory ran out.
 * Any thread, each with its own buffer. */
#ifndef PENSTOCK_BASE_JSON_STRING_H
#define PENSTOCK_BASE_JSON_STRING_H

#include "base/buf.h"

#include <stddef.h>

/* With its quotes. Bytes that are not UTF-8 (RFC 3629) become U+FFFD, one for each maximal
 * ill-formed part, as Unicode recommends. */
void json_put_string(struct buf *b, const char *s, size_t len);

/* The same for text that is known to be UTF-8, and faster. */
void json_put_utf8(struct buf *b, const char *s, size_t len);

#endif
