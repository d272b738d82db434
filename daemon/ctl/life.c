#include "ctl/life.h"
#include "base/clock.h"
#include "ctl/job_text.h"
#include "ctl/remedy.h"
#include "ctl/text.h"

#include <stdio.h>
#include <string.h>

static const char *text(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    return s ? s : "";
}

/* -1: there is none. */
static double number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? json_number_value(value) : -1;
}

/* A time stamp as microseconds since 1970; -1: there is none. */
static int64_t moment(const json_t *object, const char *name)
{
    const char *stamp = json_string_value(json_object_get(object, name));
    int64_t us;
    return stamp && clock_parse(stamp, &us) == 0 ? us : -1;
}

static void put(struct buf *b, const char *s)
{
    text_put_safe(b, s, strlen(s));
}

static void put_plural(struct buf *b, double n, const char *what)
{
    buf_printf(b, "%.0f %s%s", n, what, n == 1 ? "" : "s");
}

static void put_error(struct buf *b, const json_t *error)
{
    put(b, text(error, "kind"));
    if (*text(error, "message")) {
        buf_puts(b, ": ");
        put(b, text(error, "message"));
    }
}

/* Begins a line: the moment, to the millisecond, or as much room. */
static void put_moment(struct buf *b, int64_t us)
{
    char stamp[CLOCK_STAMP_SIZE] = "";
    if (us >= 0)
        clock_stamp(us, stamp);
    if (us >= 0)
        stamp[10] = ' ';
    buf_printf(b, "  %-23.23s  ", stamp);
}

static void put_distance(struct buf *b, int64_t us, int64_t now_us)
{
    text_put_seconds(b, (double)(us > now_us ? us - now_us : now_us - us) / 1e6);
    buf_puts(b, us > now_us ? " from now" : " ago");
}

/* --- the queue -------------------------------------------------------------------------------- */

static void put_submission(struct buf *b, const json_t *job, int64_t now_us)
{
    double uid = number(job, "uid"), copy_of = number(job, "retry_of");
    double priority = number(job, "priority");
    int64_t created = moment(job, "created");
    put_moment(b, created);
    buf_puts(b, "submitted");
    if (uid >= 0)
        buf_printf(b, " by uid %.0f", uid);
    if (*text(job, "schedule")) {
        buf_puts(b, " as a run of the schedule ");
        put(b, text(job, "schedule"));
    }
    if (copy_of > 0)
        buf_printf(b, " as a copy of job %.0f, made by `retry`", copy_of);
    if (created >= 0) {
        buf_puts(b, ", ");
        put_distance(b, created, now_us);
    }
    if (priority != 0 && json_object_get(job, "priority"))
        buf_printf(b, ", with priority %.0f", priority);
    buf_putc(b, '\n');
}

static const struct {
    const char *name, *meaning;
} waits[] = {
    {"worker", "all workers are taken (parse.workers)"},
    {"host", "its host has as many jobs as it may, or rests after failures"},
    {"user", "its user has as many running as max_running lets him"},
    {"paused", "somebody has paused it: `penstockctl resume`"},
    {"not_before", "it was not to run before"},
    {"member", "another daemon of the fleet starts the jobs of this host"},
    {"owner", "no daemon of the fleet has taken this host over yet"},
    {"retry", "the next attempt is not due"},
    {"sink", "the log cannot be written, or not fast enough: `penstockctl stats`"},
    {"reader", "the client that follows it reads too slowly, or has stopped"},
    {"store", "the store cannot write: `penstockctl stats`"},
    {"origin", "the origin sends nothing at this moment"},
    {"parser", "the parser reads more slowly than the origin sends"},
};

static void put_pause(struct buf *b, const json_t *pause, int64_t now_us)
{
    const char *kind = *text(pause, "host") ? "host" : *text(pause, "parser") ? "parser" : "";
    buf_printf(b, " (uid %.0f has paused ", number(pause, "uid"));
    buf_printf(b, "%s ", *kind ? kind : "everything");
    if (*kind) {
        put(b, text(pause, kind));
        buf_putc(b, ' ');
    }
    put_distance(b, moment(pause, "at"), now_us);
    if (*text(pause, "by")) {
        buf_puts(b, ", at ");
        put(b, text(pause, "by"));
    }
    buf_puts(b, ": `penstockctl resume`)");
}

static void put_waiting(struct buf *b, const json_t *job, int64_t now_us)
{
    const char *what = text(job, "waiting_for");
    if (!*what)
        return;
    buf_puts(b, "; at the moment it waits for: ");
    put(b, what);
    if (strcmp(what, "able_member") == 0) {
        buf_puts(b, " (a member of the fleet with ");
        put(b, *text(job, "needs") ? text(job, "needs") : "what it needs");
        buf_putc(b, ')');
        return;
    }
    if (json_object_get(job, "pause")) {
        put_pause(b, json_object_get(job, "pause"), now_us);
        return;
    }
    double retry_in = number(job, "host_retry_in");
    if (retry_in >= 0)
        buf_printf(b, ", which is broken and tried again in %.0f s", retry_in);
    bool queued = strcmp(text(job, "state"), "queued") == 0;
    if (queued && strcmp(what, "parser") == 0) {
        buf_puts(b, " (this daemon's config has no such parser; another's of the fleet may)");
        return;
    }
    if (number(job, "max_running") >= 0) {
        buf_printf(b, " (uid %.0f has %.0f running: max_running of ", number(job, "uid"),
                   number(job, "user_running"));
        put(b, text(job, "max_running_of"));
        buf_printf(b, " is %.0f)", number(job, "max_running"));
        return;
    }
    for (size_t i = 0; retry_in < 0 && i < sizeof waits / sizeof *waits; i++)
        if (strcmp(waits[i].name, what) == 0)
            buf_printf(b, " (%s)", waits[i].meaning);
}

/* --- attempts --------------------------------------------------------------------------------- */

static void put_amounts(struct buf *b, const json_t *of)
{
    double bytes = number(of, "bytes"), length = number(of, "length"),
           records = number(of, "records");
    if (bytes < 0)
        return;
    text_put_bytes(b, bytes);
    if (length > 0) {
        buf_puts(b, " of ");
        text_put_bytes(b, length);
    }
    buf_puts(b, " had arrived, ");
    put_plural(b, records < 0 ? 0 : records, "record");
}

static void put_attempt(struct buf *b, const json_t *line)
{
    const char *outcome = text(line, "outcome");
    const json_t *error = json_object_get(line, "error");
    double retry_in = number(line, "retry_in"), status = number(line, "status");
    put_moment(b, moment(line, "ts"));
    buf_printf(b, "attempt %.0f ", number(line, "attempt"));
    if (strcmp(outcome, "interrupted") == 0)
        buf_puts(b, "was interrupted: the daemon stopped or died; its records do not count");
    else
        buf_puts(b, "failed");
    if (error) {
        buf_puts(b, ": ");
        put_error(b, error);
    }
    buf_putc(b, '\n');
    put_moment(b, -1);
    if (status > 0)
        buf_printf(b, "status %.0f; ", status);
    put_amounts(b, line);
    if (*text(line, "address")) {
        buf_puts(b, " from ");
        put(b, text(line, "address"));
    }
    if (retry_in >= 0) {
        buf_puts(b, "; the next attempt was due after ");
        text_put_seconds(b, retry_in);
    }
    buf_putc(b, '\n');
}

static void put_attempts(struct buf *b, const json_t *job, bool ended)
{
    size_t i;
    json_t *line, *list = json_object_get(job, "attempts");
    double last = number(json_array_get(list, json_array_size(list) - 1), "attempt");
    double missing = number(job, "attempt") - (ended ? 1 : 0) - (last > 0 ? last : 0);
    json_array_foreach(list, i, line)
    {
        put_attempt(b, line);
    }
    if (missing > 0 && list) {
        put_moment(b, -1);
        buf_puts(b, "(");
        put_plural(b, missing, "more attempt");
        buf_puts(b, ": the log has what came of them)\n");
    }
}

/* --- the present ------------------------------------------------------------------------------ */

static void put_present(struct buf *b, const json_t *job, int64_t now_us)
{
    const char *state = text(job, "state");
    const json_t *running = json_object_get(job, "running");
    int64_t due = moment(job, "due");
    put_moment(b, now_us);
    if (strcmp(state, "running") == 0) {
        double seconds = number(running, "seconds");
        buf_printf(b, "attempt %.0f is running", number(job, "attempt"));
        if (seconds >= 0) {
            buf_puts(b, " since ");
            text_put_seconds(b, seconds);
            buf_puts(b, ": ");
            put_amounts(b, running);
        }
    } else if (strcmp(state, "waiting") == 0) {
        buf_puts(b, "it waits for its next attempt");
    } else {
        buf_puts(b, "it is in the queue: it runs when a worker and a slot of its host are free "
                    "together");
    }
    if (due >= 0) {
        buf_puts(b, ", due ");
        put_distance(b, due, now_us);
    }
    put_waiting(b, job, now_us);
    buf_puts(b, "\n");
}

/* --- the end ---------------------------------------------------------------------------------- */

static const struct {
    const char *name, *meaning;
} verifications[] = {
    {"length", "it has as many bytes as Content-Length announced"},
    {"chunked", "its last chunk arrived"},
    {"http2", "the stream was ended by the origin"},
    {"http3", "the stream was ended by the origin"},
    {"digest", "its digest is the right one"},
    {"encoding", "its encoding came to its own end"},
    {"enough", "the parser had seen enough and wanted no more"},
    {"none", "nobody can tell whether it is whole, and the job accepts that"},
};

static const struct {
    const char *name, *meaning;
} phases[] = {
    {"connect", "until the connection stood"},       {"first_byte", "until the first byte"},
    {"wait_origin", "waiting for the origin"},       {"wait_parser", "waiting for the parser"},
    {"wait_sink", "waiting for the log to take it"},
};

/* The last attempt, of which the verdict tells. */
static void put_last_attempt(struct buf *b, const json_t *job, const json_t *verdict)
{
    const json_t *seconds = json_object_get(verdict, "seconds");
    double total = number(seconds, "total"), queued = number(seconds, "queued");
    double ran = number(seconds, "attempt"), attempts = number(job, "attempt");
    double redirects = number(verdict, "redirects"), resumes = number(verdict, "resumes");
    int64_t end = moment(verdict, "ts");
    if (total < 0 || queued < 0 || attempts < 1)
        return;
    ran = ran < 0 ? total - queued : ran; /* of a daemon that did not tell it */
    put_moment(b, end >= 0 ? end - (int64_t)(ran * 1e6) : -1);
    buf_printf(b, "attempt %.0f began, after ", attempts);
    text_put_seconds(b, queued);
    buf_puts(b, attempts > 1 ? " of waiting in all\n" : " in the queue\n");
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        double part = number(seconds, phases[i].name);
        if (part < 0.0005)
            continue;
        put_moment(b, -1);
        text_put_seconds(b, part);
        buf_printf(b, " %s\n", phases[i].meaning);
    }
    if (redirects > 0 || resumes > 0) {
        put_moment(b, -1);
        const char *led = text(verdict, "final_url");
        put_plural(b, redirects > 0 ? redirects : 0, "redirect");
        if (*led)
            buf_puts(b, ", to ");
        put(b, led);
        buf_puts(b, "; ");
        put_plural(b, resumes > 0 ? resumes : 0, "resume");
        buf_puts(b, " after a broken connection\n");
    }
}

static void put_done(struct buf *b, const json_t *verdict)
{
    const char *by = text(verdict, "verified_by");
    if (json_is_true(json_object_get(verdict, "unchanged"))) {
        put_moment(b, -1);
        buf_puts(b, "the origin has nothing new since the last run, so no parser ran\n");
    }
    for (size_t i = 0; i < sizeof verifications / sizeof *verifications; i++) {
        if (strcmp(by, verifications[i].name) != 0)
            continue;
        put_moment(b, -1);
        buf_printf(b, "how its end was verified: %s\n", verifications[i].meaning);
    }
}

static void put_end(struct buf *b, const json_t *job, int64_t now_us)
{
    const json_t *verdict = json_object_get(job, "verdict");
    const json_t *error = json_object_get(verdict, "error");
    int64_t finished = moment(job, "finished");
    double status = number(verdict, "status");
    put_last_attempt(b, job, verdict);
    put_moment(b, finished);
    put(b, text(job, "state"));
    if (error) {
        buf_puts(b, ": ");
        put_error(b, error);
    } else if (*text(verdict, "reason")) {
        buf_puts(b, ": ");
        put(b, text(verdict, "reason"));
    }
    if (finished >= 0) {
        buf_puts(b, ", ");
        put_distance(b, finished, now_us);
    }
    buf_putc(b, '\n');
    put_moment(b, -1);
    if (status > 0)
        buf_printf(b, "status %.0f; ", status);
    put_amounts(b, verdict ? verdict : job);
    buf_putc(b, '\n');
    put_done(b, verdict);
    if (*text(verdict, "kept")) {
        put_moment(b, -1);
        buf_puts(b, "the body is kept: ");
        put(b, text(verdict, "kept"));
        buf_putc(b, '\n');
    }
}

/* The verdict's error, or that of the attempt before. */
static void put_remedy(struct buf *b, const json_t *job, bool ended)
{
    const json_t *attempts = json_object_get(job, "attempts");
    const json_t *last = ended ? json_object_get(job, "verdict")
                               : json_array_get(attempts, json_array_size(attempts) - 1);
    const char *remedy = remedy_for(text(json_object_get(last, "error"), "kind"));
    if (!remedy)
        return;
    buf_printf(b, "What to do: %s\n", remedy);
    if (ended && !json_object_get(last, "head")) /* which `retry` passes over */
        buf_printf(b, "Then: penstockctl retry %.0f\n", number(job, "id"));
}

void life_put(struct buf *b, const json_t *object, int64_t now_us)
{
    struct job_view view;
    job_view_read(object, &view);
    buf_printf(b, "Job %llu: ", (unsigned long long)view.id);
    put(b, view.url);
    buf_puts(b, " into the parser ");
    put(b, view.parser);
    buf_putc(b, '\n');
    put_submission(b, object, now_us);
    put_attempts(b, object, view.ended || strcmp(view.state, "running") == 0);
    if (view.ended)
        put_end(b, object, now_us);
    else
        put_present(b, object, now_us);
    put_remedy(b, object, view.ended);
}
