/* A running job: attempt, hops, clocks, cancel. */
#include "job/run.h"

#include "attempt/redirect.h"
#include "base/clock.h"
#include "base/log.h"
#include "job/early.h"
#include "job/finish.h"
#include "job/host.h"
#include "job/job.h"
#include "job/park.h"
#include "job/press.h"
#include "job/verdict.h"
#include "terms/spec_redact.h"
#include "terms/spec_url.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TORN_MAX 20 /* so often may the daemon die under a job */

static void on_redirected(struct attempt *a, const char *url);

/* An abort was sent: from now on the parser has so long to return. */
static void expect_return(struct job *job)
{
    if (job->abandon_at)
        return;
    job->abandon_at = clock_now() + job->jobs->settings->abort_grace;
    wake_by(&job->jobs->wake, &job->clock, job->abandon_at);
}

static void on_begun(struct attempt *a)
{
    remote_begin(attempt_user(a));
}

static void on_delivered(struct attempt *a)
{
    remote_complete(attempt_user(a));
}

static void on_aborted(struct attempt *a)
{
    struct job *job = attempt_user(a);
    if (job->remote.begun) /* else it may be tried again */
        remote_abort(job);
    expect_return(job);
}

static void on_ended(struct attempt *a)
{
    job_attempt_ended(attempt_user(a));
}

static const struct attempt_ops attempt_ops = {.redirected = on_redirected,
                                               .begun = on_begun,
                                               .delivered = on_delivered,
                                               .batch = early_send,
                                               .aborted = on_aborted,
                                               .ended = on_ended};

/* Before an attempt runs there is nobody to abort. */
static void fail_now(struct job *job, enum error_kind kind, const char *message)
{
    struct cause cause = {.kind = kind};
    snprintf(cause.message, sizeof cause.message, "%s", message);
    job_not_begun(job, &cause);
}

/* Each by itself, from the most specific section that gives it. */
static struct hop_traits traits_of(const struct settings *settings, const char *host)
{
    const struct settings_host *section;
    struct hop_traits t = {0};
    for (size_t i = 0; (section = settings_host_match(settings, host, i)); i++) {
        if (!t.client_cert) { /* with its key, which may be none */
            t.client_cert = section->client_cert;
            t.client_key = section->client_key;
        }
        if (t.bytes_per_second == 0)
            t.bytes_per_second = section->bytes_per_second;
        if (t.http == HTTP_UNSET)
            t.http = section->http ? section->http : section->http2;
    }
    t.redact = &settings->redact;
    if (settings->proxy_credential)
        t.proxy_credential = settings_credential_find(settings, settings->proxy_credential);
    return t;
}

static int take_hop(struct job *job, const char *url, const char *host)
{
    struct hop_traits traits = traits_of(job->jobs->settings, host);
    if (verdict_reserve(job, url == job->spec->url ? NULL : url) < 0)
        return -ENOMEM;
    return attempt_hop(job->attempt, url, host, &traits);
}

/* 0; -EACCES with a message in *err; -ENOMEM. *ret is NULL if there is none to be sent. */
static int find_credential(struct job *job, struct credential **ret, struct error *err)
{
    const struct settings_credential *chosen;
    *ret = NULL;
    int r = credential_choose(job->jobs->settings, job->spec, &chosen, err);
    return r == 0 && chosen ? credential_new(chosen, job->spec->host, ret) : r;
}

/* A command may be read by somebody (less), who takes his time: only what was asked for holds, or
 * what is the ceiling. */
static uint64_t parse_limit(const struct job *job)
{
    uint64_t bit = UINT64_C(1) << PARAM_PARSE_TIMEOUT;
    bool asked = (job->spec->own.set | job->jobs->settings->ceilings.set) & bit;
    return job->spec->run && !asked ? 0 : job->spec->effective.parse_timeout;
}

static int prepare_owned(struct job *job)
{
    struct job_hooks *hooks = job->jobs->hooks;
    return hooks ? hooks->prepare(hooks, job) : 0;
}

void job_launch(struct job *job)
{
    struct jobs *jobs = job->jobs;
    const struct job_params *p = &job->spec->effective;
    struct credential *credential;
    struct error err;
    if (job->row->torn >= TORN_MAX) {
        snprintf(err.text, sizeof err.text,
                 "the daemon died %u times while this job ran, and it may be the reason",
                 job->row->torn);
        fail_now(job, KIND_INTERNAL, err.text);
        return;
    }
    int r = find_credential(job, &credential, &err);
    if (r == -EACCES && jobs->fleet && !job->spec->run) {
        if (!job->host->ours)
            park_not(job->host, job->id, err.text); /* its owner sees to it */
        job_release(job);
        return;
    }
    if (r == -EACCES) { /* the config has changed since it was submitted */
        fail_now(job, KIND_POLICY, err.text);
        return;
    }
    if (r == 0)
        r = attempt_new(&jobs->env, &attempt_ops, job, job->spec, job->spec->registry, jobs->policy,
                        credential, job->id, job->row->attempt, &job->attempt);
    if (r == 0) {
        int fd = -1;
        r = remote_lend(job, &fd);
        attempt_lend(job->attempt, fd);
        attempt_press(job->attempt, press_credit(jobs, job->id));
    }
    if (r == 0 && jobs->config.store->engine->records && settings_stored_sink(jobs->settings))
        attempt_store_records(job->attempt, jobs->config.store->engine->append != NULL);
    if (r == 0)
        r = prepare_owned(job);
    if (r == 0)
        r = take_hop(job, job->spec->url, job->spec->host);
    if (r < 0) {
        fail_now(job, KIND_RESOURCES, "no memory for the attempt");
        return;
    }
    job_set_place(job, PLACE_RUNNING);
    struct attempt_report report;
    attempt_report(job->attempt, clock_now(), &report);
    job->started_at = job->started_at ? job->started_at : clock_now();
    if (p->timeout > 0) {
        job->deadline = report.started + p->timeout;
        wake_by(&jobs->wake, &job->clock, job->deadline);
    }
    if (parse_limit(job) > 0)
        wake_by(&jobs->wake, &job->clock, report.started + parse_limit(job));
}

/* --- redirects -------------------------------------------------------------------------------- */

static void hop(struct job *job, const char *url, const char *host)
{
    if (take_hop(job, url, host) < 0)
        attempt_abort(job->attempt, KIND_RESOURCES, "no memory for a redirect");
}

static void fail_redirect(struct attempt *a, enum error_kind kind, const char *url, const char *why)
{
    struct job *job = attempt_user(a);
    struct error err;
    char *shown = spec_redact_url(url, &job->jobs->settings->redact);
    error_set(&err, 0, "the redirect to %.200s: %s", shown ? shown : "?", why);
    free(shown);
    attempt_abort(a, kind, err.text);
}

/* 0 and the host; -ENOMEM; else the attempt is aborted. */
static int judge_redirect(struct attempt *a, const char *url, char **ret_host)
{
    struct job *job = attempt_user(a);
    const struct job_params *p = &job->spec->effective;
    struct error err;
    char text[128];
    struct attempt_report report;
    attempt_report(a, clock_now(), &report);
    if (report.hops > p->max_redirects) {
        snprintf(text, sizeof text, "max_redirects: more than %llu redirects",
                 (unsigned long long)p->max_redirects);
        attempt_abort(a, KIND_REDIRECTS, text);
        return -EINVAL;
    }
    int r = spec_url_host(url, ret_host, &err);
    if (r == -EINVAL) {
        fail_redirect(a, redirect_is_forbidden(url) ? KIND_POLICY : KIND_REDIRECTS, url, err.text);
        return r;
    }
    if (r == 0 && redirect_downgrades(report.url, url) && !p->allow_downgrade) {
        free(*ret_host);
        fail_redirect(
            a, KIND_POLICY, url,
            "it leads from https to http, which is refused unless the job, its [host] or [policy] "
            "says allow_downgrade = yes");
        return -EACCES;
    }
    return r;
}

/* As at the launch: what is sent to the job's own URL is. 0; or the attempt is aborted. */
static int begin_again(struct attempt *a, char **ret_host)
{
    struct job *job = attempt_user(a);
    struct credential *credential;
    struct error err;
    int r = find_credential(job, &credential, &err);
    if (r == -EACCES)
        attempt_abort(a, KIND_POLICY, err.text);
    if (r < 0)
        return r;
    attempt_begin_again(a, credential);
    *ret_host = strdup(job->spec->host);
    return *ret_host ? 0 : -ENOMEM;
}

static void on_redirected(struct attempt *a, const char *url)
{
    struct job *job = attempt_user(a);
    char *host;
    int r = attempt_asks_again(a) ? begin_again(a, &host) : judge_redirect(a, url, &host);
    if (r == -ENOMEM)
        attempt_abort(a, KIND_RESOURCES, "no memory for a redirect");
    if (r < 0)
        return;
    struct attempt_report report;
    attempt_report(a, clock_now(), &report);
    if (strcmp(host, report.host) == 0) {
        hop(job, url, host);
    } else {
        free(job->hop_url);
        job->hop_url = strdup(url);
        r = job->hop_url ? host_hop(job, host) : -ENOMEM;
        if (r < 0)
            attempt_abort(a, KIND_RESOURCES, "no memory for a redirect");
        else if (r > 0)
            job_continue(job);
    }
    free(host);
}

void job_continue(struct job *job)
{
    char *url = job->hop_url;
    job->hop_url = NULL;
    hop(job, url, job->host->name);
    free(url);
}

/* --- cancel and stop -------------------------------------------------------------------------- */

static bool set_cancel_reason(struct job *job, const char *reason)
{
    if (!job->cancel_reason)
        job->cancel_reason = reason;
    return true;
}

bool job_cancel(struct job *job, const char *reason)
{
    struct cause cause = {.cancelled = true};
    assert(jobs_are_current(job->jobs));
    snprintf(cause.message, sizeof cause.message, "%s", reason);
    switch (job->place) {
    case PLACE_ASIDE:
    case PLACE_WINDOW:
        if (job->claiming) /* the store has the call that a finish would use */
            return set_cancel_reason(job, reason);
        job_finish(job, JOB_CANCELLED, &cause);
        return true;
    case PLACE_CLAIMING:
        return set_cancel_reason(job, reason);
    case PLACE_RUNNING:
    case PLACE_HOPPING:
        expect_return(job);
        remote_abort(job);
        if (attempt_cancel(job->attempt, false, reason))
            return true;
        /* Its attempt fails already: it is cancelled in place of being tried again, if it would
         * be. */
        return finish_will_retry(job) && set_cancel_reason(job, reason);
    case PLACE_ENDING: /* on its way back to the queue: it is cancelled once it is there */
        return job->ending != ENDING_FINAL && set_cancel_reason(job, reason);
    }
    return false;
}

int job_cancel_row(struct jobs *jobs, struct store_job *row, const char *reason)
{
    struct cause cause = {.cancelled = true};
    struct job *job = job_find(jobs, row->id);
    bool ended = !job && job_state_final(row->state);
    assert(jobs_are_current(jobs));
    if (job || ended) {
        store_job_free(row);
        return job && job_cancel(job, reason) ? 0 : -EALREADY;
    }
    snprintf(cause.message, sizeof cause.message, "%s", reason);
    job = job_new(jobs, row, NULL, NULL);
    if (!job)
        return -ENOMEM;
    job->cancel_reason = reason;
    job_finish(job, JOB_CANCELLED, &cause);
    return 0;
}

static void interrupt(struct job *job, const char *why)
{
    if (job->place != PLACE_RUNNING && job->place != PLACE_HOPPING)
        return;
    expect_return(job);
    remote_abort(job);
    attempt_cancel(job->attempt, true, why);
}

void job_interrupt(struct job *job)
{
    if (job->place == PLACE_CLAIMING && !job->jobs->config.store->engine->keeps)
        set_cancel_reason(job, "the daemon stops");
    interrupt(job, "the daemon stops");
}

void job_fence(struct job *job)
{
    job->fenced = job->claimed || job->claiming;
    if (job->fenced && job_waits(job) && !job->claiming)
        job_release(job); /* which forgets it */
    else if (job->fenced)
        interrupt(job, "this daemon is taken for dead, and others take its jobs over");
}

void job_cancel_told(struct job *job, const char *why)
{
    if (!job->cancel_text)
        job->cancel_text = strdup(why ? why : "cancelled on request");
    job_cancel(job, job->cancel_text ? job->cancel_text : "cancelled on request");
}

/* --- clocks ----------------------------------------------------------------------------------- */

/* The least of what is still to come; 0 is none. */
static void sooner(uint64_t *next, uint64_t at)
{
    if (at > 0 && (*next == 0 || at < *next))
        *next = at;
}

static void give_up(struct job *job)
{
    if (attempt_abandon(job->attempt))
        log_warning("job %llu: its parser did not return after its body was aborted; its worker is "
                    "given up",
                    (unsigned long long)job->id);
    job->abandon_at = 0;
}

static void check_parser(struct job *job, uint64_t now, uint64_t *next)
{
    uint64_t limit = parse_limit(job);
    if (limit == 0)
        return;
    struct attempt_report report;
    attempt_report(job->attempt, now, &report);
    if (report.parser_busy < limit) {
        /* Its clock cannot run faster than ours. */
        sooner(next, now + limit - report.parser_busy);
        return;
    }
    if (attempt_abort(job->attempt, KIND_PARSER_TIMEOUT,
                      "parse_timeout: the parser has used up its own time"))
        expect_return(job);
}

void job_check_clock(struct job *job)
{
    uint64_t now = clock_now(), next = 0;
    job->jobs->steps++;
    if (job->place != PLACE_RUNNING && job->place != PLACE_HOPPING)
        return;
    if (job->abandon_at) {
        if (now >= job->abandon_at)
            give_up(job);
    } else if (job->deadline && now >= job->deadline) {
        if (attempt_abort(job->attempt, KIND_JOB_TIMEOUT,
                          "timeout: the job has used up its time")) {
            remote_abort(job);
            expect_return(job);
        }
        job->deadline = 0;
    } else {
        sooner(&next, job->deadline);
        check_parser(job, now, &next);
    }
    sooner(&next, job->abandon_at);
    if (next)
        wake_by(&job->jobs->wake, &job->clock, next);
}
