/* The 253 names of characters that HTML 4.01 and XHTML 1.0 declare (nbsp, uuml, euro …). Documents
 * use them under a DOCTYPE whose DTD is elsewhere, and feeds without one. Any thread. */
#ifndef PENSTOCK_PARSE_HTML_ENTITIES_H
#define PENSTOCK_PARSE_HTML_ENTITIES_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* The character, or 0: there is no such name. */
unsigned html_entity(const char *name, size_t len);

/* Is it one of the five that XML knows by itself? */
bool html_entity_is_xml(const char *name, size_t len);

/* Puts a DTD there that declares all but those five. */
void html_entities_declare(struct buf *b);

#endif
