#include "job/torn.h"

#include "base/log.h"
#include "job/finish.h"
#include "job/fleet.h"

#include <stdlib.h>

#define PAGE 256

/* --- of others -------------------------------------------------------------------------------- */

struct torn_page {
    struct store_torn call;
    struct jobs *jobs;
};

static void torn_ask(struct torn_page *page);

/* Takes both over. */
static void close_row(struct jobs *jobs, struct store_job *row, char *member)
{
    struct error err;
    struct job *job = job_find(jobs, row->id) ? NULL : job_new(jobs, row, NULL, &err);
    if (!job) { /* it is being closed; or there is no memory, and it comes again */
        if (job_find(jobs, row->id))
            store_job_free(row);
        free(member);
        return;
    }
    job->ran_by = member;
    jobs->fleet->torn_open++;
    jobs->fleet->torn++;
    job_torn(job);
}

static void on_torn(struct mail *mail)
{
    struct torn_page *page = container_of(mail, struct torn_page, call.call.mail);
    struct jobs *jobs = page->jobs;
    struct fleet *fleet = jobs->fleet;
    fleet->torn_reading = false;
    fleet->torn_more = page->call.count == page->call.limit;
    if (page->call.call.result < 0)
        log_error(
            "the attempts of members that are gone could not be read, and are tried again: %s",
            page->call.call.error.text);
    else if (page->call.count > 0)
        log_info("%zu jobs ran at members that are gone; they run again", page->call.count);
    for (size_t i = 0; i < page->call.count; i++)
        close_row(jobs, page->call.jobs[i], page->call.members[i]);
    free(page->call.jobs);
    free(page->call.members);
    free(page);
    wake_drained(&jobs->wake);
}

void torn_read(struct jobs *jobs)
{
    struct fleet *fleet = jobs->fleet;
    fleet->torn_more = true;
    if (fleet->torn_reading || fleet->torn_open > 0 || fleet->fenced || jobs->draining)
        return; /* it is read once those are closed */
    struct torn_page *page = calloc(1, sizeof *page);
    if (!page)
        return;
    page->jobs = jobs;
    fleet->torn_reading = true;
    torn_ask(page);
}

static void torn_ask(struct torn_page *page)
{
    struct fleet *fleet = page->jobs->fleet;
    page->call = (struct store_torn){.limit = PAGE};
    mail_init(&page->call.call.mail, on_torn);
    fleet->shared->torn(fleet->store, &page->call);
}

/* --- of ours ---------------------------------------------------------------------------------- */

struct void_page {
    struct store_void call;
    struct jobs *jobs;
};

static void void_ask(struct void_page *page, struct store_void_attempt *told, size_t count);

static void void_end(struct void_page *page)
{
    struct jobs *jobs = page->jobs;
    free((void *)(uintptr_t)page->call.told);
    jobs->fleet->void_reading = false;
    free(page);
    wake_drained(&jobs->wake);
}

/* The lines are on their way when the store is told that they are: if we die before they are
 * written, the reader still has the number of the attempt that counts, which is higher. */
static void on_void(struct mail *mail)
{
    struct void_page *page = container_of(mail, struct void_page, call.call.mail);
    struct jobs *jobs = page->jobs;
    struct store_void_attempt *attempts = page->call.attempts;
    size_t count = page->call.count;
    if (page->call.call.result < 0) {
        log_warning("which attempts of this daemon do not count could not be read: %s",
                    page->call.call.error.text);
        void_end(page);
        return;
    }
    for (size_t i = 0; i < count; i++)
        fleet_revoke(jobs, attempts[i].job, attempts[i].attempt);
    if (count > 0) {
        void_ask(page, attempts, count);
    } else {
        free(attempts);
        void_end(page);
    }
}

/* Those of `told`, which it takes over, are forgotten. */
static void void_ask(struct void_page *page, struct store_void_attempt *told, size_t count)
{
    struct fleet *fleet = page->jobs->fleet;
    free((void *)(uintptr_t)page->call.told);
    page->call = (struct store_void){.told = told, .told_count = count, .limit = PAGE};
    mail_init(&page->call.call.mail, on_void);
    fleet->shared->voided(fleet->store, &page->call);
}

void torn_read_void(struct jobs *jobs)
{
    struct fleet *fleet = jobs->fleet;
    struct void_page *page = fleet->void_reading ? NULL : calloc(1, sizeof *page);
    if (!page)
        return;
    page->jobs = jobs;
    fleet->void_reading = true;
    void_ask(page, NULL, 0);
}

bool torn_busy(const struct jobs *jobs)
{
    return jobs->fleet && (jobs->fleet->torn_reading || jobs->fleet->void_reading);
}
