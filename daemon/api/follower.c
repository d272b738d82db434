/* Followers: who gets which line.
 *
 * The sink hands over each chunk it has written, on its own thread, while anybody follows. The
 * chunks queue here, bounded: when the control loop is late, records are dropped (and counted),
 * verdicts are not. The control loop takes the queue, and gives each line to the followers that
 * want it; how much a single slow follower may hold is its owner's business (control/). */
#include "api/follower.h"

#include "api/call.h"
#include "api/select.h"
#include "base/json_read.h"
#include "job/job.h"
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
    struct mail tap_mail;
    pthread_mutex_t lock; /* guards the three below; held for moments only */
    struct list chunks;
    size_t bytes;
    uint64_t missed;
};

struct followed {
    struct tree_id entry; /* filter->ids */
    bool told;            /* its verdict was given */
    bool seen;            /* the follower may see it: that is known */
};

struct follow_filter {
    bool by_id;
    struct tree ids;
    json_t *params; /* holds the strings of `select` */
    struct store_select select;
};

/* --- the sink's thread ------------------------------------------------------------------------ */

/* Leaves only what must not be lost. Returns how many lines went. */
static uint64_t drop_records(struct sink_chunk *chunk)
{
    uint64_t dropped = 0;
    size_t kept = 0;
    for (size_t i = 0; i < chunk->mark_count; i++) {
        if (chunk->marks[i].event == EVENT_RECORD)
            dropped++;
        else
            chunk->marks[kept++] = chunk->marks[i];
    }
    chunk->mark_count = kept;
    return dropped;
}

void followers_take_chunk(struct api *api, struct sink_chunk *chunk)
{
    struct followers *tap = api->followers;
    pthread_mutex_lock(&tap->lock);
    if (tap->bytes > TAP_BYTES)
        tap->missed += drop_records(chunk);
    bool keep = chunk->mark_count > 0;
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

static bool wants(struct follower *f, const struct job *job, const struct sink_mark *mark)
{
    const struct store_job *row = job ? job->row : NULL;
    if (!(f->events & mark->event))
        return f->filter->by_id && mark->event == EVENT_VERDICT &&
               (wants_id(f, mark->job, row, true), false);
    if (f->filter->by_id)
        return wants_id(f, mark->job, row, mark->event == EVENT_VERDICT);
    if (mark->job && !may_see_all(f) && !(row && may_see(f, row)))
        return false;
    if (!f->filter->params)
        return true;
    return row && store_select_match(&f->filter->select, row);
}

static void distribute(struct api *api, const struct sink_chunk *chunk)
{
    for (size_t i = 0; i < chunk->mark_count; i++) {
        const struct sink_mark *mark = &chunk->marks[i];
        const struct job *job = mark->job ? job_find(api->jobs, mark->job) : NULL;
        list_for_each(e, &api->followers->list)
        {
            struct follower *f = container_of(e, struct follower, link);
            if (wants(f, job, mark))
                f->line(f, mark->event, mark->job, chunk->data + mark->start, mark->len);
        }
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
                if (f->missed)
                    f->missed(f, missed);
            }
        if (!e)
            return;
        struct sink_chunk *chunk = container_of(e, struct sink_chunk, link);
        distribute(api, chunk);
        sink_chunk_free(chunk);
    }
}

static void tell_verdict(struct api *api, const struct store_job *row, const char *verdict,
                         size_t len)
{
    list_for_each(e, &api->followers->list)
    {
        struct follower *f = container_of(e, struct follower, link);
        if (f->filter->by_id && wants_id(f, row->id, row, true) && (f->events & EVENT_VERDICT))
            f->line(f, EVENT_VERDICT, row->id, verdict, len);
    }
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

static void on_late(struct mail *mail)
{
    struct late *late = container_of(mail, struct late, get.call.mail);
    const struct store_job *row = late->get.job;
    if (row || late->get.call.result == -ENOENT)
        list_for_each(e, &late->api->followers->list)
            tell_unknown(container_of(e, struct follower, link), late->get.id, row);
    if (row && row->verdict)
        tell_verdict(late->api, row, row->verdict, strlen(row->verdict));
    store_job_free(late->get.job);
    struct api *api = late->api;
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

/* --- subscribing ------------------------------------------------------------------------------ */

static int subscribe(struct api *api, struct follower *f)
{
    if (f->filter)
        return 0;
    f->filter = calloc(1, sizeof *f->filter);
    if (!f->filter)
        return -ENOMEM;
    tree_init(&f->filter->ids, tree_by_id);
    f->api = api;
    list_add_tail(&api->followers->list, &f->link);
    sink_tap(api->jobs->config.sink, true);
    return 0;
}

static int add_id(struct follower *f, uint64_t id, bool own)
{
    struct followed *followed = followed_find(f, id);
    if (followed)
        return 0;
    followed = calloc(1, sizeof *followed);
    if (!followed)
        return -ENOMEM;
    followed->entry.id = id;
    followed->seen = own;
    f->filter->by_id = true;
    tree_insert(&f->filter->ids, &followed->entry.node);
    return 0;
}

bool follower_add_id(struct follower *f, struct api *api, uint64_t id, bool own)
{
    if (subscribe(api, f) < 0 || add_id(f, id, own) < 0)
        return false;
    return look_up(api, id) == 0; /* a known key may name a job that has ended */
}

static int parse_events(const json_t *events, unsigned *ret_mask, struct error *err)
{
    unsigned mask = 0;
    size_t i;
    json_t *item;
    if (!events)
        return 0;
    if (!json_is_array(events) || json_array_size(events) == 0)
        return error_set(err, -EINVAL, "events: an array of event names is wanted");
    json_array_foreach(events, i, item)
    {
        enum event event;
        char near[64];
        const char *name = json_string_value(item);
        if (!name || event_parse(name, &event) < 0)
            return error_set(
                err, -EINVAL,
                "events[%zu]: one of start, record, attempt, verdict, stop is wanted%s", i,
                name ? event_meant(name, near, sizeof near) : "");
        mask |= event;
    }
    *ret_mask = mask;
    return 0;
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
        if (!follower_add_id(f, api, (uint64_t)json_integer_value(id), false))
            return error_set(err, -ENOMEM, "no memory to follow these jobs");
    }
    return 0;
}

static int follow_select(struct follower *f, const json_t *params, struct error *err)
{
    static const char *const also[] = {"events", NULL};
    const char *field;
    size_t members = json_object_size(params) - (json_object_get(params, "events") ? 1 : 0);
    if (members == 0)
        return 0;
    f->filter->params = json_deep_copied(params);
    if (!f->filter->params)
        return error_set(err, -ENOMEM, "no memory to follow these jobs");
    return select_parse(f->filter->params, also, &f->filter->select, err, &field);
}

int follower_begin(struct api *api, struct follower *f, const json_t *params, struct error *err)
{
    const json_t *ids = json_object_get(params, "ids");
    int r = parse_events(json_object_get(params, "events"), &f->events, err);
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

void follower_end(struct follower *f)
{
    if (!f->filter)
        return;
    tree_for_each(n, &f->filter->ids)
    {
        tree_remove(&f->filter->ids, n);
        free(container_of(n, struct followed, entry.node));
    }
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
