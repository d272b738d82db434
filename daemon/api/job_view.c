#include "api/job_view.h"

#include "base/clock.h"
#include "base/json_read.h"
#include "job/admission.h"
#include "job/hold.h"
#include "job/host.h"
#include "job/job.h"
#include "job/needs.h"
#include "parse/json_check.h"
#include "parse/json_scan.h"
#include "record/line.h"
#include "terms/spec_redact.h"

#include <assert.h>
#include <errno.h>
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

const char *view_waiting_for(const struct jobs *jobs, const struct store_job *row,
                             const struct job *job)
{
    if (row->needs && !job_state_final(row->state) && row->state != JOB_RUNNING)
        return "able_member";
    if (row->state == JOB_WAITING)
        return "retry";
    if (row->state == JOB_QUEUED && row->due > jobs_now(jobs))
        return "not_before";
    if (row->state == JOB_QUEUED)
        return admission_obstacle(jobs, row->host, row->parser, row->uid);
    if (!job || !job->attempt || row->state != JOB_RUNNING)
        return NULL;
    if (job->place == PLACE_HOPPING)
        return "host";
    static const char *const words[] = {[WAITS_ORIGIN] = "origin",
                                        [WAITS_HOST] = "host",
                                        [WAITS_PARSER] = "parser",
                                        [WAITS_SINK] = "sink",
                                        [WAITS_READER] = "reader"};
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

/* --- members of the text ---------------------------------------------------------------------- */

static void put_time(struct buf *b, const char *name, int64_t us)
{
    char stamp[CLOCK_STAMP_SIZE];
    if (us == 0)
        return;
    clock_stamp(us, stamp);
    line_str(b, name, stamp);
}

static void put_signed(struct buf *b, const char *name, int64_t value)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%lld", (long long)value);
    line_raw(b, name, digits, (size_t)len);
}

/* What was appended behind `start` is to be one JSON value; what is none becomes null. A file that
 * is damaged, or that somebody has edited, may hold anything. */
static void check_value(struct buf *b, size_t start)
{
    struct json *json = b->failed ? NULL : json_new(JSON_SCAN_DEPTH);
    const char *value;
    size_t len;
    struct error why;
    int r = json ? json_check(json, b->data + start, b->len - start, &value, &len, NULL, &why)
                 : -ENOMEM;
    if (r == -ENOMEM) {
        b->failed = true;
    } else if (r < 0 || value != b->data + start || len != b->len - start) {
        b->len = start;
        if (r < 0)
            buf_puts(b, "null");
        else
            buf_put(b, value, len);
    }
    json_free(json);
}

/* JSON that the store keeps. */
static void put_stored(struct buf *b, const char *name, const char *text, bool trusted)
{
    line_raw(b, name, "", 0);
    size_t start = b->len;
    buf_puts(b, text ? text : "null");
    if (text && !trusted)
        check_value(b, start);
}

static void put_running(struct buf *b, const struct job *job)
{
    json_t *running = view_running(job);
    char *text = running ? json_dumps(running, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    if (text)
        line_raw(b, "running", text, strlen(text));
    b->failed |= !text;
    free(text);
    json_decref(running);
}

/* What keeps the jobs of its user from starting. */
static void put_user_limit(struct buf *b, const struct user *user)
{
    if (!user)
        return;
    line_u64(b, "user_running", user->running);
    line_u64(b, "max_running", user->max);
    line_str(b, "max_running_of", user->section);
}

/* When its host, which is broken, is tried again. */
static void put_host_retry(struct buf *b, const struct host *host)
{
    uint64_t now = clock_now();
    if (host && host->pace.breaker == BREAKER_OPEN && host->pace.retry_at > now)
        line_seconds(b, "host_retry_in", host->pace.retry_at - now);
}

static void put_shown(struct buf *b, const struct jobs *jobs, const char *url)
{
    char *shown = spec_redact_url(url, &jobs->settings->redact);
    line_str(b, "url", shown);
    b->failed |= !shown;
    free(shown);
}

/* As it was asked for. `spec`: of the same row, or NULL. */
static void put_url(struct buf *b, const struct jobs *jobs, const struct store_job *row,
                    const struct spec *spec)
{
    if (spec) {
        put_shown(b, jobs, spec_given_url(spec));
        return;
    }
    unsigned lost = json_lost();
    json_t *request = json_read_text(row->spec, 0, NULL);
    const char *url = json_string_value(json_object_get(request, "url"));
    if (url)
        put_shown(b, jobs, url);
    b->failed |= json_lost() != lost;
    json_decref(request);
}

void view_hold(struct buf *b, const struct hold *hold)
{
    buf_printf(b, "{\"uid\":%lu", (unsigned long)hold->uid);
    put_time(b, "at", hold->at);
    line_str(b, "by", hold->member);
    line_str(b, "host", hold->host);
    line_str(b, "parser", hold->parser);
    if (!hold->host && !hold->parser)
        line_bool(b, "all", 1);
    buf_putc(b, '}');
}

/* Who has paused what it waits for. */
static void put_pause(struct buf *b, const struct hold *hold)
{
    if (!hold || !hold->at)
        return;
    line_raw(b, "pause", "", 0);
    view_hold(b, hold);
}

/* --- jobs ------------------------------------------------------------------------------------- */

/* All but the object's end. `job`: the row's, if it is in memory. `trusted`: its texts are those
 * that this process has made. */
static void put_needs(struct buf *b, const char *needs)
{
    struct buf text = BUF_INIT;
    needs_put(&text, needs);
    b->failed |= text.failed;
    line_str(b, "needs", text.data);
    buf_deinit(&text);
}

static void put_job(struct buf *b, const struct jobs *jobs, const struct store_job *row,
                    const struct job *job, bool trusted)
{
    buf_puts(b, "{\"id\":");
    buf_printf(b, "%llu", (unsigned long long)row->id);
    line_str(b, "state", job_state_name(row->state));
    line_u64(b, "attempt", row->attempt);
    put_url(b, jobs, row, job ? job->spec : NULL);
    line_str(b, "parser", row->parser);
    line_str(b, "host", row->host);
    put_signed(b, "priority", row->priority);
    line_u64(b, "uid", row->uid);
    put_time(b, "created", row->created);
    put_time(b, "due", row->due);
    put_time(b, "finished", row->finished);
    put_stored(b, "labels", row->labels, trusted);
    line_str(b, "key", row->key);
    line_str(b, "schedule", row->schedule);
    if (row->retry_of)
        line_u64(b, "retry_of", row->retry_of);
    const char *what = view_waiting_for(jobs, row, job);
    line_str(b, "waiting_for", what);
    if (what && row->needs)
        put_needs(b, row->needs);
    if (what && strcmp(what, "host") == 0)
        put_host_retry(b, host_find(jobs, row->host));
    if (what && strcmp(what, "user") == 0)
        put_user_limit(b, user_find(jobs, row->uid));
    if (what && strcmp(what, "paused") == 0)
        put_pause(b, hold_on_job(jobs, row->host, row->parser));
    if (job && job->attempt && row->state == JOB_RUNNING)
        put_running(b, job);
    put_stored(b, "verdict", row->verdict, trusted);
}

static void put_row(struct buf *b, struct jobs *jobs, const struct store_job *stored)
{
    const struct job *job = job_find(jobs, stored->id);
    struct store_job row = *stored;
    if (job && job_waits(job) && row.state == JOB_RUNNING)
        row.state = JOB_QUEUED; /* claimed ahead: no attempt is under way */
    if (job && job->spec && job->spec->run)
        row.due = job->row->due; /* the store does not know */
    put_job(b, jobs, &row, job, false);
}

void view_job(struct buf *b, struct jobs *jobs, const struct store_job *row)
{
    put_row(b, jobs, row);
    buf_putc(b, '}');
}

void view_ended(struct buf *b, const struct job *job)
{
    struct store_job row = *job->row;
    row.state = job->final;
    row.due = 0;
    row.finished = job->call.finish.finished;
    row.verdict = job->verdict_line.text.data;
    assert(job->ending == ENDING_FINAL && job_state_final(row.state));
    put_job(b, job->jobs, &row, job, true);
    buf_putc(b, '}');
}

void view_life(struct buf *b, struct jobs *jobs, const struct store_job *row)
{
    put_row(b, jobs, row);
    if (row->history) { /* lines that are all JSON objects, joined by commas */
        line_raw(b, "attempts", "", 0);
        size_t start = b->len;
        buf_putc(b, '[');
        buf_puts(b, row->history);
        buf_putc(b, ']');
        check_value(b, start);
    }
    buf_putc(b, '}');
}
