#include "job/pauses.h"

#include "base/log.h"
#include "job/fleet.h"
#include "job/hold.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE 1000

struct pauses_page {
    struct store_pauses call;
    struct jobs *jobs;
    bool whole; /* from the first: what is not among them is not held any more */
};

/* What is known may have gaps: all is read again. */
static void fail(struct jobs *jobs, const char *why)
{
    struct fleet *fleet = jobs->fleet;
    if (!fleet->pauses.due)
        log_warning("what is paused in the fleet could not be read, and is asked for again: %s",
                    why);
    fleet->pauses.whole = fleet->pauses.due = true;
}

static int take_row(struct jobs *jobs, const struct store_pause_row *row)
{
    int r = hold_set(jobs, row->host, row->parser, row->held);
    if (r == 0 && row->held)
        hold_sign(jobs, row->host, row->parser, row->uid, row->at, row->member);
    return r;
}

static int take_page(struct jobs *jobs, const struct store_pauses *call)
{
    int r = call->call.result;
    for (size_t i = 0; i < call->count && r == 0; i++) {
        r = take_row(jobs, &call->rows[i]);
        jobs->fleet->pauses.seen = call->rows[i].version;
    }
    return r;
}

static void page_ask(struct pauses_page *page);

static void page_end(struct pauses_page *page, int result)
{
    struct jobs *jobs = page->jobs;
    struct fleet *fleet = jobs->fleet;
    bool again = fleet->pauses.again;
    if (result == 0 && page->whole)
        holds_end_round(jobs);
    if (result < 0)
        fail(jobs, result == -ENOMEM ? "out of memory" : page->call.call.error.text);
    else if (!again)
        fleet->pauses.unread = fleet->pauses.due = false;
    fleet->pauses.reading = fleet->pauses.again = false;
    free(page);
    if (again)
        pauses_changed(jobs);
    wake_admit(&jobs->wake);
    wake_drained(&jobs->wake);
}

static void on_page(struct mail *mail)
{
    struct pauses_page *page = container_of(mail, struct pauses_page, call.call.mail);
    int r = take_page(page->jobs, &page->call);
    bool more = page->call.count == page->call.limit;
    store_pauses_free(&page->call);
    if (r == 0 && more)
        page_ask(page);
    else
        page_end(page, r);
}

static void page_ask(struct pauses_page *page)
{
    struct fleet *fleet = page->jobs->fleet;
    page->call = (struct store_pauses){.after = fleet->pauses.seen, .limit = PAGE};
    mail_init(&page->call.call.mail, on_page);
    fleet->shared->pauses(fleet->store, &page->call);
}

void pauses_changed(struct jobs *jobs)
{
    struct fleet *fleet = jobs->fleet;
    if (fleet->pauses.reading) {
        fleet->pauses.again = true;
        return;
    }
    struct pauses_page *page = jobs->draining ? NULL : calloc(1, sizeof *page);
    if (!page) {
        fleet->pauses.due = true;
        return;
    }
    page->jobs = jobs;
    page->whole = fleet->pauses.whole;
    if (page->whole) {
        fleet->pauses.seen = 0;
        holds_begin_round(jobs);
    }
    fleet->pauses.whole = false;
    fleet->pauses.reading = true;
    page_ask(page);
}

void pauses_begin(struct jobs *jobs)
{
    jobs->fleet->pauses.whole = jobs->fleet->pauses.unread = true;
    pauses_changed(jobs);
}

void pauses_tick(struct jobs *jobs)
{
    if (jobs->fleet->pauses.due)
        pauses_changed(jobs);
}

bool pauses_busy(const struct jobs *jobs)
{
    return jobs->fleet && jobs->fleet->pauses.reading;
}

void pauses_stored(struct jobs *jobs, const struct store_pause *pause)
{
    bool known = hold_find(jobs, pause->host, pause->parser);
    if (hold_set(jobs, pause->host, pause->parser, pause->held) < 0)
        fail(jobs, "out of memory");
    else if (pause->held && !known)
        hold_sign(jobs, pause->host, pause->parser, pause->uid, jobs_now(jobs), fleet_name(jobs));
}
