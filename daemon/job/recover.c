/* At start: rows that a daemon left running when it died. Each gets an `attempt` line with the
 * outcome `interrupted`, so that readers of the log know that this attempt's lines came to nothing,
 * and is queued again; its next claim is a new attempt. Rows of the store's that we claim ourselves
 * meanwhile are in memory, and left alone; so that none of them can have ended before its page
 * comes, nothing starts until all is read. */
#include "job/recover.h"

#include "base/clock.h"
#include "base/log.h"
#include "job/finish.h"
#include "job/fleet.h"
#include "job/host.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define PAGE       256
#define HOSTS_PAGE 1000
#define AGAIN_NS   NS_PER_SEC

struct recovery {
    bool reading; /* the rows that were running are being read */
    bool loading; /* the list of hosts with a queue is */
    bool again;   /* and is to be read once more */
};

/* The walk over the rows that were running. */
struct reading {
    struct store_list list;
    struct jobs *jobs;
    size_t torn;
};

int recovery_new(struct recovery **ret_recovery)
{
    *ret_recovery = calloc(1, sizeof **ret_recovery);
    return *ret_recovery ? 0 : -ENOMEM;
}

void recovery_free(struct recovery *recovery)
{
    assert(!recovery || (!recovery->reading && !recovery->loading));
    free(recovery);
}

bool recover_busy(const struct jobs *jobs)
{
    return jobs->recovery->reading || jobs->recovery->loading;
}

static void set_unread(struct jobs *jobs)
{
    jobs->unread = !jobs->fleet && (jobs->recovery->reading || jobs->recover.at);
}

static void next_page(struct reading *r, uint64_t before);

void recover_again(struct jobs *jobs)
{
    wake_at(&jobs->wake, &jobs->recover, clock_now() + AGAIN_NS);
    set_unread(jobs);
}

/* --- what was running ------------------------------------------------------------------------- */

static void close_row(struct reading *r, struct store_job *row)
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

static void end(struct reading *r)
{
    struct jobs *jobs = r->jobs;
    if (r->torn > 0)
        log_info("%zu jobs were running when the daemon ended; they run again", r->torn);
    jobs->recovery->reading = false;
    set_unread(jobs);
    free(r);
    wake_admit(&jobs->wake);
    wake_drained(&jobs->wake);
}

static void on_page(struct mail *mail)
{
    struct reading *r = container_of(mail, struct reading, list.call.mail);
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

static void next_page(struct reading *r, uint64_t before)
{
    struct store *store = r->jobs->config.store;
    r->list = (struct store_list){
        .select = {.state = JOB_RUNNING, .error = -1}, .before = before, .limit = PAGE};
    mail_init(&r->list.call.mail, on_page);
    store->engine->list(store, &r->list);
}

static void read_running(struct jobs *jobs)
{
    if (!jobs->config.store->engine->keeps || jobs->fleet)
        return; /* of several daemons it is the attempts of those that have died (torn.h) */
    struct reading *r = calloc(1, sizeof *r);
    if (!r) {
        recover_again(jobs);
        return;
    }
    r->jobs = jobs;
    jobs->recovery->reading = true;
    set_unread(jobs);
    next_page(r, 0);
}

/* --- what was queued -------------------------------------------------------------------------- */

/* The walk over the hosts that have a queue. */
struct queues {
    struct store_hosts call;
    struct jobs *jobs;
    char *after;
};

static void queues_page(struct queues *q);

static void queues_end(struct queues *q)
{
    struct jobs *jobs = q->jobs;
    bool again = jobs->recovery->again && !jobs->draining;
    jobs->recovery->loading = jobs->recovery->again = false;
    free(q->after);
    free(q);
    if (again)
        recover_hosts(jobs);
    wake_drained(&jobs->wake);
}

/* The last name of a page is where the next one begins. */
static void queues_advance(struct queues *q)
{
    free(q->after);
    q->after = q->call.hosts[q->call.count - 1];
    q->call.hosts[q->call.count - 1] = NULL;
}

static void on_hosts(struct mail *mail)
{
    struct queues *q = container_of(mail, struct queues, call.call.mail);
    struct jobs *jobs = q->jobs;
    bool last = q->call.count < q->call.limit || jobs->draining;
    if (q->call.call.result < 0) {
        log_error("the queue could not be read, and is tried again: %s", q->call.call.error.text);
        recover_again(jobs);
    }
    for (size_t i = 0; i < q->call.count;
         i++) /* some may be ours no more since the page was made */
        if (host_queued(jobs, q->call.hosts[i]) < 0)
            recover_again(jobs);
    if (!last)
        queues_advance(q);
    store_hosts_free(&q->call);
    wake_admit(&jobs->wake);
    if (last)
        queues_end(q);
    else
        queues_page(q);
}

static void queues_page(struct queues *q)
{
    struct store *store = q->jobs->config.store;
    q->call = (struct store_hosts){.after = q->after, .limit = HOSTS_PAGE};
    mail_init(&q->call.call.mail, on_hosts);
    store->engine->hosts(store, &q->call);
}

void recover_hosts(struct jobs *jobs)
{
    if (jobs->recovery->loading) {
        jobs->recovery->again = true;
        return;
    }
    struct queues *q = calloc(1, sizeof *q);
    if (!q) {
        log_error("no memory to read the queue; it is tried again");
        recover_again(jobs);
        return;
    }
    q->jobs = jobs;
    jobs->recovery->loading = true;
    queues_page(q);
}

/* --- both ------------------------------------------------------------------------------------- */

void recover_start(struct jobs *jobs)
{
    read_running(jobs);
    recover_hosts(jobs);
}

void recover_check(struct jobs *jobs)
{
    if (recover_busy(jobs)) {
        recover_again(jobs);
        return;
    }
    set_unread(jobs);
    recover_start(jobs);
}
