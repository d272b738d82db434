#include "job/permit.h"

#include "job/fleet.h"

#include <assert.h>

/* Jobs that have ended but whose lines or rows are not written yet: beyond that nothing starts, so
 * that a slow sink or store bounds memory as well. */
#define ENDING_MAX 1024

bool permit_open(const struct jobs *jobs, unsigned more)
{
    return !jobs->draining && !jobs->unread && !jobs->held &&
           !(jobs->fleet && (jobs->fleet->fenced || jobs->fleet->pauses.unread)) &&
           jobs->permits_used + more < jobs->settings->workers && jobs->ending_count < ENDING_MAX &&
           !sink_failing(jobs->config.sink) && !store_failing(jobs->config.store);
}

void permit_take(struct jobs *jobs)
{
    jobs->permits_used++;
}

void permit_give(struct jobs *jobs)
{
    assert(jobs->permits_used > 0);
    jobs->permits_used--;
}
