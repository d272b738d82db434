/* Followers: who gets which line.
 *
 * The sink hands over each chunk it has written, on its own thread, while anybody follows. The
 * chunks queue here, bounded: when the control loop is late, records are dropped (and counted),
 * verdicts are not. The control loop takes the queue, and gives each line to the followers that
 * want it, whom an index finds (follow_index.h); how much a single slow follower may hold is its
 * owner's business (control/). */
#include "api/follower.h"

#include "api/call.h"
#include "api/follow_index.h"
#include "api/select.h"
#include "base/json_read.h"
#include "base/log.h"
#include "job/fleet.h"
#include "job/job.h"
#include "job/press.h"
#include "record/credit.h"
#include "record/queue.h"
#include "record/sink.h"
#include "store/store.h"
#include "terms/access.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define TAP_BYTES (8u << 20)

struct followers {
    struct api *api;
    struct list list; /* struct follower */
    struct follow_index index;
    struct mail tap_mail;
    pthread_mutex_t lock; /* guards the three below; held for moments only */
    struct list chunks;
    size_t bytes;
    uint64_t missed;
};

struct followed {
    struct tree_id entry; /* filter->ids */
    struct interest interest;
    struct follower *follower;
    struct press press;
    bool told;   /* its verdict was given */
    bool warned; /* that its lines are in the log of another member */
    bool awaits; /* the store tells of its end, wherever it comes (fleet_await) */
    bool seen;   /* the follower may see it: that is known */
};

struct follow_filter {
    bool by_id;
    struct follower *follower;
    struct interest interest; /* unless it is by ids */
    bool sees_all;            /* as it stands in the index */
    struct tree ids;
    json_t *params; /* holds the strings of `select` */
    struct store_select select;
};

/* --- the sink's thread ------------------------------------------------------------------------ */

void followers_take_chunk(struct api *api, struct sink_chunk *chunk)
{
    struct followers *tap = api->followers;
    pthread_mutex_lock(&tap->lock);
    bool late = tap->bytes > TAP_BYTES;
    pthread_mutex_unlock(&tap->lock);
    /* Not under the lock: that takes its time, and the control loop would wait. */
    uint64_t dropped = late ? sink_chunk_drop_records(chunk) : 0;
    bool keep = chunk->mark_count > 0;
    pthread_mutex_lock(&tap->lock);
    tap->missed += dropped;
    if (keep) {
        tap->bytes += chunk->size;
        list_add_tail(&tap->chunks, &chunk->link);
    }
    pthread_mutex_unlock(&tap->lock);
    if (!keep)
        sink_chunk_free(chunk);
    mailbox_post(api->config.mailbox, &tap->tap_mail);
}

/* --- the control loop ------------------------------------------------------------------------- */

static bool may_see(const struct follower *f, const struct store_job *row)
{
    return access_may_see(f->api->jobs->settings->access, &f->peer, row->uid);
}

static bool may_see_all(const struct follower *f)
{
    return access_may_administer(f->api->jobs->settings->access, &f->peer);
}

static struct followed *followed_find(const struct follower *f, uint64_t id)
{
    return tree_entry(tree_find_id(&f->filter->ids, id), struct followed, entry.node);
}

/* `row`: of the job, if it is at hand; until one was, lines are for those who may see all jobs. */
static bool wants_id(struct follower *f, uint64_t id, const struct store_job *row, bool verdict)
{
    struct followed *followed = followed_find(f, id);
    if (!followed || followed->told)
        return false;
    if (!followed->seen)
        followed->seen = row ? may_see(f, row) : may_see_all(f);
    if (!followed->seen)
        return false;
    followed->told = verdict;
    return true;
}

/* May it see this job's lines, as far as is known? */
static bool followed_sees(const struct follower *f, uint64_t id)
{
    const struct followed *followed = followed_find(f, id);
    return followed && followed->seen;
}

static bool wants(struct follower *f, const struct store_job *row, uint64_t job, enum event event)
{
    bool counts = !f->api->jobs->fleet; /* else it is told when the store has taken it */
    if (!(f->events & event))
        return f->filter->by_id && event == EVENT_VERDICT && counts &&
               (wants_id(f, job, row, true), false);
    if (f->filter->by_id && event == EVENT_REVOKE)
        return followed_sees(f, job);
    if (f->filter->by_id && event == EVENT_VERDICT && f->api->jobs->fleet)
        return false; /* followers_job_ended tells it, if it is the one that counts */
    if (f->filter->by_id)
        return wants_id(f, job, row, event == EVENT_VERDICT);
    if (job && !may_see_all(f) && !(row && may_see(f, row)))
        return false;
    if (!f->filter->params)
        return true;
    return row && store_select_match(&f->filter->select, row);
}

static struct follower *interested(struct interest *interest)
{
    return interest_is_in_job(interest)
               ? container_of(interest, struct followed, interest)->follower
               : container_of(interest, struct follow_filter, interest)->follower;
}

/* On the job that it is about. */
static bool presses(struct interest *interest)
{
    return interest_is_in_job(interest) &&
           container_of(interest, struct followed, interest)->press.credit;
}

struct told_line {
    const struct sink_chunk *chunk;
    const struct sink_mark *mark;
    const struct store_job *row;
};

static void on_meet(void *arg, struct interest *interest)
{
    const struct told_line *line = arg;
    const struct sink_mark *mark = line->mark;
    struct follower *f = interested(interest);
    bool owed = mark->credited && presses(interest);
    if (wants(f, line->row, mark->job, mark->event))
        f->line(f, mark->event, mark->job, line->chunk->data + mark->start, mark->len, owed);
    else if (owed)
        follower_taken(f, mark->len, 0); /* a later submit of the client's wants fewer events */
}

static void distribute(struct api *api, const struct sink_chunk *chunk)
{
    for (size_t i = 0; i < chunk->mark_count; i++) {
        const struct sink_mark *mark = &chunk->marks[i];
        const struct job *job = mark->job ? job_find(api->jobs, mark->job) : NULL;
        struct told_line line = {.chunk = chunk, .mark = mark, .row = job ? job->row : NULL};
        follow_index_meet(&api->followers->index, mark->event, mark->job, line.row, on_meet, &line);
    }
}

static void on_tap(struct mail *mail)
{
    struct followers *tap = container_of(mail, struct followers, tap_mail);
    struct api *api = tap->api;
    struct list *e;
    for (;;) {
        pthread_mutex_lock(&tap->lock);
        uint64_t missed = tap->missed;
        tap->missed = 0;
        e = list_pop(&tap->chunks);
        if (e)
            tap->bytes -= container_of(e, struct sink_chunk, link)->size;
        pthread_mutex_unlock(&tap->lock);
        if (missed > 0)
            list_for_each(l, &api->followers->list)
            {
                struct follower *f = container_of(l, struct follower, link);
                if (f->missed && (f->events & EVENT_RECORD)) /* nothing else is ever dropped here */
                    f->missed(f, missed);
            }
        if (!e)
            return;
        struct sink_chunk *chunk = container_of(e, struct sink_chunk, link);
        distribute(api, chunk);
        sink_chunk_free(chunk);
    }
}

struct told_end {
    const struct store_job *row;
    const char *verdict; /* NULL: it has none yet */
    size_t len;
};

/* Of those that follow by ids: the others have had it. */
static void on_meet_end(void *arg, struct interest *interest)
{
    const struct told_end *end = arg;
    struct follower *f = interested(interest);
    if (wants_id(f, end->row->id, end->row, true) && (f->events & EVENT_VERDICT))
        f->line(f, EVENT_VERDICT, end->row->id, end->verdict, end->len, false);
}

static void tell_verdict(struct api *api, const struct store_job *row, const char *verdict,
                         size_t len)
{
    struct told_end end = {.row = row, .verdict = verdict, .len = len};
    follow_index_meet_job(&api->followers->index, EVENT_VERDICT, row->id, on_meet_end, &end);
}

void followers_job_ended(struct api *api, const struct job *job)
{
    const struct buf *line = &job->verdict_line.text;
    tell_verdict(api, job->row, line->data, line->len);
}

/* --- a job that may have ended before it was followed ----------------------------------------- */

struct late {
    struct store_get get;
    struct api *api;
};

/* To those who may not see it a job is as good as not there. */
static void tell_unknown(struct follower *f, uint64_t id, const struct store_job *row)
{
    struct followed *followed = followed_find(f, id);
    if (!followed || followed->told || followed->seen)
        return;
    followed->seen = row && may_see(f, row);
    followed->told = !followed->seen;
    if (!followed->seen && f->unknown)
        f->unknown(f, id);
}

static void on_meet_late(void *arg, struct interest *interest)
{
    const struct late *late = arg;
    tell_unknown(interested(interest), late->get.id, late->get.job);
}

struct awaiting {
    bool awaits;
    unsigned found; /* those who wait for the job's verdict */
};

static void on_meet_awaited(void *arg, struct interest *interest)
{
    struct awaiting *a = arg;
    struct followed *followed = container_of(interest, struct followed, interest);
    if (followed->told)
        return;
    a->found++;
    if (a->awaits && !followed->awaits)
        fleet_await(followed->follower->api->jobs, followed->entry.id, true);
    followed->awaits = a->awaits;
}

/* The store tells of an end once. `awaits`: it is to do so again. How many wait for it. */
static unsigned set_awaits(struct api *api, uint64_t id, bool awaits)
{
    struct awaiting a = {.awaits = awaits};
    follow_index_meet_job(&api->followers->index, EVENT_VERDICT, id, on_meet_awaited, &a);
    return a.found;
}

static void on_meet_elsewhere(void *arg, struct interest *interest)
{
    const struct late *late = arg;
    struct followed *followed = container_of(interest, struct followed, interest);
    struct follower *f = followed->follower;
    if (followed->told || followed->warned || !followed->seen || !f->elsewhere)
        return;
    followed->warned = true;
    f->elsewhere(f, followed->entry.id, fleet_owner(f->api->jobs, late->get.job->host));
}

/* Once to each who follows a job that waits or runs at another member. */
static void tell_elsewhere(const struct late *late)
{
    struct api *api = late->api;
    const struct store_job *row = late->get.job;
    const char *owner = row && !job_find(api->jobs, row->id) && !job_state_final(row->state)
                            ? fleet_owner(api->jobs, row->host)
                            : NULL;
    if (owner && *owner)
        follow_index_meet_job(&api->followers->index, EVENT_VERDICT, row->id, on_meet_elsewhere,
                              (void *)(uintptr_t)late);
}

static void on_late(struct mail *mail)
{
    struct late *late = container_of(mail, struct late, get.call.mail);
    const struct store_job *row = late->get.job;
    if (row || late->get.call.result == -ENOENT)
        follow_index_meet_job(&late->api->followers->index, EVENT_VERDICT, late->get.id,
                              on_meet_late, late);
    if (row && row->verdict)
        tell_verdict(late->api, row, row->verdict, strlen(row->verdict));
    tell_elsewhere(late);
    store_job_free(late->get.job);
    struct api *api = late->api;
    if (api->jobs->fleet && late->get.call.result < 0 && late->get.call.result != -ENOENT)
        set_awaits(api, late->get.id, true); /* then it is asked again */
    free(late);
    api_paid(api);
}

static int look_up(struct api *api, uint64_t id)
{
    struct store *store = api->jobs->config.store;
    struct late *late = calloc(1, sizeof *late);
    if (!late)
        return -ENOMEM;
    late->api = api;
    late->get.id = id;
    api_owe(api);
    mail_init(&late->get.call.mail, on_late);
    store->engine->get(store, &late->get);
    return 0;
}

void followers_ended_elsewhere(struct api *api, uint64_t id)
{
    if (set_awaits(api, id, false) > 0 && look_up(api, id) < 0)
        set_awaits(api, id, true);
}

/* --- subscribing ------------------------------------------------------------------------------ */

static int subscribe(struct api *api, struct follower *f)
{
    if (f->filter)
        return 0;
    f->filter = calloc(1, sizeof *f->filter);
    if (!f->filter)
        return -ENOMEM;
    tree_init(&f->filter->ids, tree_by_id);
    f->filter->follower = f;
    f->api = api;
    list_add_tail(&api->followers->list, &f->link);
    sink_tap(api->jobs->config.sink, true);
    return 0;
}

static int add_id(struct follower *f, uint64_t id, enum follow_as as)
{
    struct followed *followed = followed_find(f, id);
    if (followed)
        return 0;
    followed = calloc(1, sizeof *followed);
    if (!followed)
        return -ENOMEM;
    followed->entry.id = id;
    followed->seen = as != FOLLOW_OTHERS;
    followed->follower = f;
    /* The verdict in any case: it is what says that no other line of the job will come. */
    if (interest_in_job(&f->api->followers->index, &followed->interest, id,
                        f->events | EVENT_VERDICT) < 0) {
        free(followed);
        return -ENOMEM;
    }
    f->filter->by_id = true;
    tree_insert(&f->filter->ids, &followed->entry.node);
    followed->awaits = true;
    fleet_await(f->api->jobs, id, true);
    if (as == FOLLOW_NEW && f->credit && (f->events & EVENT_RECORD))
        press_begin(f->api->jobs, &followed->press, id, f->credit);
    return 0;
}

bool follower_add_id(struct follower *f, struct api *api, uint64_t id, enum follow_as as)
{
    if (subscribe(api, f) < 0 || add_id(f, id, as) < 0)
        return false;
    return look_up(api, id) == 0; /* a known key may name a job that has ended */
}

static int follow_ids(struct api *api, struct follower *f, const json_t *ids, struct error *err)
{
    size_t i;
    json_t *id;
    if (!json_is_array(ids) || json_array_size(ids) == 0 || json_array_size(ids) > 10000)
        return error_set(err, -EINVAL, "ids: an array of 1 to 10000 positive integers is wanted");
    json_array_foreach(ids, i, id)
    {
        if (!json_is_integer(id) || json_integer_value(id) <= 0)
            return error_set(err, -EINVAL, "ids[%zu]: a positive integer is wanted", i);
        if (!follower_add_id(f, api, (uint64_t)json_integer_value(id), FOLLOW_OTHERS))
            return error_set(err, -ENOMEM, "no memory to follow these jobs");
    }
    return 0;
}

static int follow_jobs(struct follower *f)
{
    struct follow_filter *filter = f->filter;
    filter->sees_all = may_see_all(f);
    return interest_in_jobs(&f->api->followers->index, &filter->interest,
                            filter->params ? &filter->select : NULL,
                            filter->sees_all ? NULL : &f->peer.uid, f->events);
}

static int follow_select(struct follower *f, const json_t *params, struct error *err)
{
    static const char *const also[] = {"events", NULL};
    const char *field;
    size_t members = json_object_size(params) - (json_object_get(params, "events") ? 1 : 0);
    if (members > 0) {
        f->filter->params = json_deep_copied(params);
        if (!f->filter->params)
            return error_set(err, -ENOMEM, "no memory to follow these jobs");
        int r = select_parse(f->filter->params, also, jobs_now(f->api->jobs), &f->filter->select,
                             err, &field);
        if (r < 0)
            return r;
    }
    return follow_jobs(f) < 0 ? error_set(err, -ENOMEM, "no memory to follow these jobs") : 0;
}

void followers_access_changed(struct api *api)
{
    list_for_each(e, &api->followers->list)
    {
        struct follower *f = container_of(e, struct follower, link);
        struct follow_filter *filter = f->filter;
        if (filter->by_id || !filter->interest.place || filter->sees_all == may_see_all(f))
            continue;
        interest_end(&api->followers->index, &filter->interest);
        if (follow_jobs(f) < 0)
            log_error("no memory for a follower whose rights have changed: it gets no more lines");
    }
}

uint64_t followers_looks(const struct api *api)
{
    return api->followers->index.looks;
}

int follower_begin(struct api *api, struct follower *f, const json_t *params, struct error *err)
{
    const json_t *ids = json_object_get(params, "ids");
    int r = select_events(json_object_get(params, "events"), &f->events, err);
    assert(jobs_are_current(api->jobs));
    if (r == 0 && ids && json_object_size(params) > (json_object_get(params, "events") ? 2u : 1u))
        r = error_set(err, -EINVAL, "ids: nothing else selects beside it");
    if (r == 0 && subscribe(api, f) < 0)
        r = error_set(err, -ENOMEM, "no memory to follow");
    if (r == 0)
        r = ids ? follow_ids(api, f, ids, err) : follow_select(f, params, err);
    if (r < 0)
        follower_end(f);
    return r;
}

int follower_press(struct follower *f, struct api *api, size_t max)
{
    if (f->credit)
        return 0;
    f->api = api;
    f->credit = sink_credit_new(max);
    return f->credit ? 0 : -ENOMEM;
}

void follower_taken(struct follower *f, size_t bytes, size_t max)
{
    if (f->credit)
        sink_credit_return(f->api->jobs->config.sink, f->credit, bytes, max);
}

bool follower_holds_up(const struct follower *f)
{
    bool runs = false;
    if (!f->credit || !f->filter || !sink_credit_spent(f->api->jobs->config.sink, f->credit))
        return false;
    struct jobs *jobs = f->api->jobs;
    tree_for_each(n, &f->filter->ids)
    {
        const struct press *press = &container_of(n, struct followed, entry.node)->press;
        if (!press_runs(jobs, press))
            continue;
        if (press_fills_host(jobs, press))
            return true;
        runs = true;
    }
    return runs && press_fills_workers(jobs, f->credit);
}

static void stop_pressing(struct follower *f)
{
    if (f->filter)
        tree_for_each(n, &f->filter->ids)
            press_end(f->api->jobs, &container_of(n, struct followed, entry.node)->press);
}

void follower_let_go(struct follower *f)
{
    if (!f->credit)
        return;
    stop_pressing(f);
    sink_credit_close(f->api->jobs->config.sink, f->credit);
    sink_credit_unref(f->credit);
    f->credit = NULL;
}

void follower_end(struct follower *f)
{
    follower_let_go(f);
    if (!f->filter)
        return;
    tree_for_each(n, &f->filter->ids)
    {
        struct followed *followed = container_of(n, struct followed, entry.node);
        tree_remove(&f->filter->ids, n);
        interest_end(&f->api->followers->index, &followed->interest);
        if (followed->awaits)
            fleet_await(f->api->jobs, followed->entry.id, false);
        free(followed);
    }
    interest_end(&f->api->followers->index, &f->filter->interest);
    json_decref(f->filter->params);
    free(f->filter);
    f->filter = NULL;
    list_del(&f->link);
    if (list_empty(&f->api->followers->list))
        sink_tap(f->api->jobs->config.sink, false);
}

/* --- life ------------------------------------------------------------------------------------- */

int followers_new(struct api *api, struct followers **ret_followers)
{
    struct followers *followers = calloc(1, sizeof *followers);
    if (!followers)
        return -ENOMEM;
    followers->api = api;
    pthread_mutex_init(&followers->lock, NULL);
    list_init(&followers->list);
    follow_index_init(&followers->index);
    list_init(&followers->chunks);
    mail_init(&followers->tap_mail, on_tap);
    *ret_followers = followers;
    return 0;
}

void followers_free(struct followers *followers)
{
    struct list *e;
    if (!followers)
        return;
    assert(list_empty(&followers->list));
    while ((e = list_pop(&followers->chunks)))
        sink_chunk_free(container_of(e, struct sink_chunk, link));
    pthread_mutex_destroy(&followers->lock);
    free(followers);
}
