#include "ctl/job_text.h"
#include "ctl/text.h"

#include <inttypes.h>
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
        .due = text(object, "due"),
        .bytes = number(holder(object, "bytes"), "bytes"),
        .length = number(holder(object, "length"), "length"),
        .records = number(holder(object, "records"), "records"),
        .status = number(holder(object, "status"), "status"),
        .seconds = -1,
    };
    const json_t *retry_in = json_object_get(object, "host_retry_in");
    if (json_is_number(retry_in))
        view.host_retry_in = json_number_value(retry_in);
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

void job_put_way_on(struct buf *b, uint64_t id)
{
    buf_printf(b, " (penstockctl explain %" PRIu64 ")", id);
}
