/* How news of jobs travels to the layers above, which this one does not know. Control loop. */
#ifndef PENSTOCK_JOB_WATCH_H
#define PENSTOCK_JOB_WATCH_H

#include "base/list.h"

#include <stdint.h>

struct job;
struct jobs;
struct store_schedule_end;

/* Somebody who wants to hear of every job. Embedded in its owner, who may leave a member NULL. */
struct job_watch {
    struct list link;
    /* The job's verdict stands in the store. The job is freed afterwards. */
    void (*ended)(struct job_watch *watch, const struct job *job);
    /* A job that somebody awaits has ended at another member of the fleet: its row has the verdict.
     */
    void (*ended_elsewhere)(struct job_watch *watch, uint64_t id);
    /* Another member has changed schedules. */
    void (*schedules)(struct job_watch *watch);
    /* Fewer jobs are ending than before. */
    void (*room)(struct job_watch *watch);
    /* A drain begins: whatever waits for anything else than a running job is to be given up. */
    void (*stopping)(struct job_watch *watch);
};

/* Watches hear the news in the order in which they came. */
void job_watch_add(struct jobs *jobs, struct job_watch *watch);
void job_watch_remove(struct job_watch *watch);

void watch_tell_ended(const struct job *job);
void watch_tell_ended_elsewhere(struct jobs *jobs, uint64_t id);
void watch_tell_schedules(struct jobs *jobs);
void watch_tell_room(struct jobs *jobs);
void watch_tell_stopping(struct jobs *jobs);

/* The one owner of jobs that somebody else than a client has submitted. It is asked of every job,
 * and leaves alone those that are not its own. Embedded in the owner, which lives as long as the
 * jobs do. */
struct job_hooks {
    /* The attempt of the job was made and has not begun: it may be given what else it needs. 0 or
     * -ENOMEM. */
    int (*prepare)(struct job_hooks *hooks, struct job *job);
    /* The job's verdict goes to the store: with this, which lives as long as the job. NULL: it is
     * not the owner's. */
    const struct store_schedule_end *(*ending)(struct job_hooks *hooks, struct job *job);
    /* Frees job->owned, which prepare or ending has set. */
    void (*forget)(struct job *job);
};

#endif
