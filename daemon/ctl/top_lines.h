/* What a picture of `top` is made of: lines on a page, bars, graphs and figures. */
#ifndef PENSTOCK_CTL_TOP_LINES_H
#define PENSTOCK_CTL_TOP_LINES_H

#include "ctl/top_page.h"

/* A picture that is being laid. */
struct lay {
    const struct top_model *m;
    struct top_look *look;
    struct top_page *page;
    struct top_item items[TOP_ITEMS]; /* of the tab */
    size_t item_count;
};

/* The page has as many lines as it may. */
bool lay_is_full(const struct lay *l);

/* Adds a line; takes ownership of the text. What is wider than a screen is cut. */
void lay_add(struct lay *l, enum top_style style, struct buf *line);
void lay_add_text(struct lay *l, enum top_style style, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A bar of `width` columns, filled to `part` (0 to 1; negative: nobody knows). */
void top_put_bar(struct buf *b, double part, size_t width, bool utf8);

/* The last `width` values, the highest as high as it gets. */
void top_put_graph(struct buf *b, const struct top_series *s, size_t width, bool utf8);

/* A member of the daemon's answer; 0 and "" where there is none. */
int64_t lay_number(const json_t *object, const char *name);
const char *lay_text(const json_t *object, const char *name);

/* "1.5 MiB/s", in twelve columns; negative: "-". */
void lay_put_figure(struct buf *b, double value, bool bytes);

#endif
