#include "job/metrics.h"

#include "base/clock.h"
#include "base/self.h"
#include "fetch/fetch.h"
#include "flow/body_pipe.h"
#include "job/calls.h"
#include "job/job.h"
#include "job/metrics_text.h"
#include "job/verdict.h"

#include <stdlib.h>
#include <string.h>

/* --- counting --------------------------------------------------------------------------------- */

void metrics_attempt_ended(struct job *job, enum outcome outcome, enum error_kind kind)
{
    struct metrics *m = &job->jobs->metrics;
    struct attempt_report s;
    m->outcomes[outcome][kind]++;
    if (!job->attempt)
        return;
    uint64_t now = clock_now();
    attempt_report(job->attempt, now, &s);
    histogram_add(&m->attempt, now - s.started);
    if (s.connect > 0) /* else an idle connection was used, or none came about */
        histogram_add(&m->connect, s.connect);
    if (s.first_byte > 0)
        histogram_add(&m->first_byte, s.first_byte);
    m->wait_origin += s.wait_origin;
    m->wait_parser += s.wait_parser;
    m->wait_sink += s.wait_sink;
    m->resumes += s.resumes;
    m->redirects += s.hops > 1 ? s.hops - 1 : 0;
}

void metrics_job_ended(struct job *job)
{
    struct metrics *m = &job->jobs->metrics;
    uint64_t now = clock_now();
    m->verdicts[job->final][job->error]++;
    histogram_add(&m->total, now - job->queued_at);
    if (job->started_at)
        histogram_add(&m->queued, job->started_at - job->queued_at);
}

/* --- the call --------------------------------------------------------------------------------- */

struct metrics_call {
    uv_work_t work;
    struct jobs_call *call;
    enum metric_format format;
    struct self self;
};

static void look(uv_work_t *work)
{
    self_look(&container_of(work, struct metrics_call, work)->self);
}

static void on_looked(uv_work_t *work, int status)
{
    struct metrics_call *m = container_of(work, struct metrics_call, work);
    struct buf text = BUF_INIT;
    (void)status;
    metrics_text(m->call->jobs, m->format, &m->self, &text);
    call_reply(m->call, text.failed ? NULL : json_stringn(text.data, text.len));
    buf_deinit(&text);
    free(m);
}

void call_metrics(struct jobs_call *call)
{
    const json_t *format = json_object_get(call->params, "format");
    const char *name = json_string_value(format);
    size_t known = format ? 1 : 0;
    bool old = name && strcmp(name, "prometheus") == 0;
    if (json_object_size(call->params) > known ||
        (format && !old && (!name || strcmp(name, "openmetrics") != 0))) {
        call_fail(call, JOBS_INVALID_PARAMS, "format",
                  "format: openmetrics or prometheus is wanted, and nothing else");
        return;
    }
    struct metrics_call *m = calloc(1, sizeof *m);
    if (!m) {
        call_reply(call, NULL);
        return;
    }
    m->call = call;
    m->format = old ? METRIC_PROMETHEUS : METRIC_OPENMETRICS;
    if (uv_queue_work(call->jobs->config.loop, &m->work, look, on_looked) < 0) {
        free(m);
        call_reply(call, NULL);
    }
}
