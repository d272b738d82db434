#include "job/job.h"

#include "base/clock.h"
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
    json_t *text = json_loads(job->row->spec, JSON_REJECT_DUPLICATES, &where);
    if (!text)
        return error_set(err, -EINVAL, "the stored request is not JSON: %s", where.text);
    const char *field = NULL;
    int r = spec_parse(text, job->jobs->settings, job->jobs->registry, &job->spec, err, &field);
    json_decref(text);
    return r;
}

struct job *job_new(struct jobs *jobs, struct store_job *row, struct spec *spec, struct error *err)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job) {
        spec_free(spec);
        store_job_free(row);
        return NULL;
    }
    job->jobs = jobs;
    job->id = row->id;
    job->row = row;
    job->spec = spec;
    job->queued_at = clock_now();
    list_init(&job->link);
    list_init(&job->hop_link);
    remote_init(&job->remote);
    list_init(&job->attempt_line.link);
    list_init(&job->verdict_line.link);
    list_init(&job->held_line.link);
    job->attempt_line.taken = job->verdict_line.taken = job->held_line.taken = on_taken;
    job->attempt_line.job = job->verdict_line.job = job->held_line.job = job->id;
    job->held_line.event = EVENT_RECORD;
    job->attempt_line.event = EVENT_ATTEMPT;
    job->verdict_line.event = EVENT_VERDICT;
    if (!spec && read_spec(job, err) == -ENOMEM) {
        job_free(job);
        return NULL;
    }
    job->active.id = job->id;
    struct tree_node *twin = tree_insert(&jobs->active, &job->active.node);
    assert(!twin);
    (void)twin;
    return job;
}

void job_free(struct job *job)
{
    if (!job)
        return;
    if (job->active.id)
        tree_remove(&job->jobs->active, &job->active.node);
    list_del(&job->link);
    list_del(&job->hop_link);
    remote_deinit(&job->remote);
    if (job->owned)
        job->jobs->hooks->forget(job);
    attempt_unref(job->attempt);
    spec_free(job->spec);
    store_job_free(job->row);
    buf_deinit(&job->attempt_line.text);
    buf_deinit(&job->verdict_line.text);
    free(job->hop_url);
    free(job->kept);
    free(job->cancel_reason);
    free(job);
}

struct job *job_find(struct jobs *jobs, uint64_t id)
{
    return tree_entry(tree_find_id(&jobs->active, id), struct job, active.node);
}

void job_set_state(struct job *job, enum job_state state)
{
    if (job->row->state == state)
        return;
    log_debug("job %llu: %s -> %s", (unsigned long long)job->id, job_state_name(job->row->state),
              job_state_name(state));
    job->row->state = state;
}
