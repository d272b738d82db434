#include "ctl/job.h"
#include "base/clock.h"
#include "ctl/text.h"

#include <string.h>

static const char *text(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    return s ? s : "";
}

static int64_t number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? (int64_t)json_number_value(value) : -1;
}

/* Who has a member: the verdict, or the attempt that is running, or the job itself. */
static const json_t *holder(const json_t *object, const char *name)
{
    const json_t *verdict = json_object_get(object, "verdict");
    const json_t *running = json_object_get(object, "running");
    return json_object_get(verdict, name)   ? verdict
           : json_object_get(running, name) ? running
                                            : object;
}

void job_view_read(const json_t *object, struct job_view *ret_view)
{
    const json_t *error = json_object_get(holder(object, "error"), "error");
    const json_t *seconds = json_object_get(holder(object, "seconds"), "seconds");
    int64_t id = number(object, json_object_get(object, "id") ? "id" : "job");
    struct job_view view = {
        .id = id > 0 ? (uint64_t)id : 0,
        .attempt = number(object, "attempt"),
        .state = text(object, "state"),
        .url = text(object, "url"),
        .parser = text(object, "parser"),
        .error_kind = text(error, "kind"),
        .error_message = text(error, "message"),
        .verified_by = text(holder(object, "verified_by"), "verified_by"),
        .waiting_for = text(object, "waiting_for"),
        .bytes = number(holder(object, "bytes"), "bytes"),
        .length = number(holder(object, "length"), "length"),
        .records = number(holder(object, "records"), "records"),
        .status = number(holder(object, "status"), "status"),
        .seconds = -1,
    };
    const json_t *total = json_object_get(seconds, "total");
    if (json_is_number(total))
        view.seconds = json_number_value(total);
    view.done = strcmp(view.state, "done") == 0;
    view.ended =
        view.done || strcmp(view.state, "failed") == 0 || strcmp(view.state, "cancelled") == 0;
    *ret_view = view;
}

static void put(struct buf *b, const char *s)
{
    text_put_safe(b, s, strlen(s));
}

static void put_error(struct buf *b, const struct job_view *view)
{
    put(b, view->error_kind);
    if (view->error_message[0]) {
        buf_puts(b, ": ");
        put(b, view->error_message);
    }
}

void job_put_verdict(struct buf *b, const struct job_view *view)
{
    buf_printf(b, "%llu ", (unsigned long long)view->id);
    put(b, view->state);
    if (!view->done) {
        if (view->error_kind[0]) {
            buf_putc(b, ' ');
            put_error(b, view);
        }
        return;
    }
    if (view->bytes >= 0)
        buf_printf(b, " %lld bytes", (long long)view->bytes);
    if (view->records >= 0)
        buf_printf(b, " %lld records", (long long)view->records);
    if (view->verified_by[0]) {
        buf_putc(b, ' ');
        put(b, view->verified_by);
    }
    if (view->seconds >= 0)
        buf_printf(b, " %.3f s", view->seconds);
}

/* A member as microseconds since 1970: a time stamp, or -1. */
static int64_t moment(const json_t *object, const char *name)
{
    const char *stamp = json_string_value(json_object_get(object, name));
    int64_t us;
    return stamp && clock_parse(stamp, &us) == 0 ? us : -1;
}

static void put_ago(struct buf *b, const json_t *object, const char *name, int64_t now_us)
{
    int64_t us = moment(object, name);
    if (us < 0)
        return;
    buf_printf(b, ", ");
    text_put_seconds(b, (double)(us > now_us ? us - now_us : now_us - us) / 1e6);
    buf_puts(b, us > now_us ? " from now (" : " ago (");
    put(b, text(object, name));
    buf_putc(b, ')');
}

static void put_submission(struct buf *b, const json_t *object, const struct job_view *view,
                           int64_t now_us)
{
    int64_t uid = number(object, "uid"), copy_of = number(object, "retry_of");
    buf_printf(b, "Job %llu downloads ", (unsigned long long)view->id);
    put(b, view->url);
    buf_puts(b, " into the parser ");
    put(b, view->parser);
    buf_puts(b, ".\nIt was submitted");
    if (uid >= 0)
        buf_printf(b, " by uid %lld", (long long)uid);
    put_ago(b, object, "created", now_us);
    buf_puts(b, ".\n");
    if (copy_of > 0)
        buf_printf(b, "It is a copy of job %lld, made by `retry`.\n", (long long)copy_of);
}

static void put_amounts(struct buf *b, const struct job_view *view)
{
    if (view->bytes < 0)
        return;
    text_put_bytes(b, (double)view->bytes);
    if (view->length > 0) {
        buf_puts(b, " of ");
        text_put_bytes(b, (double)view->length);
    }
    buf_puts(b, " have arrived");
    if (view->records >= 0)
        buf_printf(b, ", the parser has found %lld record%s", (long long)view->records,
                   view->records == 1 ? "" : "s");
    buf_puts(b, ".\n");
}

static void put_present(struct buf *b, const json_t *object, const struct job_view *view,
                        int64_t now_us)
{
    const char *state = view->state;
    if (strcmp(state, "queued") == 0) {
        buf_puts(b, "It waits for its turn: a worker and a slot of its host, to be had together");
        put_ago(b, object, "due", now_us);
    } else if (strcmp(state, "waiting") == 0) {
        buf_printf(b, "Attempt %lld failed; the next one is due", (long long)view->attempt);
        put_ago(b, object, "due", now_us);
    } else if (strcmp(state, "running") == 0) {
        buf_printf(b, "Attempt %lld is running", (long long)view->attempt);
        put_ago(b, object, "started", now_us);
    } else {
        buf_puts(b, "It is ");
        put(b, state);
    }
    if (view->waiting_for[0]) {
        buf_puts(b, "; at the moment it waits for: ");
        put(b, view->waiting_for);
    }
    buf_puts(b, ".\n");
    put_amounts(b, view);
    if (view->error_kind[0]) {
        buf_puts(b, "The last attempt failed: ");
        put_error(b, view);
        buf_puts(b, "\n");
    }
}

static const struct {
    const char *name, *meaning;
} verifications[] = {
    {"length", "it has as many bytes as Content-Length announced"},
    {"chunked", "its last chunk arrived"},
    {"http2", "the stream was ended by the origin"},
    {"digest", "its digest is the right one"},
    {"encoding", "its encoding came to its own end"},
    {"enough", "the parser had seen enough and wanted no more"},
    {"none", "nobody can tell whether it is whole, and the job accepts that"},
};

static const struct {
    const char *name, *meaning;
} phases[] = {
    {"queued", "in the queue"},
    {"connect", "until the connection stood"},
    {"first_byte", "until the first byte"},
    {"wait_origin", "waiting for the origin"},
    {"wait_parser", "waiting for the parser"},
    {"wait_sink", "waiting for the log"},
};

static void put_phases(struct buf *b, const json_t *object)
{
    const json_t *seconds = json_object_get(holder(object, "seconds"), "seconds");
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        const json_t *value = json_object_get(seconds, phases[i].name);
        if (!json_is_number(value) || json_number_value(value) < 0.0005)
            continue;
        buf_puts(b, "  ");
        text_put_seconds(b, json_number_value(value));
        buf_printf(b, " %s\n", phases[i].meaning);
    }
}

static void put_end(struct buf *b, const json_t *object, const struct job_view *view,
                    int64_t now_us)
{
    buf_puts(b, view->done ? "It is done" : "It has ended ");
    if (!view->done)
        put(b, view->state);
    put_ago(b, object, "finished", now_us);
    if (view->attempt > 0)
        buf_printf(b, ", in attempt %lld", (long long)view->attempt);
    if (view->error_kind[0]) {
        buf_puts(b, ": ");
        put_error(b, view);
    }
    buf_puts(b, ".\n");
    if (view->status > 0)
        buf_printf(b, "The origin answered with status %lld.\n", (long long)view->status);
    put_amounts(b, view);
    for (size_t i = 0; i < sizeof verifications / sizeof *verifications; i++)
        if (strcmp(view->verified_by, verifications[i].name) == 0)
            buf_printf(b, "How the body's end was verified: %s.\n", verifications[i].meaning);
    if (view->seconds >= 0) {
        buf_puts(b, "All in all it took ");
        text_put_seconds(b, view->seconds);
        buf_puts(b, "; parts of it, which may overlap:\n");
        put_phases(b, object);
    }
}

void job_put_life(struct buf *b, const json_t *object, int64_t now_us)
{
    struct job_view view;
    job_view_read(object, &view);
    put_submission(b, object, &view, now_us);
    if (view.ended)
        put_end(b, object, &view, now_us);
    else
        put_present(b, object, &view, now_us);
}
