#include "ctl/table.h"
#include "ctl/text.h"

#include <string.h>

void table_init(struct table *t, size_t columns)
{
    *t = (struct table){.columns = columns < TABLE_COLUMNS ? columns : TABLE_COLUMNS};
}

void table_deinit(struct table *t)
{
    buf_deinit(&t->cells);
}

void table_cell(struct table *t, const char *text)
{
    size_t start = t->cells.len;
    text_put_safe(&t->cells, text, strlen(text));
    size_t width = text_width(t->cells.data + start, t->cells.len - start);
    buf_putc(&t->cells, '\0');
    if (width > t->width[t->column])
        t->width[t->column] = width;
    t->column = (t->column + 1) % t->columns;
    t->rows += t->column == 0;
}

static void pad(struct buf *b, size_t n)
{
    while (n-- > 0)
        buf_putc(b, ' ');
}

/* One row's text. Returns the cell behind it. */
static const char *put_row(const struct table *t, const char *cell, struct buf *row)
{
    for (size_t i = 0; i < t->columns; i++) {
        size_t len = strlen(cell), gap = t->width[i] - text_width(cell, len);
        if (i > 0)
            buf_puts(row, "  ");
        if (t->right[i])
            pad(row, gap);
        buf_put(row, cell, len);
        if (!t->right[i] && i + 1 < t->columns)
            pad(row, gap);
        cell += len + 1;
    }
    return cell;
}

void table_print(struct table *t, size_t max, struct buf *out)
{
    struct buf row = BUF_INIT;
    const char *cell = t->cells.data;
    out->failed |= t->cells.failed;
    for (size_t i = 0; i < t->rows && !out->failed; i++) {
        buf_reset(&row);
        cell = put_row(t, cell, &row);
        out->failed |= row.failed;
        while (row.len > 0 && row.data[row.len - 1] == ' ')
            row.len--;
        buf_put(out, row.data, max ? text_fit(row.data, row.len, max) : row.len);
        buf_putc(out, '\n');
    }
    buf_reset(&t->cells);
    t->rows = t->column = 0;
    buf_deinit(&row);
}
