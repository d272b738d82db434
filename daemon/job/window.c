#include "job/window.h"

#include "base/clock.h"
#include "base/log.h"
#include "job/finish.h"
#include "job/hold.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW       64
#define WINDOW_BRISK 256 /* of a host whose jobs come and go within the time of a commit */

static size_t window_size(const struct host *host)
{
    return host->ahead > 0 ? WINDOW_BRISK : WINDOW;
}

bool window_has_room(const struct host *host)
{
    return !host->loading && !host->more && host->window_len < window_size(host);
}

struct job *window_next(const struct host *host)
{
    list_for_each(e, &host->window)
    {
        struct job *job = container_of(e, struct job, link);
        if (!hold_on_parser(host->jobs, job->row->parser))
            return job;
    }
    return NULL;
}

void window_drop(struct job *job)
{
    struct host *host = job->host;
    host_window_remove(job);
    job_free(job);
    host_put_if_idle(host);
}

/* --- from the store --------------------------------------------------------------------------- */

/* A row that cannot be read any more (its parser is gone from the config) ends as `unexpected`: it
 * was acknowledged, so it has a verdict. */
static void admit_row(struct host *host, struct store_job *row)
{
    struct error err = {""};
    struct jobs *jobs = host->jobs;
    if (job_find(jobs, row->id)) {
        store_job_free(row);
        return;
    }
    struct job *job = job_new(jobs, row, NULL, &err);
    if (!job) {
        log_error("no memory for a job of host %s; it stays in the store", host->name);
        host->more = true;
    } else if (!job->spec) {
        struct cause cause = {.kind = KIND_UNEXPECTED};
        memcpy(cause.message, err.text, sizeof err.text);
        job_finish(job, JOB_FAILED, &cause);
    } else if (job->spec->run) {
        struct cause cause = {.cancelled = true,
                              .message = "the daemon was started anew; the command is gone"};
        job_finish(job, JOB_CANCELLED, &cause);
    } else {
        host_window_add(host, job);
    }
}

static void on_loaded(struct mail *mail)
{
    struct host *host = container_of(mail, struct host, load.call.mail);
    struct jobs *jobs = host->jobs;
    struct store_window *load = &host->load;

    host->loading = false;
    free(host->skip);
    host->skip = NULL;
    if (load->call.result < 0) {
        log_error("the queue of host %s could not be read: %s", host->name, load->call.error.text);
        host_due(jobs, host->name, clock_real_us() + 1000000);
        wake_drained(&jobs->wake);
        return;
    }
    host->more = load->count == load->limit || host->stale;
    if (load->next_due && (!host->next_due || load->next_due < host->next_due))
        host_due(jobs, host->name, load->next_due);
    for (size_t i = 0; i < load->count; i++)
        admit_row(host, load->jobs[i]);
    free(load->jobs);
    if (list_empty(&host->window) && !host->more)
        host_put_if_idle(host);
    else
        host_make_ready(host);
    wake_admit(&jobs->wake);
    wake_drained(&jobs->wake);
}

/* Rows of this host that are in memory although the store still calls them runnable. */
static size_t collect_skip(struct host *host)
{
    size_t n = 0;
    tree_for_each(e, &host->jobs->active) n +=
        container_of(e, struct job, active.node)->place != PLACE_RUNNING;
    host->skip = n > 0 ? calloc(n, sizeof *host->skip) : NULL;
    if (!host->skip)
        return 0;
    n = 0;
    tree_for_each(e, &host->jobs->active)
    {
        const struct job *job = container_of(e, struct job, active.node);
        if (job->place != PLACE_RUNNING && strcmp(job->row->host, host->name) == 0)
            host->skip[n++] = job->id;
    }
    return n;
}

static void window_load(struct host *host)
{
    struct store *store = host->jobs->config.store;
    host->loading = true;
    host->stale = false;
    host->load = (struct store_window){.host = host->name,
                                       .now = clock_real_us(),
                                       .skip_count = collect_skip(host),
                                       .limit = window_size(host)};
    host->load.skip = host->skip;
    mail_init(&host->load.call.mail, on_loaded);
    store->engine->window(store, &host->load);
}

void window_refill(struct host *host)
{
    if (host->window_len <= window_size(host) / 4 && host->more && !host->loading)
        window_load(host);
}

bool windows_loading(const struct jobs *jobs)
{
    tree_for_each(n, &jobs->hosts)
    {
        if (container_of(n, struct host, entry.node)->loading)
            return true;
    }
    return false;
}
