/* The page of figures as HTML. Whatever a stranger may have chosen (URLs, names, messages) is text
 * here and nothing else: it is escaped wherever it stands, and no attribute but `id`, which is a
 * number, holds any. Pure: no clock, no I/O. */
#ifndef PENSTOCK_CONTROL_PAGE_HTML_H
#define PENSTOCK_CONTROL_PAGE_HTML_H

#include "base/buf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define PAGE_SAMPLES        60
#define PAGE_SAMPLE_SECONDS 10 /* from one to the next */

/* At one moment, since the daemon's start. */
struct page_sample {
    double at; /* seconds */
    double running, bytes, done, failed;
};

struct page_view {
    const json_t *top;                 /* as API_TOP answers; NULL: it was refused */
    const json_t *failures;            /* as API_LIST; NULL: not to be shown, or not to be had */
    const json_t *schedules;           /* as API_SCHEDULE_LIST; the same */
    bool all;                          /* also what belongs to somebody: jobs, hosts, schedules */
    const struct page_sample *samples; /* the oldest first */
    size_t sample_count;
    const char *time; /* as it is shown */
};

void page_html(struct buf *b, const struct page_view *view);

/* Text as HTML, also within a quoted attribute. Control characters become U+FFFD. */
void page_put_text(struct buf *b, const char *text);

/* What the page refers to, and who may refer to it. */
extern const char page_css[], page_js[];
#define PAGE_POLICY                                                                 \
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; " \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

#endif
