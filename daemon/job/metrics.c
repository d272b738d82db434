#include "job/metrics.h"

#include "base/clock.h"
#include "job/job.h"
#include "job/verdict.h"

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
    m->verdicts[job->final][job->error]++;
    histogram_add(&m->total, job_total(job));
    histogram_add(&m->queued, job_queued(job));
}
