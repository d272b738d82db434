/* What is no character of XML is left out: it may stand within anything, as in the end of a
 * comment. One thread. */
#ifndef PENSTOCK_PARSE_FEED_CLEAN_H
#define PENSTOCK_PARSE_FEED_CLEAN_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct feed_clean {
    struct buf cut; /* what may be none, cut in two: it waits for the next piece */
    struct buf out;
    bool strange[256]; /* bytes that are no character of XML, or may begin one that is none */
};

void feed_clean_init(struct feed_clean *m);
void feed_clean_deinit(struct feed_clean *m);

/* The next piece of UTF-8, of which `last` says that nothing follows. 0 and what it has become,
 * valid until the next call, each character that was left out having been counted; or -ENOMEM. */
int feed_clean_take(struct feed_clean *m, const char **data, size_t *len, bool last,
                    uint64_t *count);

#endif
