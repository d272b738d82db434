/* Aligned columns, as wide as their longest cell. */
#ifndef PENSTOCK_CTL_TABLE_H
#define PENSTOCK_CTL_TABLE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define TABLE_COLUMNS 8

struct table {
    struct buf cells; /* one after another, each with its NUL */
    size_t columns, width[TABLE_COLUMNS];
    bool right[TABLE_COLUMNS]; /* figures */
    size_t rows, column;       /* where the next cell goes */
    size_t state;              /* the column whose word colours its row; 0: none does */
    bool url_last; /* the last column is a URL: where rows are cut, it loses its middle first */
};

void table_init(struct table *t, size_t columns);
void table_deinit(struct table *t);

/* The next cell, left to right, row by row; control characters are made visible. */
void table_cell(struct table *t, const char *text);

/* The rows as text, each cut at `max` columns (0: never), two blanks between columns. Empties the
 * table and keeps the widths, so that a next page is aligned with this one. */
void table_print(struct table *t, size_t max, struct buf *out);

#endif
