#include "job/kept.h"

#include "base/log.h"
#include "job/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- the body that broke a parser ------------------------------------------------------------- */

/* A thread of libuv's pool; the job waits for it. */
static void store_body(uv_work_t *work)
{
    struct job *job = container_of(work, struct job, keep_work);
    int r = attempt_store_body(job->attempt, &job->kept);
    if (r < 0 && r != -ENODATA)
        log_warning("job %llu: its body could not be kept in %s: %s", (unsigned long long)job->id,
                    job->jobs->env.spool_dir, strerror(-r));
}

static void on_body_stored(uv_work_t *work, int status)
{
    (void)status;
    struct job *job = container_of(work, struct job, keep_work);
    job->kept_then(job);
}

static bool keep_body(struct job *job)
{
    return attempt_keeps_body(job->attempt) &&
           uv_queue_work(job->jobs->config.loop, &job->keep_work, store_body, on_body_stored) == 0;
}

/* --- records that are kept -------------------------------------------------------------------- */

static void on_records_put(struct mail *mail)
{
    struct results_put *put = container_of(mail, struct results_put, mail);
    struct job *job = put->user;
    if (put->result < 0)
        log_warning("job %llu: its records are not kept: %s", (unsigned long long)job->id,
                    put->error.text);
    job->kept_then(job);
}

/* Before the verdict, so that whoever knows it finds them. The job waits, with its worker's place
 * and its host's slot: so no more of this is under way than jobs run. */
static bool keep_records(struct job *job)
{
    const struct spool *spool;
    if (attempt_cause(job->attempt) || job->spec->run || !job->spec->effective.keep_records)
        return false;
    int r = attempt_records(job->attempt, &spool);
    job->put = calloc(1, sizeof *job->put);
    if (!job->put) {
        log_warning("job %llu: its records are not kept: out of memory",
                    (unsigned long long)job->id);
        return false;
    }
    *job->put = (struct results_put){
        .job = job->id, .attempt = job->row->attempt, .spool = spool, .user = job};
    if (r < 0) {
        job->put->result =
            error_set(&job->put->error, r, "%s",
                      r == -EOVERFLOW ? "they are over commit_max" : strerrordesc_np(-r));
        log_warning("job %llu: its records are not kept: %s", (unsigned long long)job->id,
                    job->put->error.text);
        return false;
    }
    mail_init(&job->put->mail, on_records_put);
    results_put(job->jobs->results, job->put);
    return true;
}

bool kept_begin(struct job *job, void (*then)(struct job *job))
{
    job->kept_then = then;
    return keep_body(job) || keep_records(job);
}
