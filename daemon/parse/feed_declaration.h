/* XML declarations. Any thread. */
#ifndef PENSTOCK_PARSE_FEED_DECLARATION_H
#define PENSTOCK_PARSE_FEED_DECLARATION_H

#include <stdbool.h>

/* Is what begins with <?xml, in whatever case, and a byte more, and ends with > a declaration that
 * Expat takes? */
bool feed_declaration_is_good(const char *p, const char *end);

#endif
