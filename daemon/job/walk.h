/* A walk over the rows of the store that a SELECT chooses: page by page, so that any number of them
 * takes bounded memory. Few walks have a page at a time, and none goes on while so many jobs are
 * ending that the sink or the store is behind. Control loop. */
#ifndef PENSTOCK_JOB_WALK_H
#define PENSTOCK_JOB_WALK_H

#include "base/list.h"
#include "job/watch.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>

struct jobs;
struct walk_row;

/* Embedded in its owner, who zeroes it and sets the first group. */
struct walk {
    struct jobs *jobs;
    struct store_select select;
    /* Only rows of lower ids; 0: all. As the walk goes on: where its next page begins. */
    uint64_t before;
    /* Each row of a page is asked for once more before it is handed out, and left out if it is not
     * chosen any more or has ended. A page goes through the store in several turns, and a job that
     * it found queued may have ended before it came. The answer about one row is never older than
     * the news of an end: both come by the same way, in order. */
    bool fresh;
    /* One row, whose ownership it takes. False: the walk goes on with walk_go_on (not with
     * `fresh`). */
    bool (*row)(struct walk *walk, struct store_job *row);
    /* After a page that is not the last: have enough rows been seen? May be NULL. */
    bool (*enough)(struct walk *walk);
    /* The walk is over: NULL, or the store's call that failed. It may free the walk. */
    void (*end)(struct walk *walk, const struct store_call *failed);

    /* Private to walk.c. */
    struct list link;
    struct store_list list;
    struct store_job **page;
    size_t page_count, page_next;
    struct walk_row *asked;
    size_t asked_count; /* of them, not answered yet */
    bool last_page;
};

/* What is shared by all walks of a daemon. */
struct walks {
    struct jobs *jobs;
    struct job_watch watch; /* for the room that they wait for */
    struct list parked;
    unsigned paging; /* walks that have asked for a page and not got all of it */
};

void walks_init(struct walks *walks, struct jobs *jobs);
void walk_start(struct walk *walk);
/* Where a walk that ends has to begin anew to see what it has not: `before`, as above. 0: it is at
 * its beginning. `failed` is what `end` was told. */
uint64_t walk_place(const struct walk *walk, const struct store_call *failed);
/* It ends here, without a word. While a row is kept. */
void walk_abandon(struct walk *walk);
void walk_go_on(struct walk *walk); /* a row that was kept is dealt with */

#endif
