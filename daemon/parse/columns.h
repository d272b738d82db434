/* The names of a table's columns, as the members of JSON objects: each `,"name":`, and unique,
 * since a name that came before gets _2, _3 … One owner. */
#ifndef PENSTOCK_PARSE_COLUMNS_H
#define PENSTOCK_PARSE_COLUMNS_H

#include "base/tree.h"

#include <stddef.h>

struct column {
    struct tree_name entry; /* columns->by_key */
    char *key;              /* `,"name":` */
    size_t len;
    unsigned next; /* the number that the next column of this name tries first */
};

struct columns {
    struct column **items;
    size_t count, size;
    struct tree by_key; /* the same */
};

/* Adds a column; not UTF-8 becomes U+FFFD. 0 or -ENOMEM. */
int columns_add(struct columns *columns, const char *name, size_t len);

/* Takes a zeroed one. */
void columns_deinit(struct columns *columns);

#endif
