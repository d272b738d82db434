/* The raw text of a JSON value inside a larger one: so that what a parser emitted is printed as it
 * stands, with its numbers, spaces and order of members, and without a tree being built of it.
 * Looks for the ends of values and no more: the text is the daemon's, which has validated it; on
 * other text it returns false or a wrong piece, but never reads outside. */
#ifndef PENSTOCK_CTL_SLICE_H
#define PENSTOCK_CTL_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
    const char *p; /* borrowed; not NUL-terminated */
    size_t len;
};

/* The value of a member of an object (the first of that name; names written with escapes are not
 * matched). False: there is none, or the text is no object. */
bool slice_member(struct slice object, const char *name, struct slice *ret_value);

/* Walks an array: *pos is 0 at first. False at its end, or if the text is no array. */
bool slice_item(struct slice array, size_t *pos, struct slice *ret_item);

/* True if the value is this string (which needs no escapes). */
bool slice_equals(struct slice value, const char *string);

/* True and the number, if the value is an integer from 0 to UINT64_MAX. */
bool slice_u64(struct slice value, uint64_t *ret);

#endif
