#include "control/stream.h"

#include "base/json_read.h"
#include "base/json_string.h"
#include "control/reply.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A line that found no room, without its newline. */
struct kept {
    struct list link;
    size_t len;
    size_t owed; /* to be given back once it was sent; 0: nothing */
    char text[];
};

static size_t most_lines(const struct stream *s)
{
    size_t allowance = budget_allowance(s->budget);
    return allowance < s->max_lines ? allowance : s->max_lines;
}

static bool has_room(const struct stream *s, size_t len)
{
    return s->lines.len == 0 || s->lines.len + len <= most_lines(s);
}

/* 0 or -ENOMEM, and then nothing was put: a torn line must not go out. */
static int put_notification(struct stream *s, const char *method, const char *params, size_t len)
{
    int r = buf_reserve(&s->lines, reply_notify_size(method) + len + 1);
    if (r < 0) {
        s->lines.failed = false;
        return r;
    }
    reply_notify(&s->lines, method, params, len);
    return buf_putc(&s->lines, '\n');
}

/* How many bytes of records may be on their way: the budget of all bounds this as well. */
static size_t most_owed(const struct stream *s)
{
    size_t half = most_lines(s) / 2;
    return half < STREAM_CREDIT ? half : STREAM_CREDIT;
}

static void drop_kept(struct stream *s)
{
    struct list *e;
    while ((e = list_pop(&s->kept)) != NULL) {
        free(container_of(e, struct kept, link));
        s->missed++;
    }
    s->kept_bytes = 0;
}

static void overflow(struct stream *s, const char *why)
{
    drop_kept(s);
    char params[384];
    int n = snprintf(params, sizeof params,
                     "{\"lines\":%llu,\"message\":\"%s: ask for the jobs' state by list, and read "
                     "faster\"}",
                     (unsigned long long)s->missed, why);
    put_notification(s, "overflow", params, (size_t)n);
    s->overflowed = true;
    follower_let_go(&s->follower);
}

/* One more line is lost, and it is one that must not be. */
static void lose_kept(struct stream *s)
{
    s->missed++;
    overflow(s, "verdicts among them could not be kept");
}

static void keep(struct stream *s, const char *text, size_t len, size_t owed)
{
    struct kept *kept = NULL;
    if (s->kept_bytes + len <= s->max_verdicts)
        kept = malloc(sizeof *kept + len);
    if (!kept) {
        lose_kept(s);
        return;
    }
    kept->len = len;
    kept->owed = owed;
    memcpy(kept->text, text, len);
    list_add_tail(&s->kept, &kept->link);
    s->kept_bytes += len;
}

/* Only once half of the room is free again: else a reader that is a little too slow would be told
 * at every other line. */
static int tell_missed(struct stream *s)
{
    char params[48];
    if (s->missed == 0)
        return 0;
    if (s->lines.len > most_lines(s) / 2)
        return -EAGAIN;
    int n = snprintf(params, sizeof params, "{\"lines\":%llu}", (unsigned long long)s->missed);
    int r = put_notification(s, "missed", params, (size_t)n);
    if (r == 0)
        s->missed = 0;
    return r;
}

/* What could not go in order of arrival: first how much was lost, then what was kept, then the end.
 */
static void flush(struct stream *s)
{
    if (s->overflowed || tell_missed(s) < 0)
        return;
    list_for_each(e, &s->kept)
    {
        struct kept *kept = container_of(e, struct kept, link);
        if (!has_room(s, reply_notify_size("event") + kept->len + 1) ||
            put_notification(s, "event", kept->text, kept->len) < 0)
            return;
        list_del(e);
        s->kept_bytes -= kept->len;
        s->owed += kept->owed;
        free(kept);
    }
    if (s->end_due && put_notification(s, "end", "{}", 2) == 0) {
        s->end_due = false;
        s->ended = true;
    }
}

/* Verdicts; and of jobs that the client presses on, all lines. */
static bool must_have(const struct stream *s, enum event event, bool owed)
{
    return owed || event == EVENT_VERDICT || (event == EVENT_ATTEMPT && s->follower.credit);
}

/* Owed records have room always: their credit bounds them. */
static void add_line(struct stream *s, enum event event, const char *text, size_t len, bool owed)
{
    size_t length = len;
    if (len > 0 && text[len - 1] == '\n')
        len--;
    flush(s);
    if (s->overflowed)
        return;
    bool in_order = list_empty(&s->kept) && s->missed == 0;
    if (in_order && (owed || has_room(s, reply_notify_size("event") + len + 1)) &&
        put_notification(s, "event", text, len) == 0)
        s->owed += owed ? length : 0;
    else if (owed && s->lines.len == 0) /* no memory; and its job would wait for nobody's take */
        lose_kept(s);
    else if (must_have(s, event, owed))
        keep(s, text, len, owed ? length : 0);
    else
        s->missed++;
}

static void check_end(struct stream *s)
{
    if (!s->ending || s->open.count > 0 || s->submits > 0 || s->checking)
        return;
    s->ending = false;
    s->end_due = true;
    flush(s);
    s->ready(s);
}

static void note_verdict(struct stream *s, uint64_t job)
{
    if (idset_remove(&s->open, job))
        s->ending = true;
    /* Not noted, it would be waited for in vain should its key be submitted again. */
    if (s->mode == STREAM_SUBMITS && idset_add(&s->told, job) < 0)
        lose_kept(s);
    check_end(s);
}

static void on_line(struct follower *f, enum event event, uint64_t job, const char *text,
                    size_t len, bool owed)
{
    struct stream *s = container_of(f, struct stream, follower);
    if (s->shut || s->overflowed)
        return;
    if (s->events & event)
        add_line(s, event, text, len, owed);
    else if (owed)
        follower_taken(f, len, 0);
    if (event == EVENT_VERDICT)
        note_verdict(s, job);
    s->ready(s);
}

static void on_missed(struct follower *f, uint64_t lines)
{
    struct stream *s = container_of(f, struct stream, follower);
    if (s->shut || s->overflowed)
        return;
    s->missed += lines;
    flush(s);
    s->ready(s);
}

static void on_unknown(struct follower *f, uint64_t id)
{
    struct stream *s = container_of(f, struct stream, follower);
    if (s->shut)
        return;
    if (s->checking && s->unknown == 0)
        s->unknown = id;
    if (idset_remove(&s->open, id))
        s->ending = true;
    if (!s->checking)
        check_end(s);
}

/* Where there is no room for it, it is left out: it is a hint, and no line. */
static void on_elsewhere(struct follower *f, uint64_t id, const char *member)
{
    struct stream *s = container_of(f, struct stream, follower);
    struct buf params = BUF_INIT;
    if (s->shut || s->overflowed)
        return;
    buf_printf(&params, "{\"job\":%llu,\"member\":", (unsigned long long)id);
    json_put_string(&params, member, strlen(member));
    buf_putc(&params, '}');
    if (!params.failed)
        (void)put_notification(s, "elsewhere", params.data, params.len);
    buf_deinit(&params);
    s->ready(s);
}

void stream_init(struct stream *stream, struct api *api, void (*ready)(struct stream *stream))
{
    *stream = (struct stream){.api = api,
                              .ready = ready,
                              .max_lines = STREAM_LINES,
                              .max_verdicts = STREAM_VERDICTS,
                              .events = EVENT_ALL};
    stream->follower.line = on_line;
    stream->follower.missed = on_missed;
    stream->follower.unknown = on_unknown;
    stream->follower.elsewhere = on_elsewhere;
    stream->follower.events = EVENT_ALL;
    list_init(&stream->follower.link);
    list_init(&stream->kept);
}

/* The subscription, not what waits to be sent. */
static void unfollow(struct stream *s)
{
    if (s->mode != STREAM_IDLE)
        follower_end(&s->follower);
    s->mode = STREAM_IDLE;
    s->events = s->follower.events = EVENT_ALL;
    s->checking = s->ending = s->ended = false;
    s->unknown = 0;
    s->owed = 0; /* to a credit that is gone */
    idset_deinit(&s->open);
    idset_deinit(&s->told);
}

void stream_reset(struct stream *stream)
{
    unfollow(stream);
    drop_kept(stream);
    buf_reset(&stream->lines);
    stream->missed = stream->owed = 0;
    stream->end_due = false;
}

void stream_shut(struct stream *stream)
{
    stream->shut = true;
    follower_let_go(&stream->follower);
    drop_kept(stream);
    buf_deinit(&stream->lines);
    stream->end_due = false;
}

void stream_deinit(struct stream *stream)
{
    stream_shut(stream);
    unfollow(stream);
}

/* The events that the client wants, as a mask; what is no list of names is left to follower_begin
 * to refuse. */
static unsigned wanted_events(const json_t *params)
{
    const json_t *list = json_object_get(params, "events");
    if (!json_is_array(list))
        return EVENT_ALL;
    unsigned mask = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        enum event event;
        if (name && event_parse(name, &event) == 0)
            mask |= event;
    }
    return mask;
}

/* `params`, with verdicts among the events: how else would the stream know that an id has ended? */
static json_t *with_verdicts(const json_t *params, unsigned events)
{
    json_t *copy = params ? json_copied(params) : json_object();
    if (!copy || events == EVENT_ALL || (events & EVENT_VERDICT))
        return copy;
    json_t *list = json_copied(json_object_get(params, "events"));
    if (!list || json_array_append_new(list, json_string("verdict")) < 0) {
        json_decref(list);
        json_decref(copy);
        return NULL;
    }
    if (json_object_set_new(copy, "events", list) < 0) {
        json_decref(copy);
        return NULL;
    }
    return copy;
}

static int open_ids(struct stream *s, const json_t *ids)
{
    for (size_t i = 0; i < json_array_size(ids); i++) {
        int r = idset_add(&s->open, (uint64_t)json_integer_value(json_array_get(ids, i)));
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_follow(const struct stream *s, const json_t *ids, struct error *err,
                        const char **ret_field)
{
    if (s->mode != STREAM_IDLE)
        return error_set(err, API_CONFLICT,
                         "this connection follows already: open another one for it");
    if (!ids)
        return 0;
    *ret_field = "ids";
    if (!json_is_array(ids) || json_array_size(ids) == 0)
        return error_set(err, API_INVALID_PARAMS, "ids: an array of at least one job id");
    for (size_t i = 0; i < json_array_size(ids); i++)
        if (json_integer_value(json_array_get(ids, i)) <= 0)
            return error_set(err, API_INVALID_PARAMS, "ids[%zu]: must be a positive integer", i);
    *ret_field = NULL;
    return 0;
}

static int follow_code(int r, struct error *err)
{
    if (r == -ENOENT)
        return API_NOT_FOUND;
    if (r == -EINVAL)
        return API_INVALID_PARAMS;
    if (err->text[0] == '\0')
        error_set(err, r, "follow: %s", strerror(-r));
    return API_INTERNAL;
}

int stream_follow(struct stream *stream, const json_t *params, json_t **ret_result,
                  struct error *err, const char **ret_field)
{
    const json_t *ids = json_object_get(params, "ids");
    int code = check_follow(stream, ids, err, ret_field);
    if (code != 0)
        return code;
    unsigned events = wanted_events(params);
    json_t *asked = with_verdicts(params, ids ? events : EVENT_ALL);
    json_t *result = json_pack("{s:b}", "following", 1);
    int r = !result || !asked ? -ENOMEM : open_ids(stream, ids);
    if (r == 0)
        r = follower_begin(stream->api, &stream->follower, asked, err);
    json_decref(asked);
    if (r < 0) {
        json_decref(result);
        unfollow(stream);
        return follow_code(r, err);
    }
    stream->events = events;
    stream->mode = ids ? STREAM_IDS : STREAM_SELECT;
    stream->checking = ids != NULL;
    *ret_result = result;
    return 0;
}

bool stream_needs_check(const struct stream *stream)
{
    return stream->checking;
}

int stream_checked(struct stream *stream, struct error *err, const char **ret_field)
{
    uint64_t unknown = stream->unknown;
    stream->checking = false;
    if (unknown == 0) {
        check_end(stream);
        return 0;
    }
    stream_reset(stream);
    *ret_field = "ids";
    return error_set(err, API_NOT_FOUND, "ids: there is no job %llu", (unsigned long long)unknown);
}

int stream_submit(struct stream *stream, unsigned events, bool press, struct error *err)
{
    if (stream->mode != STREAM_IDLE && stream->mode != STREAM_SUBMITS)
        return error_set(err, API_CONFLICT,
                         "follow: this connection follows others already: submit on another one");
    if (press && follower_press(&stream->follower, stream->api, most_owed(stream)) < 0)
        return error_set(err, API_INTERNAL, "no memory to follow these jobs");
    stream->mode = STREAM_SUBMITS;
    stream->events = events;
    stream->follower.events = events | EVENT_VERDICT;
    stream->ended = false;
    stream->submits++;
    return 0;
}

static void open_submitted(struct stream *s, const json_t *item)
{
    json_int_t id = json_integer_value(json_object_get(item, "id"));
    if (id <= 0)
        return;
    if (idset_has(&s->told, (uint64_t)id))
        s->ending = true;
    else if (idset_add(&s->open, (uint64_t)id) < 0)
        lose_kept(s);
}

void stream_submitted(struct stream *stream, const json_t *result)
{
    for (size_t i = 0; i < json_array_size(result); i++)
        open_submitted(stream, json_array_get(result, i));
    open_submitted(stream, result);
    stream->submits--;
    if (!stream->shut)
        check_end(stream);
}

void stream_tell(struct stream *stream, const char *method, uint64_t id)
{
    char params[48];
    int n = snprintf(params, sizeof params, "{\"id\":%llu}", (unsigned long long)id);
    if (stream->shut)
        return;
    /* Few and short, so no bound of their own; a client that cannot be told must not go on. */
    if (put_notification(stream, method, params, (size_t)n) < 0)
        lose_kept(stream);
    stream->ready(stream);
}

void stream_hold(struct stream *stream)
{
    stream->holds++;
}

void stream_release(struct stream *stream)
{
    stream->holds--;
    if (stream->holds == 0 && !stream->shut)
        stream->ready(stream);
}

size_t stream_memory(const struct stream *stream)
{
    return stream->lines.size + stream->kept_bytes;
}

static uint64_t count_lines(const struct buf *b)
{
    uint64_t n = 0;
    for (const char *p = b->data, *end = p + b->len;
         b->len && (p = memchr(p, '\n', (size_t)(end - p))); p++)
        n++;
    return n;
}

void stream_cut(struct stream *stream, const char *why)
{
    if (stream->shut || stream->overflowed)
        return;
    stream->missed += count_lines(&stream->lines);
    buf_deinit(&stream->lines);
    overflow(stream, why);
}

bool stream_presses(const struct stream *stream)
{
    return stream->follower.credit;
}

bool stream_holds_up(const struct stream *stream)
{
    return follower_holds_up(&stream->follower);
}

bool stream_pending(const struct stream *stream)
{
    return stream->holds == 0 && stream->lines.len > 0;
}

/* What was taken before is in the client's socket by now, and this may be on its way there. */
static void give_back(struct stream *s)
{
    if (s->owed == 0 || s->lines.len > 0)
        return;
    follower_taken(&s->follower, s->owed, most_owed(s));
    s->owed = 0;
}

void stream_take(struct stream *stream, struct buf *out)
{
    if (stream->holds == 0)
        flush(stream); /* what there was no memory for when it came */
    if (!stream_pending(stream))
        return;
    if (out->len == 0) {
        struct buf taken = stream->lines;
        stream->lines = *out;
        *out = taken;
    } else if (buf_put(out, stream->lines.data, stream->lines.len) == 0) {
        buf_reset(&stream->lines);
    }
    give_back(stream);
    flush(stream);
    /* Not where `end` was found due: that may be within a callback of the subscription. */
    if (stream->ended && stream->submits == 0 && stream->open.count == 0)
        unfollow(stream);
}

bool stream_following(const struct stream *stream)
{
    return stream->mode == STREAM_SELECT || stream->open.count > 0 || stream->submits > 0 ||
           stream->end_due || stream->lines.len > 0 || !list_empty(&stream->kept);
}
