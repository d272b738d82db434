#include "api/job_view.h"

#include "base/clock.h"
#include "base/json_read.h"
#include "job/admission.h"
#include "job/host.h"
#include "job/job.h"
#include "terms/spec_redact.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void view_set_time(json_t *view, const char *name, int64_t us)
{
    char stamp[CLOCK_STAMP_SIZE];
    if (us == 0)
        return;
    clock_stamp(us, stamp);
    json_object_set_new(view, name, json_string(stamp));
}

static void set_text(json_t *view, const char *name, const char *text)
{
    json_t *value =
        text ? json_read_text(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL) : NULL;
    json_object_set_new(view, name, value ? value : json_null());
}

const char *view_waiting_for(const struct jobs *jobs, const struct store_job *row,
                             const struct job *job)
{
    if (row->state == JOB_WAITING)
        return "retry";
    if (row->state == JOB_QUEUED && row->due > clock_real_us())
        return "not_before";
    if (row->state == JOB_QUEUED)
        return admission_obstacle(jobs, row->host, row->parser);
    if (!job || !job->attempt || row->state != JOB_RUNNING)
        return NULL;
    if (job->place == PLACE_HOPPING)
        return "host";
    static const char *const words[] = {[WAITS_ORIGIN] = "origin",
                                        [WAITS_HOST] = "host",
                                        [WAITS_PARSER] = "parser",
                                        [WAITS_SINK] = "sink"};
    struct attempt_report report;
    attempt_report(job->attempt, clock_now(), &report);
    return words[report.waits];
}

json_t *view_running(const struct job *job)
{
    struct attempt_report r;
    uint64_t now = clock_now();
    attempt_report(job->attempt, now, &r);
    return json_pack("{s:I, s:I, s:o, s:f}", "bytes", (json_int_t)r.bytes, "records",
                     (json_int_t)r.records, "length",
                     r.length >= 0 ? json_integer(r.length) : json_null(), "seconds",
                     (double)(now - job->started_at) / 1e9);
}

static char *shown_url(const struct jobs *jobs, const struct store_job *row)
{
    json_t *spec = json_read_text(row->spec, 0, NULL);
    const char *url = json_string_value(json_object_get(spec, "url"));
    char *shown = url ? spec_redact_url(url, &jobs->settings->redact) : NULL;
    if (url && !shown)
        json_note_lost();
    json_decref(spec);
    return shown;
}

/* When its host, which is broken, is tried again. */
static void set_host_retry(json_t *view, const struct host *host)
{
    uint64_t now = clock_now();
    if (host && host->pace.breaker == BREAKER_OPEN && host->pace.retry_at > now)
        json_object_set_new(view, "host_retry_in",
                            json_real((double)(host->pace.retry_at - now) / NS_PER_SEC));
}

json_t *view_job(struct jobs *jobs, const struct store_job *stored)
{
    const struct job *job = job_find(jobs, stored->id);
    struct store_job seen = *stored, *row = &seen;
    if (job && job_waits(job) && seen.state == JOB_RUNNING)
        seen.state = JOB_QUEUED; /* claimed ahead: no attempt is under way */
    if (job && job->spec && job->spec->run)
        seen.due = job->row->due; /* the store does not know */
    char *url = shown_url(jobs, row);
    json_t *view = json_pack("{s:I, s:s, s:I, s:s*, s:s, s:s, s:i, s:I}", "id", (json_int_t)row->id,
                             "state", job_state_name(row->state), "attempt",
                             (json_int_t)row->attempt, "url", url, "parser", row->parser, "host",
                             row->host, "priority", row->priority, "uid", (json_int_t)row->uid);
    free(url);
    if (!view)
        return NULL;
    view_set_time(view, "created", row->created);
    view_set_time(view, "due", row->due);
    view_set_time(view, "finished", row->finished);
    set_text(view, "labels", row->labels);
    if (row->key)
        json_object_set_new(view, "key", json_string(row->key));
    if (row->schedule)
        json_object_set_new(view, "schedule", json_string(row->schedule));
    if (row->retry_of)
        json_object_set_new(view, "retry_of", json_integer((json_int_t)row->retry_of));
    const char *what = view_waiting_for(jobs, row, job);
    if (what)
        json_object_set_new(view, "waiting_for", json_string(what));
    if (what && strcmp(what, "host") == 0)
        set_host_retry(view, host_find(jobs, row->host));
    if (job && job->attempt && row->state == JOB_RUNNING)
        json_object_set_new(view, "running", view_running(job));
    set_text(view, "verdict", row->verdict);
    return view;
}

/* Lines that are all JSON objects, joined by commas. */
static json_t *view_history(const char *lines)
{
    char *text = NULL;
    if (asprintf(&text, "[%s]", lines) < 0) {
        json_note_lost();
        return NULL;
    }
    json_t *list = json_read_text(text, 0, NULL);
    free(text);
    return list;
}

json_t *view_life(struct jobs *jobs, const struct store_job *row)
{
    json_t *view = view_job(jobs, row);
    json_t *attempts = view && row->history ? view_history(row->history) : NULL;
    if (attempts)
        json_object_set_new(view, "attempts", attempts);
    return view;
}
