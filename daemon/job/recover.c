/* At start: rows that a daemon left running when it died. Each gets an `attempt` line with the outcome
 * `interrupted`, so that readers of the log know that this attempt's lines came to nothing, and is queued
 * again; its next claim is a new attempt. Rows of the store's that we claim ourselves meanwhile are in
 * memory, and left alone; so that none of them can have ended before its page comes, nothing starts until
 * all is read. */
#include "job/recover.h"

#include "base/clock.h"
#include "base/log.h"
#include "job/admission.h"
#include "job/finish.h"
#include "job/job.h"

#include <stdlib.h>

#define PAGE     256
#define AGAIN_NS NS_PER_SEC

struct recovery {
    struct store_list list;
    struct jobs *jobs;
    size_t torn;
};

static void next_page(struct recovery *r, uint64_t before);

void recover_again(struct jobs *jobs)
{
    jobs->recover_at = clock_now() + AGAIN_NS;
    wake_at(&jobs->wake, jobs->recover_at);
}

void recover_check(struct jobs *jobs)
{
    if (!jobs->recover_at)
        return;
    if (clock_now() < jobs->recover_at || jobs->recovering || jobs->loading) {
        wake_at(&jobs->wake, jobs->recover_at);
        return;
    }
    jobs->recover_at = 0;
    recover_start(jobs);
    admission_load(jobs);
}

static void close_row(struct recovery *r, struct store_job *row)
{
    if (job_find(r->jobs, row->id)) {
        store_job_free(row);
        return;
    }
    struct error err;
    struct job *job =
        job_new(r->jobs, row, NULL, &err); /* without a spec it can be closed as well */
    if (!job) {
        log_error("no memory for a job that was interrupted; it is tried again");
        recover_again(r->jobs);
        return;
    }
    r->torn++;
    job_torn(job);
}

static void end(struct recovery *r)
{
    struct jobs *jobs = r->jobs;
    if (r->torn > 0)
        log_info("%zu jobs were running when the daemon ended; they run again", r->torn);
    jobs->recovering = false;
    free(r);
    wake_admit(&jobs->wake);
    wake_drained(&jobs->wake);
}

static void on_page(struct mail *mail)
{
    struct recovery *r = container_of(mail, struct recovery, list.call.mail);
    uint64_t next = r->list.next;
    if (r->list.call.result < 0) {
        log_error("the jobs that were running could not be read, and are tried again: %s",
                  r->list.call.error.text);
        recover_again(r->jobs);
        next = 0;
    }
    for (size_t i = 0; i < r->list.count; i++)
        close_row(r, r->list.jobs[i]);
    free(r->list.jobs);
    if (next)
        next_page(r, next);
    else
        end(r);
}

static void next_page(struct recovery *r, uint64_t before)
{
    struct store *store = r->jobs->config.store;
    r->list = (struct store_list){
        .select = {.state = JOB_RUNNING, .error = -1}, .before = before, .limit = PAGE};
    mail_init(&r->list.call.mail, on_page);
    store->engine->list(store, &r->list);
}

void recover_start(struct jobs *jobs)
{
    if (!jobs->config.store->engine->keeps)
        return;
    struct recovery *r = calloc(1, sizeof *r);
    if (!r) {
        recover_again(jobs);
        return;
    }
    r->jobs = jobs;
    jobs->recovering = true;
    next_page(r, 0);
}
