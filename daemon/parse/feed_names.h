/* The names of a feed's elements: their namespaces are resolved here, not by Expat, since feeds use
 * prefixes that they have not declared, and namespaces of RSS and Atom that are their own. One
 * thread. */
#ifndef PENSTOCK_PARSE_FEED_NAMES_H
#define PENSTOCK_PARSE_FEED_NAMES_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum feed_space {
    SPACE_OTHER,
    SPACE_OWN, /* the format's: of RSS, or of Atom */
    /* of an element without a prefix, whose namespace is nobody's that is known: it is read as the
     * format's */
    SPACE_UNNAMED,
    SPACE_ATOM,
    SPACE_DC,
    SPACE_TERMS,
    SPACE_CONTENT,
    SPACE_RDF,
    SPACE_ITUNES,
    SPACE_MEDIA,
    SPACE_PODCAST,
    SPACE_XHTML,
};

struct feed_binding;

struct feed_names {
    struct feed_binding *bindings; /* the innermost last */
    size_t count, size;
    struct buf open;  /* elements that are open, each with its NUL, the innermost last */
    char own[32];     /* the prefix of the document's element */
    bool any_default; /* of RSS: the default namespace is RSS's, even if it is known as another's */
    uint64_t unbound; /* elements whose prefix was not declared */
};

void feed_names_deinit(struct feed_names *n);

/* An element begins at this depth, or ends. 0 or -ENOMEM. */
int feed_names_enter(struct feed_names *n, size_t depth, const char *name, const char **pairs);
void feed_names_leave(struct feed_names *n, size_t depth, const char *name);

/* Puts the tags that end what is open. */
void feed_names_put_ends(const struct feed_names *n, struct buf *b);

/* An element's or an attribute's space, and its name without the prefix. */
enum feed_space feed_names_space(struct feed_names *n, const char *name);
const char *feed_names_local(const char *name);

/* The document's element has this name. */
void feed_names_own(struct feed_names *n, const char *root);

#endif
