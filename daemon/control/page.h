/* What the browser is shown, put together from the operations' answers; and whether the daemon is
 * well. Samples for the graphs are taken every SAMPLE_SECONDS, so that they are there when somebody
 * looks. All on the control loop.
 *
 * A visitor has no uid that counts: over TCP there is none, and over a unix socket it is that of
 * whoever relays for the browser. So what belongs to somebody (URLs, hosts, schedules, errors) is
 * shown to all visitors or to none, as the configuration says. */
#ifndef PENSTOCK_CONTROL_PAGE_H
#define PENSTOCK_CONTROL_PAGE_H

#include "api/api.h"

#include <stdbool.h>
#include <uv.h>

enum page_kind {
    PAGE_HTML,
    PAGE_HEALTH, /* the control loop answers */
    PAGE_READY,  /* and jobs can be taken, run and told about */
};

struct page_source;

/* 0 or -ENOMEM. `all`: also what belongs to somebody. */
int page_source_new(uv_loop_t *loop, struct api *api, bool all, struct page_source **ret);
/* Nothing is under way: frees it in the loop's next turn. Takes NULL. */
void page_source_close(struct page_source *source);

/* Makes a page; `done` gets its text (the caller's to free; NULL: no memory), later and exactly
 * once. `good`: 200, else 503. One at a time for each kind. */
void page_make(struct page_source *source, enum page_kind kind,
               void (*done)(void *arg, char *text, bool good), void *arg);

#endif
