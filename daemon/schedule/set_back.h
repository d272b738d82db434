/* After the day's clock was set back: times that were reckoned before are too far off, and are
 * reckoned anew. All schedules are looked at for that, page by page, beside whatever else is done.
 * Control loop. */
#ifndef PENSTOCK_SCHEDULE_SET_BACK_H
#define PENSTOCK_SCHEDULE_SET_BACK_H

#include "base/slices.h"
#include "schedule/definition.h"
#include "store/store.h"

#include <stdbool.h>

struct jobs;

/* Embedded in its owner. */
struct set_back {
    struct jobs *jobs;
    struct slices *slices;
    void (*done)(struct set_back *walk); /* all were looked at, or the walk ends early */
    bool under_way, again;
    struct store_schedules page;
    size_t looked; /* of the page's rows */
    char after[SCHEDULE_NAME_BYTES + 1];
    struct slice slice;
    struct store_schedule_pass pass;
};

void set_back_init(struct set_back *walk, struct jobs *jobs, struct slices *slices,
                   void (*done)(struct set_back *walk));
void set_back_begin(struct set_back *walk); /* if it is under way, it begins once more afterwards */

#endif
