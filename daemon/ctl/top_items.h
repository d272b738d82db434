/* What `top` lists on each of its tabs, and what can be done with one of them. */
#ifndef PENSTOCK_CTL_TOP_ITEMS_H
#define PENSTOCK_CTL_TOP_ITEMS_H

#include "ctl/top_model.h"

#define TOP_ITEMS 500

enum top_tab { TOP_RUNNING, TOP_HOSTS, TOP_FAILED, TOP_SCHEDULES, TOP_FLEET, TOP_TAB_COUNT_ };
const char *top_tab_name(enum top_tab tab);
/* A daemon that is in no fleet has no tab of that. */
bool top_tab_shown(const struct top_model *m, enum top_tab tab);

/* Strings are borrowed from the model. */
struct top_item {
    uint64_t id; /* of the job: the running one, the failed one, the schedule's last; 0: none */
    const char *host;   /* to be held; "" if it is not known */
    const char *name;   /* by which people know it: the URL, the host, the schedule, the member */
    const json_t *json; /* as the daemon has told of it; NULL for a running job */
    const struct top_row *row; /* of a running job; else NULL */
};

/* Those that have the filter's text in them ("": all), at most TOP_ITEMS. Returns how many. */
size_t top_items(const struct top_model *m, enum top_tab tab, const char *filter,
                 struct top_item *items);

#endif
