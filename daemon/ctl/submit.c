#include "ctl/submit.h"
#include "base/json_read.h"
#include "client/wire.h"
#include "ctl/ask.h"
#include "ctl/slice.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What a request has around its jobs. */
#define ENVELOPE 256

enum { INVALID_PARAMS = -32602 }; /* PROTOCOL.md */

int submit_init(struct submit *s)
{
    s->window = calloc(SUBMIT_WINDOW, sizeof *s->window);
    s->first = s->used = s->stale = 0;
    s->presses = s->plain = false;
    return s->window ? 0 : -ENOMEM;
}

static void clear(struct submit_batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        free(b->items[i].name);
        free(b->items[i].refused);
    }
    json_decref(b->jobs);
    json_decref(b->again);
    *b = (struct submit_batch){0};
}

void submit_deinit(struct submit *s)
{
    for (size_t i = 0; s->window && i < SUBMIT_WINDOW; i++)
        clear(&s->window[i]);
    free(s->window);
    s->window = NULL;
}

static struct submit_batch *at(const struct submit *s, size_t i)
{
    return &s->window[(s->first + i) % SUBMIT_WINDOW];
}

/* The batch that is being filled, or NULL. One without jobs to send counts as sent: it was
 * closed. */
static struct submit_batch *filling(const struct submit *s)
{
    struct submit_batch *b = s->used > 0 ? at(s, s->used - 1) : NULL;
    return b && b->jobs ? b : NULL;
}

static int oom(struct error *err)
{
    return error_set(err, -ENOMEM, "out of memory");
}

/* --- out -------------------------------------------------------------------------------------- */

/* Takes ownership of `jobs`. */
static int send_jobs(struct submit *s, struct submit_batch *b, json_t *jobs, struct error *err)
{
    json_t *follow = s->events ? json_incref(s->events) : json_true();
    json_t *params = s->follow ? json_pack("{s:o, s:o}", "jobs", jobs, "follow", follow) : jobs;
    if (s->follow && !s->plain && params)
        json_object_set_new(params, "backpressure", json_true());
    return wire_send(&s->conn->wire, "submit", params, &b->request, err);
}

static int send_batch(struct submit *s, struct submit_batch *b, struct error *err)
{
    json_t *jobs = b->jobs;
    b->jobs = NULL;
    if (b->sent == 0) {
        json_decref(jobs);
        return 0;
    }
    if (s->follow && !s->plain && !s->presses)
        b->again = json_incref(jobs);
    return send_jobs(s, b, jobs, err);
}

/* Has a daemon refused `backpressure` that does not know it? */
static bool refused_to_press(const struct answer *answer)
{
    return answer->code == INVALID_PARAMS && answer->field &&
           strcmp(answer->field, "params") == 0 && strstr(answer->message, "`follow` only");
}

/* All that are under way, in their order, as an older daemon knows them: it refuses each of them.
 * Slow readers miss lines there, and are told how many. */
static int send_again(struct submit *s, struct error *err)
{
    int r = 0;
    s->plain = true;
    for (size_t i = 0; r == 0 && i < s->used; i++) {
        struct submit_batch *b = at(s, i);
        if (!b->again)
            continue;
        json_t *jobs = b->again;
        b->again = NULL;
        s->stale += i > 0; /* the head's has just come */
        r = send_jobs(s, b, jobs, err);
    }
    return r;
}

static int open_batch(struct submit *s, struct submit_batch **ret, struct error *err)
{
    struct submit_batch *b = at(s, s->used);
    b->jobs = json_array();
    if (!b->jobs)
        return oom(err);
    s->used++;
    *ret = b;
    return 0;
}

/* The job's JSON, checked for its size. 0; or -EINVAL: it is refused, with a message. */
static int make_job(const struct submit *s, const char *text, size_t len, json_t **ret_job,
                    size_t *ret_size, struct error *err)
{
    json_t *job;
    int r = ask_job(text, len, &job, err);
    if (r < 0)
        return r;
    r = ask_merge(job, s->common);
    size_t size = r == 0 ? json_dumpb(job, NULL, 0, JSON_COMPACT) : 0;
    if (r < 0)
        oom(err);
    else if (size == 0)
        r = oom(err);
    else if (size > WIRE_MAX_LINE - ENVELOPE)
        r = error_set(err, -EINVAL, "the job has %zu bytes; a request may have 1 MiB", size);
    if (r < 0) {
        json_decref(job);
        return r;
    }
    *ret_job = job;
    *ret_size = size + 1;
    return 0;
}

static int add_item(struct submit *s, struct submit_batch *b, json_t *job, const char *name,
                    const char *why, struct error *err)
{
    struct submit_item *item = &b->items[b->count];
    *item = (struct submit_item){.line = s->source->line};
    b->count++;
    if (name && !(item->name = strdup(name)))
        return json_decref(job), oom(err);
    if (why)
        return (item->refused = strdup(why)) ? 0 : oom(err);
    b->sent++;
    return json_array_append_new(b->jobs, job) == 0 ? 0 : oom(err);
}

/* Puts one item into the last batch, or into a new one if it does not fit there. The window has
 * room for one. */
static int put_item(struct submit *s, const char *text, size_t len, int code, struct error *err)
{
    struct submit_batch *b = filling(s);
    struct error why = {""};
    json_t *job = NULL;
    size_t size = 0;
    const char *name = s->source->fd < 0 ? text : NULL;
    int r = code < 0 ? error_set(&why, -EINVAL, "the line is longer than 1 MiB")
                     : make_job(s, text, len, &job, &size, &why);
    if (r == -ENOMEM)
        return oom(err);
    if (b && b->bytes > 0 && b->bytes + size > SUBMIT_BYTES) {
        int sent = send_batch(s, b, err);
        if (sent < 0)
            return json_decref(job), sent;
        b = NULL;
    }
    if (!b) {
        int opened = open_batch(s, &b, err);
        if (opened < 0)
            return json_decref(job), opened;
    }
    b->bytes += size;
    int added = add_item(s, b, job, name, r < 0 ? why.text : NULL, err);
    if (added < 0 || b->count < s->batch_size)
        return added;
    return send_batch(s, b, err);
}

bool submit_has_room(const struct submit *s)
{
    /* Two: an item that does not fit into the last batch opens another. */
    return s->used + 1 < SUBMIT_WINDOW;
}

/* Batches at the head that have nothing to wait for. */
static int settle(struct submit *s, struct error *err);

int submit_fill(struct submit *s, struct error *err)
{
    const char *text = NULL;
    size_t len = 0;
    int r = 0, code = 0;
    while (r == 0 && submit_has_room(s) && (code = source_next(s->source, &text, &len)) != 0) {
        if (code < 0 && code != -EMSGSIZE)
            return error_set(err, code, "--from: %s", strerror(-code));
        r = put_item(s, text, len, code, err);
    }
    return r < 0 ? r : settle(s, err);
}

int submit_flush(struct submit *s, struct error *err)
{
    struct submit_batch *b = filling(s);
    int r = b ? send_batch(s, b, err) : 0;
    return r < 0 ? r : settle(s, err);
}

/* --- in --------------------------------------------------------------------------------------- */

static int tell_refused(struct submit *s, const struct submit_item *item)
{
    return s->answered(s, item, &(struct submit_reply){.why = item->refused, .raw = ""});
}

/* One element of an answer's array. */
static int tell_one(struct submit *s, const struct submit_item *item, struct slice raw)
{
    json_t *one = json_read(raw.p, raw.len, JSON_ALLOW_NUL, NULL);
    const json_t *error = json_object_get(one, "error");
    const char *why = json_string_value(json_object_get(error, "message"));
    json_int_t id = json_integer_value(json_object_get(one, "id"));
    if (id <= 0 && !slice_member(raw, "error", &raw))
        raw.len = 0;
    struct submit_reply reply = {
        .id = id > 0 ? (uint64_t)id : 0,
        .why = why ? why : "the daemon gave no reason",
        .code = (int)json_integer_value(json_object_get(error, "code")),
        .field = json_string_value(json_object_get(json_object_get(error, "data"), "field")),
        .raw = raw.p,
        .raw_len = raw.len,
    };
    int r = s->answered(s, item, &reply);
    json_decref(one);
    return r;
}

static int tell_batch(struct submit *s, struct submit_batch *b, const struct answer *answer)
{
    struct slice line = {answer->text, answer->len}, result = {"", 0}, one, error = {"", 0};
    size_t pos = 0;
    int r = 0;
    slice_member(line, "result", &result);
    if (answer->code != 0)
        slice_member(line, "error", &error);
    for (size_t i = 0; r >= 0 && i < b->count; i++) {
        if (b->items[i].refused)
            r = tell_refused(s, &b->items[i]);
        else if (answer->code != 0)
            r = s->answered(s, &b->items[i],
                            &(struct submit_reply){.why = answer->message,
                                                   .code = answer->code,
                                                   .raw = error.p,
                                                   .raw_len = error.len});
        else if (slice_item(result, &pos, &one))
            r = tell_one(s, &b->items[i], one);
        else
            r = -EBADMSG; /* fewer answers than jobs */
    }
    return r;
}

static void drop_head(struct submit *s)
{
    clear(at(s, 0));
    s->first = (s->first + 1) % SUBMIT_WINDOW;
    s->used--;
}

static int settle(struct submit *s, struct error *err)
{
    while (s->used > 0 && !at(s, 0)->jobs && at(s, 0)->request == 0) {
        struct submit_batch *b = at(s, 0);
        for (size_t i = 0; i < b->count; i++) {
            int r = tell_refused(s, &b->items[i]);
            if (r < 0)
                return error_set(err, r, "%s", strerror(-r));
        }
        drop_head(s);
    }
    return 0;
}

int submit_answer(struct submit *s, const char *line, size_t len, struct error *err)
{
    struct answer answer;
    struct submit_batch *b = s->used > 0 ? at(s, 0) : NULL;
    int r = answer_read(line, len, &answer);
    if (r > 0)
        return 0;
    if (r == 0 && s->stale > 0 && refused_to_press(&answer)) {
        s->stale--;
        answer_deinit(&answer);
        return 0;
    }
    if (r == 0 && (!b || b->request == 0 || (answer.id != b->request && answer.id != 0))) {
        r = answer.code != 0 ? error_set(err, -EPROTO, "%s", answer.message) : -EBADMSG;
        answer_deinit(&answer);
    }
    if (r < 0)
        return r == -EPROTO ? r : wire_explain(&s->conn->wire, r, err);
    if (b->again && refused_to_press(&answer)) {
        answer_deinit(&answer);
        return send_again(s, err);
    }
    s->presses = s->presses || (b->again && answer.code == 0);
    r = tell_batch(s, b, &answer);
    answer_deinit(&answer);
    if (r < 0)
        return wire_explain(&s->conn->wire, r, err);
    drop_head(s);
    return settle(s, err);
}

bool submit_done(const struct submit *s)
{
    return s->used == 0 && source_done(s->source);
}
