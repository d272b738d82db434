#include "job/watch.h"

#include "job/job.h"

#include <assert.h>

void job_watch_add(struct jobs *jobs, struct job_watch *watch)
{
    assert(jobs_are_current(jobs));
    list_add_tail(&jobs->watches, &watch->link);
}

void job_watch_remove(struct job_watch *watch)
{
    list_del(&watch->link);
}

void watch_tell_ended(const struct job *job)
{
    list_for_each(e, &job->jobs->watches)
    {
        struct job_watch *watch = container_of(e, struct job_watch, link);
        if (watch->ended)
            watch->ended(watch, job);
    }
}

void watch_tell_ended_elsewhere(struct jobs *jobs, uint64_t id)
{
    list_for_each(e, &jobs->watches)
    {
        struct job_watch *watch = container_of(e, struct job_watch, link);
        if (watch->ended_elsewhere)
            watch->ended_elsewhere(watch, id);
    }
}

void watch_tell_schedules(struct jobs *jobs)
{
    list_for_each(e, &jobs->watches)
    {
        struct job_watch *watch = container_of(e, struct job_watch, link);
        if (watch->schedules)
            watch->schedules(watch);
    }
}

void watch_tell_room(struct jobs *jobs)
{
    list_for_each(e, &jobs->watches)
    {
        struct job_watch *watch = container_of(e, struct job_watch, link);
        if (watch->room)
            watch->room(watch);
    }
}

void watch_tell_stopping(struct jobs *jobs)
{
    list_for_each(e, &jobs->watches)
    {
        struct job_watch *watch = container_of(e, struct job_watch, link);
        if (watch->stopping)
            watch->stopping(watch);
    }
}
