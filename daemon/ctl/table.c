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

static size_t width_of(const struct buf *row)
{
    return text_width(row->data ? row->data : "", row->len);
}

/* One row's text, in `max` columns (0: never mind). Returns the cell behind it, and the state's. */
static const char *put_row(const struct table *t, const char *cell, size_t max, struct buf *row,
                           const char **ret_state)
{
    for (size_t i = 0; i < t->columns; i++) {
        size_t len = strlen(cell), gap = t->width[i] - text_width(cell, len);
        bool last = i + 1 == t->columns;
        if (i > 0)
            buf_puts(row, "  ");
        if (i > 0 && i == t->state)
            *ret_state = cell;
        if (t->right[i])
            pad(row, gap);
        size_t used = width_of(row);
        if (last && t->url_last && used < max)
            text_put_url(row, cell, max - used);
        else
            buf_put(row, cell, len);
        if (!t->right[i] && !last)
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
        const char *state = "";
        buf_reset(&row);
        cell = put_row(t, cell, max, &row, &state);
        out->failed |= row.failed;
        while (row.len > 0 && row.data[row.len - 1] == ' ')
            row.len--;
        const char *colour = text_colour_of(state);
        buf_puts(out, colour);
        buf_put(out, row.data, max ? text_fit(row.data, row.len, max) : row.len);
        buf_puts(out, *colour ? TEXT_PLAIN "\n" : "\n");
    }
    buf_reset(&t->cells);
    t->rows = t->column = 0;
    buf_deinit(&row);
}
