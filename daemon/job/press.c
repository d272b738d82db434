#include "job/press.h"

#include "job/hold.h"
#include "job/host.h"

#include <assert.h>

static struct press *press_find(const struct jobs *jobs, uint64_t job)
{
    return tree_entry(tree_find_id(&jobs->pressed, job), struct press, entry.node);
}

void press_begin(struct jobs *jobs, struct press *press, uint64_t job, struct sink_credit *credit)
{
    assert(jobs_are_current(jobs) && !press->credit);
    if (press_find(jobs, job))
        return;
    press->entry.id = job;
    press->credit = credit;
    tree_insert(&jobs->pressed, &press->entry.node);
}

void press_end(struct jobs *jobs, struct press *press)
{
    assert(jobs_are_current(jobs));
    if (!press->credit)
        return;
    tree_remove(&jobs->pressed, &press->entry.node);
    press->credit = NULL;
}

struct sink_credit *press_credit(const struct jobs *jobs, uint64_t job)
{
    const struct press *press = press_find(jobs, job);
    return press ? press->credit : NULL;
}

static bool is_other(const struct job *job, const struct sink_credit *credit)
{
    return press_credit(job->jobs, job->id) != credit;
}

static bool others_wait_at(const struct host *host, const struct sink_credit *credit)
{
    list_for_each(e, &host->hops)
    {
        if (is_other(container_of(e, struct job, hop_link), credit))
            return true;
    }
    if (host->held)
        return false;
    list_for_each(e, &host->window)
    {
        const struct job *job = container_of(e, struct job, link);
        if (is_other(job, credit) && !hold_on_parser(job->jobs, job->row->parser))
            return true;
    }
    return host->more;
}

static bool may_start(const struct jobs *jobs)
{
    return !jobs->draining && !hold_on_all(jobs);
}

bool press_runs(struct jobs *jobs, const struct press *press)
{
    const struct job *job = press->credit ? job_find(jobs, press->entry.id) : NULL;
    return job && job->has_slot;
}

bool press_fills_host(struct jobs *jobs, const struct press *press)
{
    assert(jobs_are_current(jobs) && press_runs(jobs, press));
    const struct host *host = job_find(jobs, press->entry.id)->host;
    return may_start(jobs) && !host_has_slot(host) && others_wait_at(host, press->credit);
}

/* While no permit is left, whoever could start otherwise stays ready. */
bool press_fills_workers(const struct jobs *jobs, const struct sink_credit *credit)
{
    assert(jobs_are_current(jobs));
    if (!may_start(jobs) || jobs->permits_used < jobs->settings->workers)
        return false;
    if (jobs->hungry_count > 0 || backlog_first(&jobs->backlog))
        return true;
    list_for_each(e, &jobs->ready)
    {
        if (others_wait_at(container_of(e, struct host, ready_link), credit))
            return true;
    }
    return false;
}
