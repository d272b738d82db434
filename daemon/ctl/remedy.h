/* The kinds of errors (record/kind.h, as the protocol names them), and what can be done about
 * each. */
#ifndef PENSTOCK_CTL_REMEDY_H
#define PENSTOCK_CTL_REMEDY_H

#include <stddef.h>

/* What to do about an error of this kind, in a sentence or two; NULL: the kind is not known. */
const char *remedy_for(const char *kind);

/* The kinds, one after another; NULL: that was all. */
const char *remedy_kind(size_t i);

#endif
