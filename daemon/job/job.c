#include "job/job.h"

#include "base/clock.h"
#include "base/json_read.h"
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void on_taken(struct sink_line *line)
{
    /* The sink's thread. The last line wakes the control loop (finish.c). */
    struct job *job = line->event == EVENT_VERDICT  ? container_of(line, struct job, verdict_line)
                      : line->event == EVENT_RECORD ? container_of(line, struct job, held_line)
                                                    : container_of(line, struct job, attempt_line);
    if (atomic_fetch_add_explicit(&job->lines_taken, 1, memory_order_acq_rel) + 1 == job->lines_out)
        mailbox_post(job->jobs->config.mailbox, &job->taken_mail);
}

/* `spec` from the row: the request as it was stored, merged with today's settings. */
static int read_spec(struct job *job, struct error *err)
{
    json_error_t where;
    json_t *text = json_read_text(job->row->spec, JSON_REJECT_DUPLICATES, &where);
    if (!text)
        return error_set(err,
                         json_error_code(&where) == json_error_out_of_memory ? -ENOMEM : -EINVAL,
                         "the stored request is not JSON: %s", where.text);
    const char *field = NULL;
    int r = spec_parse(text, job->jobs->settings, job->jobs->registry, &job->spec, err, &field);
    json_decref(text);
    return r;
}

struct job *job_new(struct jobs *jobs, struct store_job *row, struct spec *spec, struct error *err)
{
    struct job *job = calloc(1, sizeof *job);
    assert(jobs_are_current(jobs));
    if (!job) {
        spec_free(spec);
        store_job_free(row);
        return NULL;
    }
    job->jobs = jobs;
    job->id = row->id;
    job->row = row;
    job->spec = spec;
    job->queued_at = job->claimed_at = clock_now();
    job->claimed = row->state == JOB_RUNNING;
    list_init(&job->link);
    list_init(&job->hop_link);
    wake_timer_init(&job->clock, WAKE_JOB);
    remote_init(&job->remote);
    list_init(&job->attempt_line.link);
    list_init(&job->verdict_line.link);
    list_init(&job->held_line.link);
    job->attempt_line.taken = job->verdict_line.taken = job->held_line.taken = on_taken;
    job->attempt_line.job = job->verdict_line.job = job->held_line.job = job->id;
    job->held_line.event = EVENT_RECORD;
    job->attempt_line.event = EVENT_ATTEMPT;
    job->verdict_line.event = EVENT_VERDICT;
    job->user = user_get(jobs, row->uid, row->gid);
    if (!job->user || (!spec && read_spec(job, err) == -ENOMEM)) {
        job_free(job);
        return NULL;
    }
    job->active.id = job->id;
    struct tree_node *twin = tree_insert(&jobs->active, &job->active.node);
    assert(!twin);
    (void)twin;
    return job;
}

/* --- where it stands -------------------------------------------------------------------------- */

static const char *const place_names[] = {
    [PLACE_ASIDE] = "aside",     [PLACE_WINDOW] = "window",   [PLACE_CLAIMING] = "claiming",
    [PLACE_RUNNING] = "running", [PLACE_HOPPING] = "hopping", [PLACE_ENDING] = "ending",
};

static bool place_follows(enum job_place from, enum job_place to)
{
#define TO(place) (1u << PLACE_##place)
    static const unsigned allowed[] = {
        [PLACE_ASIDE] = TO(WINDOW) | TO(ENDING),     [PLACE_WINDOW] = TO(CLAIMING) | TO(ENDING),
        [PLACE_CLAIMING] = TO(RUNNING) | TO(ENDING), [PLACE_RUNNING] = TO(HOPPING) | TO(ENDING),
        [PLACE_HOPPING] = TO(RUNNING) | TO(ENDING),  [PLACE_ENDING] = TO(ASIDE),
    };
#undef TO
    return allowed[from] & 1u << to;
}

/* NULL: none, or a list of its host's. */
static struct list *place_list(struct job *job, enum job_place place)
{
    switch (place) {
    case PLACE_CLAIMING:
    case PLACE_RUNNING:
    case PLACE_HOPPING:
        return &job->jobs->running;
    case PLACE_ENDING:
        return &job->jobs->ending;
    default:
        return NULL;
    }
}

/* It holds a permit, and counts for its user. */
static bool place_runs(enum job_place place)
{
    return place == PLACE_CLAIMING || place == PLACE_RUNNING || place == PLACE_HOPPING;
}

void job_set_place(struct job *job, enum job_place place)
{
    struct jobs *jobs = job->jobs;
    bool ran = place_runs(job->place), runs = place_runs(place);
    struct list *from = place_list(job, job->place), *to = place_list(job, place);
    assert(jobs_are_current(jobs));
    assert(place_follows(job->place, place));
    log_debug("job %llu: %s -> %s", (unsigned long long)job->id, place_names[job->place],
              place_names[place]);
    if (job->place == PLACE_ENDING)
        jobs->ending_count--;
    if (place == PLACE_ENDING) {
        jobs->ending_count++;
        wake_stop(&jobs->wake, &job->clock);
    }
    job->place = place;
    if (runs && !ran)
        user_run(job->user);
    else if (ran && !runs)
        user_stop(job->user);
    if (from == to)
        return;
    list_del(&job->link);
    if (to)
        list_add_tail(to, &job->link);
}

void job_free(struct job *job)
{
    if (!job)
        return;
    assert(job->place != PLACE_RUNNING && job->place != PLACE_HOPPING && !job->has_slot);
    assert(list_empty(&job->hop_link) && !job->early);
    if (job->place == PLACE_ENDING)
        job->jobs->ending_count--;
    if (place_runs(job->place))
        user_stop(job->user);
    if (job->active.id)
        tree_remove(&job->jobs->active, &job->active.node);
    list_del(&job->link);
    list_del(&job->hop_link);
    wake_stop(&job->jobs->wake, &job->clock);
    remote_deinit(&job->remote);
    if (job->owned)
        job->jobs->hooks->forget(job);
    attempt_unref(job->attempt);
    spec_free(job->spec);
    store_job_free(job->row);
    buf_deinit(&job->attempt_line.text);
    buf_deinit(&job->verdict_line.text);
    free(job->hop_url);
    free(job->cancel_text);
    free(job->ran_by);
    free(job->kept);
    free(job->put);
    free(job);
}

struct job *job_find(struct jobs *jobs, uint64_t id)
{
    return tree_entry(tree_find_id(&jobs->active, id), struct job, active.node);
}

static bool state_follows(enum job_state from, enum job_state to)
{
    bool refused = from == JOB_DONE && to == JOB_FAILED; /* unfit.c */
    if (from == JOB_RUNNING || refused)
        return true;
    return !job_state_final(from) && (to == JOB_RUNNING || job_state_final(to));
}

void job_set_state(struct job *job, enum job_state state)
{
    assert(jobs_are_current(job->jobs));
    if (job->row->state == state)
        return;
    assert(state_follows(job->row->state, state));
    log_debug("job %llu: %s -> %s", (unsigned long long)job->id, job_state_name(job->row->state),
              job_state_name(state));
    job->row->state = state;
}

uint64_t job_total(const struct job *job)
{
    int64_t us = jobs_now(job->jobs) - job->row->created;
    return (uint64_t)(us > job->row->ran ? us : job->row->ran) * 1000;
}

uint64_t job_queued(const struct job *job)
{
    return job_total(job) - (uint64_t)job->row->ran * 1000;
}
