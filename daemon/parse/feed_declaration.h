/* XML declarations. Any thread. */
#ifndef PENSTOCK_PARSE_FEED_DECLARATION_H
#define PENSTOCK_PARSE_FEED_DECLARATION_H

#include "base/buf.h"

#include <stdbool.h>

/* Appends what begins with <?xml, in whatever case, and a byte more, and ends with >, if it is a
 * declaration that Expat takes; false: it is none. `standalone` becomes no, in as many bytes: Expat
 * would refuse the names that a DTD has which is elsewhere, and readers do not look at it. */
bool feed_declaration_put(struct buf *to, const char *p, const char *end);

#endif
