#include "schedule/start.h"

#include "job/claim.h"
#include "job/drain.h"
#include "job/fleet.h"
#include "job/intake.h"
#include "job/job.h"
#include "job/submission.h"
#include "terms/spec_url.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void on_submitted(struct mail *mail)
{
    struct schedule_start *start = container_of(mail, struct schedule_start, submit.call.mail);
    struct jobs *jobs = start->jobs;
    struct store_job *row = start->item.job;
    struct spec *spec = start->spec;
    bool made = start->submit.call.result == 0;
    if (start->item.claim)
        claim_unfold(jobs, row);
    free(start->name);
    start->id = made ? row->id : 0;
    jobs->submitted += made;
    start->done(start); /* which may free it */
    if (made) {
        intake_row(jobs, row, spec);
    } else {
        store_job_free(row);
        spec_free(spec);
    }
    drain_allow(jobs);
}

/* A URL that cannot be read is nobody else's. */
static bool is_anothers(const struct jobs *jobs, const json_t *job)
{
    const char *url = json_string_value(json_object_get(job, "url"));
    char *host = NULL;
    struct error ignored;
    bool anothers =
        url && jobs->fleet && spec_url_host(url, &host, &ignored) == 0 && !fleet_owns(jobs, host);
    free(host);
    return anothers;
}

int schedule_start(struct schedule_start *start, struct jobs *jobs,
                   const struct store_schedule *row, const json_t *job, struct schedule_how how,
                   struct error *err)
{
    struct store *store = jobs->config.store;
    struct submission submission = {
        .json = job, .peer = {.uid = row->uid, .gid = row->gid}, .schedule = row->name};
    const char *field;
    assert(jobs_are_current(jobs));
    if (how.owned && is_anothers(jobs, job))
        return SCHEDULE_ANOTHERS;
    start->jobs = jobs;
    start->item = (struct store_submit_item){.job = NULL};
    start->name = strdup(row->name);
    int r = start->name
                ? submission_row(jobs, &submission, &start->item.job, &start->spec, err, &field)
                : error_set(err, -ENOMEM, "out of memory");
    if (r < 0) {
        free(start->name);
        bool others = r != -ENOMEM && jobs->fleet && (how.left || is_anothers(jobs, job));
        return others && !how.asked ? SCHEDULE_ANOTHERS : r;
    }
    start->item.claim = claim_fold(jobs, start->item.job);
    start->run = (struct store_schedule_run){.name = start->name,
                                             .version = row->version,
                                             .expected = row->next_at,
                                             .at = jobs_now(jobs),
                                             .next_at = how.next_at,
                                             .asked = how.asked,
                                             .forced = how.forced};
    start->submit = (struct store_submit){.items = &start->item, .count = 1, .run = &start->run};
    submission_limit(jobs, row->uid, row->gid, &start->submit);
    mail_init(&start->submit.call.mail, on_submitted);
    drain_defer(jobs);
    store->engine->submit(store, &start->submit);
    return 0;
}
