/* The lines about a job: what its attempt came to, and its verdict. */
#include "job/verdict.h"

#include "attempt/head_facts.h"
#include "base/clock.h"
#include "base/json_string.h"
#include "base/utf8.h"
#include "job/fleet.h"
#include "record/line.h"
#include "terms/spec_redact.h"

#include <stdlib.h>
#include <string.h>

#define CAUSE_TEXT  sizeof(((struct cause *)NULL)->message)
#define SHOWN_MAX   (4 * CAUSE_TEXT)                  /* spec_redact_text */
#define MESSAGE_MAX (6 * CAUSE_TEXT + 3 * CAUSE_TEXT) /* a byte takes six in JSON, *** three */
#define NUMBERS_MAX 2048 /* more than all members whose size is bounded take with their names */

/* --- memory that is set aside ----------------------------------------------------------------- */

int verdict_init(struct jobs *jobs)
{
    return buf_reserve(&jobs->shown, SHOWN_MAX);
}

/* A string in JSON. */
static size_t room(const char *s)
{
    return s ? 6 * strlen(s) : 0;
}

int verdict_reserve(struct job *job, const char *hop_url)
{
    const struct store_job *row = job->row;
    size_t attempt = NUMBERS_MAX + MESSAGE_MAX + room(row->schedule) + room(row->host);
    if (job->spec)
        attempt += room(job->spec->shown_url);
    attempt += room(fleet_name(job->jobs));
    size_t verdict = attempt + room(row->parser) + (row->labels ? strlen(row->labels) : 0) +
                     room(job->jobs->env.spool_dir); /* with a name of some digits: `kept` */
    if (job->spec && spec_is_head(job->spec))
        verdict += HEAD_FACTS_ROOM;
    verdict += 4 * room(hop_url); /* as it is shown: spec_redact_url puts *** for any value */
    int r = buf_reserve(&job->attempt_line.text, attempt);
    return r < 0 ? r : buf_reserve(&job->verdict_line.text, verdict);
}

/* --- the lines -------------------------------------------------------------------------------- */

/* Origins and parsers quote what they were asked for. */
static void put_message(struct buf *b, const struct job *job, const char *message)
{
    const struct strings *patterns = &job->jobs->settings->redact;
    struct buf *shown = &job->jobs->shown;
    buf_reset(shown);
    spec_redact_text(shown, message, patterns);
    b->failed |= shown->failed;
    if (shown->len > 0 && job->spec)
        spec_strike_secrets(shown->data, job->spec->url, patterns);
    json_put_string(b, shown->data, shown->len);
}

static void put_error(struct buf *b, const struct job *job, const struct cause *cause)
{
    if (!cause || cause->kind == KIND_NONE)
        return;
    buf_puts(b, ",\"error\":{\"kind\":\"");
    buf_puts(b, kind_name(cause->kind));
    buf_puts(b, "\",\"message\":");
    put_message(b, job, cause->message);
    buf_putc(b, '}');
}

/* Those that stand in the log, or will. */
static uint64_t records(const struct job *job, const struct attempt_report *report)
{
    return report->held && !job->held_line.spool ? 0 : report->records;
}

/* The job's times until now, and those of its attempt, if it is one that has ended; with `report`
 * also what that attempt spent them on. */
static void put_seconds(struct buf *b, const struct job *job, const struct attempt_report *report)
{
    buf_puts(b, ",\"seconds\":{");
    size_t start = b->len;
    line_seconds(b, "total", job_total(job));
    line_seconds(b, "queued", job_queued(job));
    line_seconds(b, "running", (uint64_t)job->row->ran * 1000);
    if (job->attempt)
        line_seconds(b, "attempt", (uint64_t)job->ran * 1000);
    if (report) {
        line_seconds(b, "connect", report->connect);
        line_seconds(b, "first_byte", report->first_byte);
        line_seconds(b, "wait_origin", report->wait_origin);
        line_seconds(b, "wait_parser", report->wait_parser);
        line_seconds(b, "wait_sink", report->wait_sink);
    }
    if (!b->failed) { /* the first member's comma */
        memmove(b->data + start, b->data + start + 1, b->len - start);
        b->len--;
    }
    buf_putc(b, '}');
}

/* Whose it is, which host it is of, and since when. */
static void put_origin(struct buf *b, const struct job *job)
{
    char created[CLOCK_STAMP_SIZE];
    clock_stamp(job->row->created, created);
    line_str(b, "host", job->row->host);
    line_u64(b, "uid", job->row->uid);
    line_str(b, "created", created);
}

/* In a fleet: who ran it. */
static void put_member(struct buf *b, const struct job *job)
{
    line_str(b, "by", job->ran_by ? job->ran_by : fleet_name(job->jobs));
}

void attempt_line(struct buf *b, const struct job *job, const char *outcome,
                  const struct cause *cause, int64_t retry_in_us)
{
    line_begin(b, clock_real_us(), EVENT_ATTEMPT);
    line_u64(b, "job", job->id);
    line_u64(b, "attempt", job->row->attempt);
    line_str(b, "schedule", job->row->schedule);
    line_str(b, "outcome", outcome);
    put_member(b, job);
    if (job->spec)
        line_str(b, "url", job->spec->shown_url);
    put_origin(b, job);
    put_error(b, job, cause);
    if (retry_in_us >= 0)
        line_seconds(b, "retry_in", (uint64_t)retry_in_us * 1000);
    if (job->attempt) {
        struct attempt_report report;
        attempt_report(job->attempt, clock_now(), &report);
        if (report.status > 0)
            line_u64(b, "status", (uint64_t)report.status);
        line_u64(b, "bytes", report.bytes);
        line_u64(b, "records", records(job, &report));
        line_str(b, "address", report.address);
    }
    put_seconds(b, job, NULL);
    line_end(b);
}

/* `put` is NULL: there was no memory. */
static void put_kept(struct buf *b, const struct results_put *put)
{
    char why[160];
    line_bool(b, "records_kept", put && put->result == 0);
    if (put && put->result == 0)
        return;
    utf8_copy(why, sizeof why, put ? put->error.text : "out of memory");
    line_str(b, "records_lost", why);
}

static void put_attempt(struct buf *b, const struct job *job, uint64_t now)
{
    struct attempt_report report;
    attempt_report(job->attempt, now, &report);
    if (report.status > 0)
        line_u64(b, "status", (uint64_t)report.status);
    line_u64(b, "bytes", report.bytes);
    if (report.decoded)
        line_u64(b, "decoded_bytes", report.decoded_bytes);
    if (report.skipped_codings > 0)
        line_u64(b, "skipped_codings", report.skipped_codings);
    line_u64(b, "records", records(job, &report));
    if (job->final == JOB_DONE && job->spec->effective.keep_records && !job->spec->run)
        put_kept(b, job->put);
    attempt_put_text(b, job->attempt);
    attempt_put_head(b, job->attempt);
    if (report.unchanged)
        line_bool(b, "unchanged", 1);
    else if (job->final == JOB_DONE && !spec_is_head(job->spec))
        line_str(b, "verified_by", verified_name(report.verified));
    if (report.digest_name)
        line_str(b, report.digest_name, report.digest);
    if (report.hops > 1) {
        line_u64(b, "redirects", report.hops - 1);
        line_str(b, "final_url", report.final_url);
    }
    line_u64(b, "resumes", report.resumes);
    put_seconds(b, job, &report);
}

void verdict_line(struct buf *b, const struct job *job, const struct cause *cause)
{
    const struct store_job *row = job->row;
    uint64_t now = clock_now();
    line_begin(b, clock_real_us(), EVENT_VERDICT);
    line_u64(b, "job", job->id);
    line_u64(b, "attempt", row->attempt);
    line_str(b, "schedule", row->schedule);
    line_str(b, "state", job_state_name(job->final));
    put_member(b, job);
    if (job->spec)
        line_str(b, "url", job->spec->shown_url);
    line_str(b, "parser", row->parser);
    put_origin(b, job);
    put_error(b, job, cause);
    if (cause && cause->kind == KIND_NONE && cause->message[0])
        line_str(b, "reason", cause->message);
    line_str(b, "kept", job->kept);
    if (job->attempt) {
        put_attempt(b, job, now);
    } else {
        line_u64(b, "bytes", 0);
        line_u64(b, "records", 0);
        put_seconds(b, job, NULL);
    }
    if (row->retry_of)
        line_u64(b, "retry_of", row->retry_of);
    line_raw(b, "labels", row->labels ? row->labels : "{}", row->labels ? strlen(row->labels) : 2);
    line_end(b);
}
