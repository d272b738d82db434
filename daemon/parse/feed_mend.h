/* What feeds do to XML, mended in front of Expat as every reader does it: white space and the like
 * before <?xml, a declaration that is none, what stands in front of the feed or behind it (as a
 * script's warnings do), control bytes, NULs at the end, a & that begins no reference, a < that
 * begins no tag. Each is counted. HTML's names of characters become characters, which is no fault.
 * The text is UTF-8 and comes in pieces of any size. One thread. */
#ifndef PENSTOCK_PARSE_FEED_MEND_H
#define PENSTOCK_PARSE_FEED_MEND_H

#include "base/buf.h"
#include "parse/feed_clean.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mend_state {
    MEND_START, /* nothing but what is passed over has come */
    MEND_TEXT,
    MEND_TAG,
    MEND_VALUE, /* behind the = of an attribute */
    MEND_BARE,  /* a value without quotes */
    MEND_QUOTE, /* an attribute's value */
    MEND_COMMENT,
    MEND_CDATA,
    MEND_PI,
    MEND_PROLOG,  /* before the document's element: declaration, comments, DOCTYPE */
    MEND_FRONT,   /* what is no XML there: it is left out, up to where a feed begins */
    MEND_EPILOG,  /* behind the document's element: comments and the like */
    MEND_BEHIND,  /* what does not belong there: it is left out, and all that follows */
    MEND_DROPPED, /* a declaration that is none, or is not where it belongs */
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
    char last;        /* byte of what was given before this piece */
    int step;         /* the tag at hand: 1 begins an element, -1 ends one, 0 does neither */
    char empty[8];    /* the tag at hand: its name, if HTML has the element without an end */
    size_t empty_len; /* 0: it has not */
    bool paired;      /* the last tag is such a one, and its end follows at once */
    size_t depth;     /* elements that are open */
    bool root;        /* the document's element has come */
    char front[64];   /* MEND_FRONT: how it begins */
    size_t front_len, front_lines; /* bytes of it, and lines */
    bool begun;                    /* something was given before this piece */
    bool space;                    /* some was passed over at the start */
    bool doctype;                  /* there is one: it may declare names */
    bool subset;                   /* within the [ ] of it */
    struct feed_clean clean;
    struct buf held, out;
    bool stops[MEND_STATES_][256]; /* bytes that are looked at */
};

void feed_mend_init(struct feed_mend *m, bool strict);
void feed_mend_deinit(struct feed_mend *m);

/* The next piece, of which `last` says that nothing follows. 0 and what it has become, valid until
 * the next call; or -ENOMEM. */
int feed_mend_take(struct feed_mend *m, const char **data, size_t *len, bool last);

#endif
