/* What an element of a feed is to its entry. Any thread. */
#ifndef PENSTOCK_PARSE_FEED_ELEMENT_H
#define PENSTOCK_PARSE_FEED_ELEMENT_H

#include "parse/feed_entry.h"
#include "parse/feed_names.h"

/* A field whose text the element has, or something else: */
enum {
    ELEMENT_NOTHING = FEED_FIELDS, /* it is passed over, with all that is in it */
    ELEMENT_ATOM_LINK,
    ELEMENT_ATOM_AUTHOR, /* whose <name> counts */
    ELEMENT_ATOM_CATEGORY,
    ELEMENT_RSS_ENCLOSURE,
    ELEMENT_RSS_GUID,
    ELEMENT_HREF_IMAGE,
    ELEMENT_URL_IMAGE,
    ELEMENT_MEDIA_CONTENT, /* a file, and what is in it are the entry's */
    ELEMENT_GROUP,         /* what is in it is the entry's */
    ELEMENT_TRANSCRIPT,
    ELEMENT_CHAPTERS,
    ELEMENT_CDF_LINK,
};

enum feed_kind { FEED_UNKNOWN, FEED_RSS, FEED_RDF, FEED_ATOM, FEED_CDF };

struct feed_element {
    const char *name;
    int field;
    const char *type; /* "": its `type` says, as in Atom; NULL: it is no text that has one */
};

/* Never NULL. */
const struct feed_element *feed_element(enum feed_kind kind, enum feed_space space,
                                        const char *local);

/* The same of an entry of this kind within a feed of the other: RSS's names and Atom's both count
 * there. */
const struct feed_element *feed_element_mixed(enum feed_kind kind, const char *local);

/* The value of an attribute without a prefix, by its name without regard to case; NULL: there is
 * none. */
const char *feed_attribute(const char **pairs, const char *name);

/* Is there such an attribute with this word as its value, without regard to case and to white space
 * around it? */
bool feed_attribute_is(const char **pairs, const char *name, const char *word);

/* The type of a text of Atom's, or of what is like it: "text", "html", "xhtml", or a media type. */
void feed_element_type(const char **pairs, char ret[FEED_TYPE]);

/* Is it a media type of XML, so that what is in the element is markup? Or of something that is not
 * text, so that it is base64? */
bool feed_type_is_xml(const char *type);
bool feed_type_is_binary(const char *type);

#endif
