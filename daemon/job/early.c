#include "job/early.h"

#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* Made when there is something to send: most jobs never have that. */
struct early {
    struct job *job;
    struct store_append append;
    void (*then)(struct job *job); /* waits for the answer; or NULL */
};

/* What it could not take comes again, with the next ones or with the end. */
static void on_appended(struct mail *mail)
{
    struct early *early = container_of(mail, struct early, append.call.mail);
    struct job *job = early->job;
    void (*then)(struct job *) = early->then;
    if (early->append.call.result == -EINVAL)
        attempt_abort(job->attempt, KIND_UNEXPECTED, early->append.call.error.text);
    attempt_batch_over(job->attempt);
    free(early);
    job->early = NULL;
    if (then)
        then(job);
}

void early_send(struct attempt *attempt)
{
    struct job *job = attempt_user(attempt);
    struct store *store = job->jobs->config.store;
    assert(!job->early && job->attempt == attempt);
    job->early = malloc(sizeof *job->early);
    if (!job->early) { /* all come with the end */
        attempt_batch_over(attempt);
        return;
    }
    *job->early = (struct early){
        .job = job,
        .append = {.id = job->id, .attempt = job->row->attempt, .records = attempt_batch(attempt)}};
    mail_init(&job->early->append.call.mail, on_appended);
    store->engine->append(store, &job->early->append);
}

void early_then(struct job *job, void (*then)(struct job *job))
{
    if (job->early)
        job->early->then = then;
    else
        then(job);
}
