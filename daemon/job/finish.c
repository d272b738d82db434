/* How a job leaves memory: by its verdict (the gate), or back to the store to wait for another
 * attempt.
 *
 * The order is always: permit and slot are given back; the lines go to the sink; once it has them
 * the row is changed in the store; once that stands, followers and waiters are told and the job is
 * freed. A crash in between leaves a row that runs again, never a row that ended without its
 * line. */
#include "job/finish.h"

#include "base/clock.h"
#include "base/log.h"
#include "job/drain.h"
#include "job/early.h"
#include "job/fleet.h"
#include "job/host.h"
#include "job/kept.h"
#include "job/permit.h"
#include "job/unfit.h"
#include "job/verdict.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_AGAIN   NS_PER_SEC
#define CANCEL_ROUNDS 3
#define TORN_AT_ONCE  3 /* so often a job runs again at once after the daemon died under it */

static void forget(struct job *job)
{
    struct jobs *jobs = job->jobs;
    if (job->torn && jobs->fleet)
        fleet_torn_closed(jobs);
    job_free(job);
    watch_tell_room(jobs);
    wake_admit(&jobs->wake);
    wake_drained(&jobs->wake);
}

/* It stays in memory between two attempts, in no list. The one that was has its line. */
static void stay(struct job *job)
{
    job_set_place(job, PLACE_ASIDE);
    job->ending = ENDING_NONE;
    job->claimed = false;
    attempt_unref(job->attempt);
    job->attempt = NULL;
    buf_deinit(&job->attempt_line.text);
    job->lines_taken = 0;
    job->counted = false;
    job->ran = 0;
    job->abandon_at = job->deadline = 0;
}

static void cancel_after_all(struct job *job)
{
    struct cause cause = {.cancelled = true};
    bool remote = job->spec && job->spec->run;
    const char *reason = job->cancel_reason ? job->cancel_reason
                         : remote           ? remote_stopped(job)
                                            : DRAIN_NOT_KEPT;
    snprintf(cause.message, sizeof cause.message, "%s", reason);
    stay(job);
    job_finish(job, JOB_CANCELLED, &cause);
}

/* Nobody else has its pipe. */
static void wait_here(struct job *job)
{
    struct jobs *jobs = job->jobs;
    stay(job);
    host_set_aside(job);
    watch_tell_room(jobs);
    wake_admit(&jobs->wake);
    wake_drained(&jobs->wake);
}

/* The daemon ends, and its store does not outlive it. */
static bool is_lost(const struct job *job)
{
    bool kept = job->jobs->config.store->engine->keeps && !(job->spec && job->spec->run);
    return job->jobs->draining && !kept;
}

static void try_again(struct job *job)
{
    struct jobs *jobs = job->jobs;
    list_add_tail(&jobs->wordless, &job->hop_link);
    wake_by(&jobs->wake, &jobs->words, clock_now() + WORDS_AGAIN);
}

static void end_give_back(struct job *job)
{
    if (job->given_back)
        fleet_let_go(job->jobs, fleet_held(job->jobs, job->row->host));
    job->given_back = false;
}

static void revoke_lines(struct job *job)
{
    bool said = job->attempt_line.text.len > 0 || job->verdict_line.text.len > 0;
    if (said && !job->torn) /* of a torn one another has said the same */
        fleet_revoke(job->jobs, job->id, job->row->attempt);
}

/* --- cancelled here, and claimed by another member meanwhile ---------------------------------- */

static const char *why_cancelled(const struct job *job)
{
    return job->cancel_reason ? job->cancel_reason : "cancelled on request";
}

static void cancel_again(struct job *job);
static void fail_unfit(struct job *job);
static void on_asked(struct mail *mail);

/* Whoever runs it ends it: it was said that it is cancelled. */
static void ask_runner(struct job *job)
{
    struct fleet *fleet = job->jobs->fleet;
    job->call.cancel = (struct store_cancel){.id = job->id, .why = why_cancelled(job)};
    mail_init(&job->call.cancel.call.mail, on_asked);
    fleet->shared->cancel(fleet->store, &job->call.cancel);
}

static void on_looked(struct mail *mail)
{
    struct job *job = container_of(mail, struct job, call.get.call.mail);
    struct store_job *row = job->call.get.job;
    bool open = row && !job_state_final(row->state);
    if (open && ++job->cancel_rounds > CANCEL_ROUNDS) {
        log_error("job %llu: it could not be cancelled: others take it again and again, or this "
                  "daemon is no member",
                  (unsigned long long)job->id);
        forget(job);
    } else if (open && row->state == JOB_RUNNING) {
        ask_runner(job);
    } else if (open) {
        job->row->attempt = row->attempt;
        cancel_again(job);
    } else {
        forget(job); /* it has ended, one way or the other */
    }
    store_job_free(row);
}

static void on_asked(struct mail *mail)
{
    struct job *job = container_of(mail, struct job, call.cancel.call.mail);
    struct store *store = job->jobs->config.store;
    if (job->call.cancel.call.result != -EAGAIN) {
        forget(job);
        return;
    }
    job->call.get = (struct store_get){.id = job->id};
    mail_init(&job->call.get.call.mail, on_looked);
    store->engine->get(store, &job->call.get);
}

/* Another member has closed the attempt, or has claimed the job that was to be cancelled here. */
static void on_stale(struct job *job)
{
    revoke_lines(job);
    if (!job->claimed && job->ending == ENDING_FINAL && job->final == JOB_CANCELLED)
        ask_runner(job);
    else
        forget(job);
}

static void on_committed(struct mail *mail)
{
    struct job *job = container_of(mail, struct job, call.finish.call.mail);
    struct jobs *jobs = job->jobs;
    struct store_call *call = &job->call.finish.call;

    end_give_back(job);
    if (jobs->fleet && call->result == -ESTALE) {
        on_stale(job);
        return;
    }
    if (unfit_is(job)) {
        fail_unfit(job);
        return;
    }
    /* A store that keeps tries for itself until it has stored the end, or is given up. */
    if (call->result == -ENOMEM && job->ending == ENDING_FINAL &&
        !jobs->config.store->engine->keeps) {
        job->unstored = true;
        try_again(job);
        return;
    }
    bool stored = call->result == 0;
    if (!stored) /* the store was given up: the row runs again after the next start */
        log_error("job %llu: its end could not be stored: %s", (unsigned long long)job->id,
                  call->error.text);
    if (stored && job->ending != ENDING_FINAL && (job->cancel_reason || is_lost(job))) {
        cancel_after_all(job);
        return;
    }
    if (stored && job->ending == ENDING_RETRY && job->spec->run) {
        wait_here(job);
        return;
    }
    if (job->ending == ENDING_RETRY)
        host_due(jobs, job->row->host, job->row->due);
    if (job->ending == ENDING_INTERRUPTED && !jobs->draining)
        host_due(jobs, job->row->host, job->row->due ? job->row->due : jobs_now(jobs));
    if (job->ending == ENDING_FINAL && stored)
        watch_tell_ended(job);
    forget(job);
}

/* The line as JSON, without its newline; NULL: there is none. */
static const char *bare(struct buf *line)
{
    if (line->len > 0 && line->data[line->len - 1] == '\n')
        line->data[--line->len] = '\0';
    return line->len > 0 ? line->data : NULL;
}

static const struct store_schedule_end *owned_end(struct job *job)
{
    struct job_hooks *hooks = job->jobs->hooks;
    return hooks ? hooks->ending(hooks, job) : NULL;
}

static void close_torn(struct job *job)
{
    struct fleet *fleet = job->jobs->fleet;
    job->call.close_torn = (struct store_close_torn){.id = job->id,
                                                     .attempt = job->row->attempt,
                                                     .ran = job->row->ran,
                                                     .line = bare(&job->attempt_line.text)};
    mail_init(&job->call.close_torn.call.mail, on_committed);
    fleet->shared->close_torn(fleet->store, &job->call.close_torn);
}

/* Those that count, and no others. */
static const struct spool *stored_records(const struct job *job)
{
    return job->final == JOB_DONE && job->attempt ? attempt_stored(job->attempt) : NULL;
}

static void store_end(struct job *job)
{
    struct store *store = job->jobs->config.store;
    job->call.finish.call = (struct store_call){.result = 0};
    mail_init(&job->call.finish.call.mail, on_committed);
    store->engine->finish(store, &job->call.finish);
}

static void commit(struct job *job)
{
    struct store *store = job->jobs->config.store;
    if (fleet_has_lost(job)) {
        if (job->ending != ENDING_FENCED)
            revoke_lines(job);
        end_give_back(job);
        forget(job);
        return;
    }
    if (job->torn && job->jobs->fleet) {
        close_torn(job);
        return;
    }
    if (job->ending == ENDING_FINAL) {
        job->call.finish = (struct store_finish){.id = job->id,
                                                 .attempt = job->row->attempt,
                                                 .running = job->claimed,
                                                 .state = job->final,
                                                 .error = job->error,
                                                 .verdict = bare(&job->verdict_line.text),
                                                 .finished = jobs_now(job->jobs),
                                                 .records = stored_records(job),
                                                 .end = owned_end(job)};
        store_end(job);
    } else {
        job->call.postpone = (struct store_postpone){
            .id = job->id,
            .attempt = job->row->attempt,
            /* Who finds a command's job there after a restart is to end it at once. */
            .due = job->spec->run ? jobs_now(job->jobs) : job->row->due,
            .ran = job->row->ran,
            .line = bare(&job->attempt_line.text),
            .interrupted = job->ending == ENDING_INTERRUPTED,
            .torn = job->torn};
        mail_init(&job->call.postpone.call.mail, on_committed);
        store->engine->postpone(store, &job->call.postpone);
    }
}

static void on_lines_taken(struct mail *mail)
{
    early_then(container_of(mail, struct job, taken_mail), commit);
}

/* One after the other, and no other line between them. */
static void post_lines(struct job *job)
{
    struct sink_line *lines[3];
    size_t count = 0;
    if (job->held_line.spool)
        lines[count++] = &job->held_line;
    if (job->attempt_line.text.len > 0)
        lines[count++] = &job->attempt_line;
    if (job->verdict_line.text.len > 0)
        lines[count++] = &job->verdict_line;
    job->lines_out = (unsigned)count;
    if (count > 0)
        sink_post_all(job->jobs->config.sink, lines, count);
    else
        mailbox_post(job->jobs->config.mailbox, &job->taken_mail);
}

/* --- the lines' words ------------------------------------------------------------------------- */

/* False: there was no memory for all of them, so there are none. */
static bool build_lines(struct job *job, const char *outcome, const struct cause *cause,
                        int64_t retry_in_us)
{
    struct buf *attempt = &job->attempt_line.text, *verdict = &job->verdict_line.text;
    buf_reset(attempt);
    buf_reset(verdict);
    if (outcome)
        attempt_line(attempt, job, outcome, cause, retry_in_us);
    if (job->ending == ENDING_FINAL)
        verdict_line(verdict, job, cause);
    if (!attempt->failed && !verdict->failed)
        return true;
    buf_reset(attempt);
    buf_reset(verdict);
    return false;
}

/* Those of a job that has run are built in memory that was set aside for them. One that has not,
 * and is cancelled, say, waits for memory: it does not end without them. */
static void say(struct job *job, const char *outcome, const struct cause *cause,
                int64_t retry_in_us)
{
    if (build_lines(job, outcome, cause, retry_in_us)) {
        post_lines(job);
        return;
    }
    log_error("job %llu: no memory for its lines, tried again every second",
              (unsigned long long)job->id);
    job->call.words =
        (struct job_words){.outcome = outcome, .retry_in_us = retry_in_us, .caused = cause};
    if (cause)
        job->call.words.cause = *cause;
    try_again(job);
}

/* It is queued once more: its verdict is of another attempt than the one that was revoked. */
static void cancel_again(struct job *job)
{
    struct cause cause = {.cancelled = true};
    snprintf(cause.message, sizeof cause.message, "%s", why_cancelled(job));
    job->lines_taken = 0;
    mail_init(&job->taken_mail, on_lines_taken);
    say(job, NULL, &cause, -1);
}

/* What the log has as done by now has failed: that is said behind it. */
static void fail_unfit(struct job *job)
{
    struct cause cause;
    unfit_fail(job, &cause);
    job->lines_taken = 0;
    mail_init(&job->taken_mail, on_lines_taken);
    say(job, job->attempt ? job_state_name(job->final) : NULL, &cause, -1);
}

void finish_check_words(struct jobs *jobs)
{
    while (!list_empty(&jobs->wordless)) {
        struct job *job = container_of(jobs->wordless.next, struct job, hop_link);
        const struct job_words *w = &job->call.words;
        if (job->unstored) {
            list_del(&job->hop_link);
            job->unstored = false;
            store_end(job);
            continue;
        }
        if (!build_lines(job, w->outcome, w->caused ? &w->cause : NULL, w->retry_in_us)) {
            wake_at(&jobs->wake, &jobs->words, clock_now() + WORDS_AGAIN);
            return;
        }
        list_del(&job->hop_link);
        post_lines(job);
    }
}

/* --- leaving ---------------------------------------------------------------------------------- */

/* Gives back what the job holds and sends its lines: as struct job_words. */
static void send_off(struct job *job, enum job_ending ending, const char *outcome,
                     const struct cause *cause, int64_t retry_in_us)
{
    struct jobs *jobs = job->jobs;
    struct host *host = job->host;
    bool had_slot = job->has_slot;

    if (job->place == PLACE_WINDOW)
        host_window_remove(job);
    else if (job->place != PLACE_ASIDE)
        permit_give(jobs);
    list_del(&job->hop_link);
    if (!job->attempt)
        host_report(job, NULL);
    job_set_place(job, PLACE_ENDING);
    job->ending = ending;
    job->host = NULL;
    job->has_slot = false;
    if (host && had_slot) {
        host_learn(host, job);
        host_slot_free(host);
    } else if (host) {
        host_put_if_idle(host);
    }
    mail_init(&job->taken_mail, on_lines_taken);
    say(job, outcome, cause, retry_in_us);
    wake_admit(&jobs->wake);
}

static enum outcome outcome_of(enum job_state state)
{
    return state == JOB_DONE     ? OUTCOME_DONE
           : state == JOB_FAILED ? OUTCOME_FAILED
                                 : OUTCOME_CANCELLED;
}

/* True if it is none of ours any more: then it leaves memory, and only its log says so. */
static bool leave_fenced(struct job *job)
{
    if (!fleet_has_lost(job))
        return false;
    job->fenced = true;
    remote_abort(job);
    if (job->attempt)
        metrics_attempt_ended(job, OUTCOME_INTERRUPTED, KIND_NONE);
    job_set_state(job, JOB_QUEUED);
    send_off(job, ENDING_FENCED, job->attempt ? "interrupted" : NULL, NULL, -1);
    return true;
}

void job_finish(struct job *job, enum job_state state, const struct cause *cause)
{
    struct jobs *jobs = job->jobs;
    assert(jobs_are_current(jobs));
    if (job->place == PLACE_ENDING || leave_fenced(job))
        return;
    if (state != JOB_DONE)
        remote_abort(job);
    job->final = state;
    job->error = state == JOB_FAILED && cause ? cause->kind : KIND_NONE;
    if (state == JOB_DONE)
        job->held_line.spool = attempt_spool(job->attempt);
    if (job->held_line.spool)
        jobs->records += job->held_line.spool->lines;
    if (job->attempt)
        metrics_attempt_ended(job, outcome_of(state), job->error);
    metrics_job_ended(job);
    jobs->verdicts[state]++;
    jobs->kinds[job->error]++;
    job_set_state(job, state);
    send_off(job, ENDING_FINAL, job->attempt ? job_state_name(state) : NULL, cause, -1);
}

static void count_attempt(struct job *job)
{
    struct attempt_report report;
    attempt_report(job->attempt, clock_now(), &report);
    job->counted = true;
    job->ran = report.started ? (int64_t)((clock_now() - report.started) / 1000) : 0;
    job->row->ran += job->ran;
    job->jobs->attempts++;
    job->jobs->bytes += report.bytes;
    if (!report.held)
        job->jobs->records += report.records;
}

/* Attempts that count: it is not the job's fault that the daemon ended. */
static uint32_t tries(const struct job *job)
{
    return job->row->attempt - job->row->interrupted;
}

static void retry(struct job *job, const struct cause *cause)
{
    int64_t now = jobs_now(job->jobs);
    struct attempt_report report = {.retry_after = NULL};
    if (leave_fenced(job))
        return;
    if (job->attempt)
        attempt_report(job->attempt, clock_now(), &report);
    int64_t wait = retry_delay(job->jobs->settings, tries(job), report.retry_after, now);
    job->row->due = now + wait;
    job->jobs->retries++;
    metrics_attempt_ended(job, OUTCOME_RETRY, cause->kind);
    job_set_state(job, JOB_WAITING);
    send_off(job, ENDING_RETRY, "retry", cause, wait);
}

static void interrupt(struct job *job, const struct cause *cause, int64_t due)
{
    if (leave_fenced(job))
        return;
    job->row->due = due;
    metrics_attempt_ended(job, OUTCOME_INTERRUPTED, KIND_NONE);
    job_set_state(job, due ? JOB_WAITING : JOB_QUEUED);
    send_off(job, ENDING_INTERRUPTED, "interrupted", cause, -1);
}

void job_release(struct job *job)
{
    if (leave_fenced(job))
        return;
    fleet_hold(job->jobs, job->row->host);
    job->given_back = true;
    job->row->due = 0;
    job_set_state(job, JOB_QUEUED);
    send_off(job, ENDING_INTERRUPTED, NULL, NULL, -1);
}

/* Perhaps it is what kills the daemon. Those that were only there have their own turn soon: the
 * times are at random. */
void job_torn(struct job *job)
{
    uint32_t torn = job->row->torn + 1;
    int64_t now = jobs_now(job->jobs);
    job->torn = true;
    interrupt(job, NULL,
              torn <= TORN_AT_ONCE || job->jobs->fleet
                  ? 0
                  : now + retry_delay(job->jobs->settings, torn - TORN_AT_ONCE, NULL, now));
}

/* May this be tried again, if its cause is worth it? */
static bool may_retry(const struct job *job)
{
    return tries(job) < job->spec->effective.max_attempts && !job->jobs->draining &&
           (!job->spec->run || (remote_waits(job) && fleet_owns(job->jobs, job->row->host)));
}

void job_not_begun(struct job *job, const struct cause *cause)
{
    if (job->attempt) /* else it is done where the slot is given back */
        pace_withdraw(&job->host->pace);
    if (retry_wanted(cause->kind, 0) && may_retry(job))
        retry(job, cause);
    else
        job_finish(job, JOB_FAILED, cause);
}

bool finish_will_retry(const struct job *job)
{
    const struct cause *cause = attempt_cause(job->attempt);
    return cause && !cause->cancelled && !cause->interrupted &&
           attempt_worth_retrying(job->attempt) && may_retry(job);
}

static void finish_cancelled(struct job *job)
{
    struct cause cause = {.cancelled = true};
    snprintf(cause.message, sizeof cause.message, "%s", job->cancel_reason);
    job_finish(job, JOB_CANCELLED, &cause);
}

static void conclude(struct job *job)
{
    const struct cause *cause = attempt_cause(job->attempt);
    struct jobs *jobs = job->jobs;

    if (!cause)
        job_finish(job, JOB_DONE, NULL);
    else if (cause->cancelled)
        job_finish(job, JOB_CANCELLED, cause);
    else if (cause->interrupted && jobs->config.store->engine->keeps && !job->spec->run)
        interrupt(job, cause, 0);
    else if (cause->interrupted)
        job_finish(job, JOB_CANCELLED, cause);
    else if (job->cancel_reason)
        finish_cancelled(job);
    else if (attempt_worth_retrying(job->attempt) && may_retry(job))
        retry(job, cause);
    else
        job_finish(job, JOB_FAILED, cause);
}

void job_attempt_ended(struct job *job)
{
    const struct cause *cause = attempt_conclude(job->attempt);
    count_attempt(job);
    host_report(job, cause);
    if (!kept_begin(job, conclude))
        conclude(job);
}
