#include "job/window.h"

#include "base/clock.h"
#include "base/log.h"
#include "job/finish.h"
#include "job/hold.h"
#include "job/park.h"
#include "terms/credential.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW       64
#define WINDOW_BRISK 256 /* of a host whose jobs come and go within the time of a commit */
#define LOADS        4   /* calls on their way at most, … */
#define LOAD_HOSTS   64  /* … each for so many hosts */
#define HUNGRY       (2 * LOAD_HOSTS) /* beyond so many a host rests, if it can */
#define SHARE        4 /* so many times the hungry hosts' shares make the whole budget */

/* One call to the store. */
struct load {
    struct list link; /* windows->spare */
    struct jobs *jobs;
    struct store_window call;
    struct store_window_host wanted[LOAD_HOSTS];
    struct host *hosts[LOAD_HOSTS];
    uint64_t *skip;
    struct store_window_user *users;
};

struct windows {
    struct list spare;
    unsigned out;   /* loads on their way */
    size_t awaited; /* jobs that they may bring at most */
    struct load loads[LOADS];
};

int windows_new(struct jobs *jobs, struct windows **ret_windows)
{
    struct windows *windows = calloc(1, sizeof *windows);
    if (!windows)
        return -ENOMEM;
    list_init(&windows->spare);
    for (int i = 0; i < LOADS; i++) {
        windows->loads[i].jobs = jobs;
        list_init(&windows->loads[i].link);
        list_add_tail(&windows->spare, &windows->loads[i].link);
    }
    *ret_windows = windows;
    return 0;
}

void windows_free(struct windows *windows)
{
    assert(!windows || windows->out == 0);
    free(windows);
}

bool windows_loading(const struct jobs *jobs)
{
    return jobs->windows->out > 0;
}

/* How many more jobs may come into windows. */
static size_t budget_left(const struct jobs *jobs)
{
    size_t used = jobs->window_len + jobs->windows->awaited, max = jobs->settings->window_max;
    return used < max ? max - used : 0;
}

static unsigned window_size(const struct host *host)
{
    return host->ahead > 0 ? WINDOW_BRISK : WINDOW;
}

static bool may_start(const struct host *host, const struct job *job)
{
    return !hold_on_parser(host->jobs, job->row->parser) && user_may_start(job->user, host->name);
}

struct job *window_next(const struct host *host)
{
    list_for_each(e, &host->window)
    {
        struct job *job = container_of(e, struct job, link);
        host->jobs->steps++;
        if (may_start(host, job))
            return job;
    }
    return NULL;
}

static bool is_droppable(const struct job *job)
{
    return !job->claimed && !job->claiming && !job->spec->run;
}

/* Its user's turn comes. False: there is no memory to know of it. */
static bool pass_over(const struct host *host, struct job *job)
{
    if (user_pass_over(job->user, host->name) == 0)
        return true;
    wake_recover(&host->jobs->wake); /* when the queue is read again, it is looked at again */
    return false;
}

void window_pass_over(struct host *host)
{
    list_for_each(e, &host->window)
    {
        struct job *job = container_of(e, struct job, link);
        host->jobs->steps++;
        if (may_start(host, job))
            return;
        if (user_may_start(job->user, host->name) || !pass_over(host, job) || !is_droppable(job))
            continue;
        host_window_remove(job);
        job_free(job);
    }
}

void window_drop(struct job *job)
{
    struct host *host = job->host;
    host_window_remove(job);
    job_free(job);
    host_put_if_idle(host);
}

/* --- who wants how much ----------------------------------------------------------------------- */

/* A window full of jobs that are held back is as good as empty, while it has room for others. */
static bool runs_low(const struct host *host)
{
    return host->window_len <= window_size(host) / 4 || !window_next(host);
}

/* What a host may start only once others have ended is loaded ahead while there is plenty of
 * room. */
static bool may_load(const struct host *host)
{
    return host_has_slot(host) || budget_left(host->jobs) > host->jobs->settings->window_max / 2;
}

void window_want(struct host *host)
{
    if (!host->more || host->loading || host->held || !list_empty(&host->hungry_link) ||
        host->window_len >= window_size(host) || !may_load(host) || !runs_low(host))
        return;
    list_add_tail(&host->jobs->hungry, &host->hungry_link);
    host->jobs->hungry_count++;
}

void window_rest(struct host *host)
{
    if (!list_empty(&host->hungry_link))
        return; /* it keeps its turn */
    window_want(host);
    if (list_empty(&host->hungry_link))
        host_put_if_idle(host);
    else if (host->jobs->hungry_count > HUNGRY && !host->offered)
        host_rest(host, false);
}

/* The host whose turn it is in the backlog is hungry. False: none waits there. */
static bool backlog_join(struct jobs *jobs)
{
    struct host *host = host_next_resting(jobs);
    if (!host && backlog_first(&jobs->backlog)) {
        log_error("no memory for a host that has a queue; it is tried again");
        wake_recover(&jobs->wake);
    }
    if (!host)
        return false;
    jobs->steps++;
    window_want(host); /* unless others of a fleet have all its slots, whose news wake it */
    return true;
}

/* So many are hungry that calls can be made for many at once. */
static void hungry_fill(struct jobs *jobs)
{
    while (jobs->hungry_count < HUNGRY && backlog_join(jobs)) {
    }
}

static struct host *hungry_first(const struct jobs *jobs)
{
    struct list *e = jobs->hungry.next;
    return e == &jobs->hungry ? NULL : container_of(e, struct host, hungry_link);
}

/* The fewer there are, the more each gets; and at least what it could start now. */
static size_t portion(const struct host *host)
{
    const struct jobs *jobs = host->jobs;
    if (host->takes_turns)
        return 1;
    size_t waiting = jobs->hungry_count + jobs->backlog.count;
    size_t share = jobs->settings->window_max / (SHARE * (waiting + 1));
    size_t slots = host_has_slot(host) ? host->limit - host->running - host->elsewhere : 1;
    size_t room = window_size(host) > host->window_len ? window_size(host) - host->window_len : 1;
    size_t n = share > slots ? share : slots;
    n = n < room ? n : room;
    return n < jobs->settings->window_max ? n : jobs->settings->window_max;
}

/* So much of the budget is for who waits for it already. Else submissions for other hosts would
 * take each place as it gets free, and what has been in the store for long would never be loaded.
 */
static size_t budget_kept(const struct jobs *jobs)
{
    const struct host *first = hungry_first(jobs);
    if (first)
        return portion(first);
    return jobs->backlog.count > 0 ? WINDOW : 0;
}

bool window_has_room(const struct host *host)
{
    return !host->loading && !host->more && host->window_len < window_size(host) &&
           budget_left(host->jobs) > budget_kept(host->jobs);
}

/* --- from the store --------------------------------------------------------------------------- */

/* In a fleet: another config may have what this one lacks. */
static bool is_for_others(const struct job *job, struct error *err)
{
    const struct settings_credential *chosen;
    const struct jobs *jobs = job->jobs;
    return jobs->fleet &&
           (!job->spec ||
            (!job->spec->run && credential_choose(jobs->settings, job->spec, &chosen, err) < 0));
}

/* A row that cannot be read any more (its parser is gone from the config) ends as `unexpected`: it
 * was acknowledged, so it has a verdict. */
static void admit_row(struct host *host, struct store_job *row, bool guest)
{
    struct error err = {""};
    struct jobs *jobs = host->jobs;
    jobs->steps++;
    if (job_find(jobs, row->id)) {
        store_job_free(row);
        return;
    }
    struct job *job = job_new(jobs, row, NULL, &err);
    if (!job) {
        log_error("no memory for a job of host %s; it stays in the store", host->name);
        host->more = true;
    } else if (is_for_others(job, &err)) {
        park_row(host, job->row, err.text);
        job_free(job);
    } else if (!job->spec) {
        struct cause cause = {.kind = KIND_UNEXPECTED};
        memcpy(cause.message, err.text, sizeof err.text);
        job_finish(job, JOB_FAILED, &cause);
    } else if (job->spec->run) {
        struct cause cause = {.cancelled = true,
                              .message = "the daemon was started anew; its client is gone"};
        job_finish(job, JOB_CANCELLED, &cause);
    } else {
        job->guest = guest;
        free(row->needs); /* it waits for nobody else */
        row->needs = NULL;
        host_window_add(host, job);
    }
}

static void take_left_out(struct host *host, struct store_window_host *wanted)
{
    for (size_t i = 0; i < wanted->left_count; i++) {
        struct user *user = user_find(host->jobs, wanted->left_out[i]);
        host->jobs->steps++;
        if (user_pass_over(user, host->name) < 0 || user_stands(user, host->name))
            host->more = true;
    }
    free(wanted->left_out);
}

static void take_rows(struct host *host, struct store_window_host *wanted)
{
    struct jobs *jobs = host->jobs;
    bool too_many = host->takes_turns && wanted->limit > 1;
    if (!host->ours && (!wanted->guest || too_many)) { /* any more */
        store_jobs_free(wanted->jobs, wanted->count);
        free(wanted->left_out);
        host_put_if_idle(host);
        return;
    }
    host->more = !host->takes_turns && (wanted->count == wanted->limit || host->stale);
    take_left_out(host, wanted);
    if (wanted->next_due)
        host_due(jobs, host->name, wanted->next_due);
    for (size_t i = 0; i < wanted->count; i++)
        admit_row(host, wanted->jobs[i], wanted->guest);
    free(wanted->jobs);
    if (list_empty(&host->window) && !host->more)
        host_put_if_idle(host);
    else
        host_make_ready(host);
}

static void on_loaded(struct mail *mail)
{
    struct load *load = container_of(mail, struct load, call.call.mail);
    struct jobs *jobs = load->jobs;
    bool failed = load->call.call.result < 0;

    jobs->windows->out--;
    if (failed)
        log_error("the queue of host %s%s could not be read: %s", load->hosts[0]->name,
                  load->call.count > 1 ? " and of others" : "", load->call.call.error.text);
    for (size_t i = 0; i < load->call.count; i++) {
        struct host *host = load->hosts[i];
        host->loading = false;
        jobs->windows->awaited -= load->wanted[i].limit;
        if (failed)
            host_due(jobs, host->name, jobs_now(jobs) + 1000000);
        else
            take_rows(host, &load->wanted[i]);
    }
    free(load->skip);
    free(load->users);
    load->skip = NULL;
    load->users = NULL;
    list_add_tail(&jobs->windows->spare, &load->link);
    wake_admit(&jobs->wake);
    wake_drained(&jobs->wake);
}

/* Rows of the host that are in memory although the store calls them runnable. Those of jobs that
 * are ending are not among them: such a row is runnable only once its job has left memory. */
static size_t copy_ids(const struct list *jobs, uint64_t *ids)
{
    size_t n = 0;
    list_for_each(e, jobs) ids[n++] = container_of(e, struct job, link)->id;
    return n;
}

static size_t copy_unread(const struct host *host, uint64_t *ids)
{
    if (host->unread_count > 0)
        memcpy(ids, host->unread, host->unread_count * sizeof *ids);
    return host->unread_count;
}

static size_t count_ids(const struct host *host)
{
    size_t n = host->window_len;
    list_for_each(e, &host->asides) n++;
    return n + host->unread_count;
}

/* Without memory none is skipped: a row that is in memory is not taken twice. */
static void set_skips(struct load *load)
{
    size_t total = 0;
    for (size_t i = 0; i < load->call.count; i++)
        total += count_ids(load->hosts[i]);
    load->jobs->steps += total;
    uint64_t *at = load->skip = total ? malloc(total * sizeof *load->skip) : NULL;
    for (size_t i = 0; at && i < load->call.count; i++) {
        struct store_window_host *wanted = &load->wanted[i];
        wanted->skip = at;
        wanted->skip_count = copy_ids(&load->hosts[i]->window, at);
        wanted->skip_count += copy_ids(&load->hosts[i]->asides, at + wanted->skip_count);
        wanted->skip_count += copy_unread(load->hosts[i], at + wanted->skip_count);
        at += wanted->skip_count;
    }
}

/* Whose jobs would not start. Without memory all are loaded, and passed over. */
static void set_users(struct load *load)
{
    struct users *users = &load->jobs->users;
    load->users = users->tight_count ? malloc(users->tight_count * sizeof *load->users) : NULL;
    if (!load->users)
        return;
    tree_for_each(n, &users->tight)
    {
        const struct user *user = container_of(n, struct user, tight.node);
        load->jobs->steps++;
        load->users[load->call.user_count++] =
            (struct store_window_user){.uid = (uint32_t)user->tight.id, .limit = user_wants(user)};
    }
    load->call.users = load->users;
}

static void hungry_remove(struct host *host)
{
    list_del(&host->hungry_link);
    host->jobs->hungry_count--;
}

static void load_add(struct load *load, struct host *host, size_t limit)
{
    size_t i = load->call.count++;
    hungry_remove(host);
    load->jobs->windows->awaited += limit;
    load->jobs->steps++;
    host->loading = true;
    host->stale = host->offered = false;
    load->hosts[i] = host;
    load->wanted[i] = (struct store_window_host){
        .host = host->name, .from_rank = INT64_MIN, .limit = limit, .guest = !host->ours};
}

/* --- room ------------------------------------------------------------------------------------- */

/* What is in the window goes back to the store. Whatever lets the host start something makes it
 * ready; for the case that it is a parser's hold, it is parked, or rests. It may be freed. */
static void window_empty(struct host *host)
{
    struct list *next;
    host->more = true;
    for (struct list *e = host->window.next; e != &host->window; e = next) {
        struct job *job = container_of(e, struct job, link);
        next = e->next;
        host->jobs->steps++;
        if (!is_droppable(job))
            continue;
        if (!user_may_start(job->user, host->name))
            pass_over(host, job);
        window_drop(job);
    }
    if (list_empty(&host->ready_link))
        list_add_tail(&host->jobs->parked, &host->ready_link);
    if (!list_empty(&host->hungry_link))
        hungry_remove(host);
    host_rest(host, true);
}

/* Nothing can start, and the budget is used up: it is for hosts that have nothing in their
 * windows, and the others give theirs up, so that the same jobs do not come and go. Those that have
 * been blocked longest come first. Each is looked at once: what cannot be dropped stays. */
static void make_room(struct jobs *jobs)
{
    struct list seen;
    struct host *first;
    while ((first = hungry_first(jobs)) && first->window_len > 0) {
        hungry_remove(first); /* an event of its own makes it ready, and hungry again */
        hungry_fill(jobs);
    }
    if (!first)
        return;
    list_init(&seen);
    while (budget_left(jobs) < portion(first) && !list_empty(&jobs->stocked)) {
        struct host *host = container_of(jobs->stocked.next, struct host, stocked_link);
        list_del(&host->stocked_link);
        list_add_tail(&seen, &host->stocked_link);
        if (!host->ready && !host->loading)
            window_empty(host);
    }
    list_splice(&seen, &jobs->stocked);
}

void window_leave(struct host *host)
{
    struct list *next;
    host->more = true; /* and so the host stays, whatever goes */
    for (struct list *e = host->window.next; e != &host->window; e = next) {
        struct job *job = container_of(e, struct job, link);
        next = e->next;
        if (job->claiming || job->spec->run)
            continue;
        if (job->claimed)
            job_release(job);
        else
            window_drop(job);
    }
    host->more = false;
    host_put_if_idle(host);
}

void windows_load(struct jobs *jobs, bool open)
{
    struct windows *windows = jobs->windows;
    struct store *store = jobs->config.store;
    bool idle = open && list_empty(&jobs->ready);
    if (open)
        hungry_fill(jobs);
    struct host *host = hungry_first(jobs);
    if (host && idle && windows->out == 0 && budget_left(jobs) < portion(host)) {
        make_room(jobs);
        host = hungry_first(jobs);
    }
    while (host && !list_empty(&windows->spare) && budget_left(jobs) >= portion(host)) {
        struct load *load = container_of(list_pop(&windows->spare), struct load, link);
        load->call = (struct store_window){.now = jobs_now(jobs), .hosts = load->wanted};
        while (host && load->call.count < LOAD_HOSTS && budget_left(jobs) >= portion(host)) {
            load_add(load, host, portion(host));
            backlog_join(jobs); /* one for one, so that both have their turns */
            host = hungry_first(jobs);
        }
        set_skips(load);
        set_users(load);
        windows->out++;
        mail_init(&load->call.call.mail, on_loaded);
        store->engine->window(store, &load->call);
    }
}
