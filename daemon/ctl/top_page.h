/* How to look at what `top` knows, and the picture that comes of it. */
#ifndef PENSTOCK_CTL_TOP_PAGE_H
#define PENSTOCK_CTL_TOP_PAGE_H

#include "base/buf.h"
#include "ctl/top_items.h"

#define TOP_LINES 600

/* TOP_WARN and TOP_GOOD are text where there are no colours. */
enum top_style {
    TOP_TEXT,
    TOP_TITLE,
    TOP_HEAD,
    TOP_BAD,
    TOP_DIM,
    TOP_WARN,
    TOP_GOOD,
    TOP_STYLE_COUNT_
};

/* How to look at it. */
struct top_look {
    size_t columns, lines; /* 0 lines: as many as it takes, and no line about keys */
    bool utf8;             /* bars and graphs of block characters; else of ASCII */
    enum top_tab tab;
    size_t cursor;        /* of the tab's items; without `lines` there is none */
    size_t skip;          /* so many items are scrolled away; top_lay keeps the cursor in sight */
    const char *filter;   /* only items with this text; NULL or "": all */
    bool typing;          /* the filter is being typed */
    const char *question; /* in the last line, in place of the keys; NULL: none */
    const char *overlay;  /* a text of many lines in place of the items; NULL: none */
    size_t overlay_skip;  /* so many of its lines are scrolled away */
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
    size_t selected; /* the cursor's line; SIZE_MAX: there is none */
};

static inline const char *top_page_line(const struct top_page *page, size_t i)
{
    return page->text.data + page->offset[i];
}

#endif
