/* The picture of a model, as lines of text: for a terminal of some size, or for a pipe. */
#ifndef PENSTOCK_CTL_TOP_LAYOUT_H
#define PENSTOCK_CTL_TOP_LAYOUT_H

#include "base/buf.h"
#include "ctl/top_model.h"

#define TOP_LINES 600

enum top_style { TOP_TEXT, TOP_TITLE, TOP_HEAD, TOP_BAD, TOP_DIM };

/* How to look at it. */
struct top_look {
    size_t columns, lines; /* 0 lines: as many as it takes, and no line about keys */
    bool utf8;             /* bars and graphs of block characters; else of ASCII */
    size_t skip;           /* so many jobs are scrolled away */
    bool frozen, help;
    const char *path;   /* of the socket */
    const char *notice; /* about the connection; NULL: all is well */
};

/* Lines, one after another in `text`, each with its NUL, safe for a terminal and none too wide. */
struct top_page {
    struct buf text;
    size_t offset[TOP_LINES];
    enum top_style style[TOP_LINES];
    size_t count;
};

void top_page_deinit(struct top_page *page); /* takes a zeroed one */
static inline const char *top_page_line(const struct top_page *page, size_t i)
{
    return page->text.data + page->offset[i];
}

/* Draws the model anew. Without memory the page is shorter. */
void top_lay(const struct top_model *m, const struct top_look *look, struct top_page *page);

/* A bar of `width` columns, filled to `part` (0 to 1; negative: nobody knows). */
void top_put_bar(struct buf *b, double part, size_t width, bool utf8);

/* The last `width` values, the highest as high as it gets. */
void top_put_graph(struct buf *b, const struct top_series *s, size_t width, bool utf8);

#endif
