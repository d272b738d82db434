/* The lines about a job: what its attempt came to, and its verdict. */
#include "job/verdict.h"

#include "base/clock.h"
#include "base/json_string.h"
#include "job/job.h"
#include "record/line.h"

#include <stdlib.h>
#include <string.h>

/* Origins and parsers quote what they were asked for. Without memory nothing is shown. */
static void put_message(struct buf *b, const struct job *job, const char *message)
{
    const struct strings *patterns = &job->jobs->settings->redact;
    char *shown = spec_redact_text(message, patterns);
    if (shown && job->spec)
        spec_strike_secrets(shown, job->spec->url, patterns);
    const char *text = shown ? shown : "out of memory";
    json_put_string(b, text, strlen(text));
    free(shown);
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
static uint64_t records(const struct job *job)
{
    const struct attempt *a = job->attempt;
    return a->hold_max && !job->held_line.spool ? 0 : a->task.source.seq;
}

void attempt_line(struct buf *b, const struct job *job, const char *outcome,
                  const struct cause *cause, int64_t retry_in_us)
{
    line_begin(b, clock_real_us(), EVENT_ATTEMPT);
    line_u64(b, "job", job->id);
    line_u64(b, "attempt", job->row->attempt);
    line_str(b, "schedule", job->row->schedule);
    line_str(b, "outcome", outcome);
    put_error(b, job, cause);
    if (retry_in_us >= 0)
        line_seconds(b, "retry_in", (uint64_t)retry_in_us * 1000);
    if (job->attempt) {
        const struct attempt *a = job->attempt;
        if (a->status > 0)
            line_u64(b, "status", (uint64_t)a->status);
        line_u64(b, "bytes", atomic_load_explicit(&a->bytes, memory_order_relaxed));
        line_u64(b, "records", records(job));
        line_str(b, "address", a->end.address[0] ? a->end.address : NULL);
    }
    line_end(b);
}

void job_seconds(const struct job *job, uint64_t now, struct job_seconds *ret)
{
    const struct attempt *a = job->attempt;
    uint64_t sink = atomic_load_explicit(&a->task.source.wait, memory_order_relaxed);
    *ret = (struct job_seconds){
        .total = now - job->queued_at,
        .queued = (job->started_at ? job->started_at : now) - job->queued_at,
        .connect = a->end.connect_ns,
        .first_byte = a->end.first_byte_ns,
        .wait_origin = a->end.first_byte_ns + (a->body ? body_read_wait(a->body, now) : 0),
        /* While the parser waits for the sink the pipe is full as well: that time is the sink's. */
        .wait_parser = a->pipe_full_ns > sink ? a->pipe_full_ns - sink : 0,
        .wait_sink = sink,
    };
}

static void put_seconds(struct buf *b, const struct job *job, uint64_t now)
{
    struct job_seconds s;
    job_seconds(job, now, &s);
    buf_puts(b, ",\"seconds\":{");
    size_t start = b->len;
    line_seconds(b, "total", s.total);
    line_seconds(b, "queued", s.queued);
    line_seconds(b, "connect", s.connect);
    line_seconds(b, "first_byte", s.first_byte);
    line_seconds(b, "wait_origin", s.wait_origin);
    line_seconds(b, "wait_parser", s.wait_parser);
    line_seconds(b, "wait_sink", s.wait_sink);
    if (!b->failed) { /* the first member's comma */
        memmove(b->data + start, b->data + start + 1, b->len - start);
        b->len--;
    }
    buf_putc(b, '}');
}

static enum verified_by verified(const struct attempt *a)
{
    if (a->verified == VERIFIED_NONE && a->task.vouched)
        return VERIFIED_ENCODING;
    if (a->task.result == PENSTOCK_ENOUGH && a->verified == VERIFIED_NONE)
        return VERIFIED_ENOUGH;
    return a->verified;
}

static void put_attempt(struct buf *b, const struct job *job, uint64_t now)
{
    const struct attempt *a = job->attempt;
    if (a->status > 0)
        line_u64(b, "status", (uint64_t)a->status);
    line_u64(b, "bytes", atomic_load_explicit(&a->bytes, memory_order_relaxed));
    if (a->body && atomic_load_explicit(&a->body->decoding, memory_order_relaxed))
        line_u64(b, "decoded_bytes",
                 atomic_load_explicit(&a->body->bytes_decoded, memory_order_relaxed));
    if (a->task.decode.skipped > 0)
        line_u64(b, "skipped_codings", a->task.decode.skipped);
    line_u64(b, "records", records(job));
    parse_task_text_members(b, &a->task);
    if (a->condition.unchanged)
        line_bool(b, "unchanged", 1);
    else if (job->final == JOB_DONE)
        line_str(b, "verified_by", verified_name(verified(a)));
    const char *hex, *algorithm = checksum_asked(&a->checksum, &hex);
    if (algorithm)
        line_str(b, algorithm, hex);
    if (a->hops > 1) {
        line_u64(b, "redirects", a->hops - 1);
        line_str(b, "final_url", a->shown_url);
    }
    line_u64(b, "resumes", a->resume.count);
    put_seconds(b, job, now);
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
    if (job->spec)
        line_str(b, "url", job->spec->shown_url);
    line_str(b, "parser", row->parser);
    put_error(b, job, cause);
    if (cause && cause->kind == KIND_NONE && cause->message[0])
        line_str(b, "reason", cause->message);
    line_str(b, "kept", job->kept);
    if (job->attempt) {
        put_attempt(b, job, now);
    } else {
        line_u64(b, "bytes", 0);
        line_u64(b, "records", 0);
    }
    if (row->retry_of)
        line_u64(b, "retry_of", row->retry_of);
    line_raw(b, "labels", row->labels ? row->labels : "{}", row->labels ? strlen(row->labels) : 2);
    line_end(b);
}
