/* expat. Its 2.9 calls the places in a document deprecated whose type is as wide as a long, for
 * others that 2.5 does not have; a long has 64 bits here. */
#ifndef PENSTOCK_PARSE_XML_EXPAT_H
#define PENSTOCK_PARSE_XML_EXPAT_H

#include <expat_external.h>
#undef XML_ATTR_DEPRECATED
#define XML_ATTR_DEPRECATED(message)
#include <expat.h>

#endif
