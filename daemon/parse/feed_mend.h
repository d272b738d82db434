/* What feeds do to XML, mended in front of Expat as every reader does it: white space and the like before <?xml, control
 * bytes, NULs at the end, a & that begins no reference, a < that begins no tag. Each is counted. HTML's names of
 * characters become characters, which is no fault. The text is UTF-8 and comes in pieces of any size. One thread. */
#ifndef PENSTOCK_PARSE_FEED_MEND_H
#define PENSTOCK_PARSE_FEED_MEND_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mend_state {
    MEND_START, /* nothing but what is passed over has come */
    MEND_TEXT,
    MEND_TAG,
    MEND_QUOTE, /* an attribute's value */
    MEND_COMMENT,
    MEND_CDATA,
    MEND_PI,
    MEND_DROPPED, /* a declaration that is not where it belongs */
    MEND_DOCTYPE,
    MEND_DOCTYPE_QUOTE,
    MEND_DOCTYPE_COMMENT,
    MEND_DOCTYPE_PI,
    MEND_STATES_
};

struct feed_mend {
    bool strict;       /* nothing is mended: Expat will say what is wrong */
    uint64_t repaired; /* how often something was */
    uint64_t lines;    /* that were passed over at the start */
    /* Private. */
    enum mend_state state;
    char quote;
    bool begun;   /* something was given before this piece */
    bool space;   /* some was passed over at the start */
    bool doctype; /* there is one: it may declare names */
    bool subset;  /* within the [ ] of it */
    struct buf cut, clean, held, out;
    bool strange[256]; /* bytes that are no character of XML, or may begin one that is none */
    bool stops[MEND_STATES_][256]; /* bytes that are looked at */
};

void feed_mend_init(struct feed_mend *m, bool strict);
void feed_mend_deinit(struct feed_mend *m);

/* The next piece, of which `last` says that nothing follows. 0 and what it has become, valid until the next call; or
 * -ENOMEM. */
int feed_mend_take(struct feed_mend *m, const char **data, size_t *len, bool last);

#endif
