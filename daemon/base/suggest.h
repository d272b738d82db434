/* "Did you mean …": the nearest of several names, for messages about a name that is unknown. */
#ifndef PENSTOCK_BASE_SUGGEST_H
#define PENSTOCK_BASE_SUGGEST_H

#include <stddef.h>

struct suggest {
    const char *word;
    const char *best; /* the nearest so far, or NULL */
    size_t distance;
};

void suggest_init(struct suggest *s, const char *word);

/* Offers a name, borrowed until suggest_text. */
void suggest_offer(struct suggest *s, const char *name);

/* "; did you mean NAME?" if one is near enough to be a slip of the finger, else "". Valid until the
 * buffer (of the caller's) goes. */
const char *suggest_text(const struct suggest *s, char *buf, size_t size);

#endif
