/* cancel, retry: of jobs by their ids, or of a selection, a page after another until it is at its
 * end. Pages go from the newest job to the oldest, so that no copy is copied again. A signal lets
 * the page that is under way end, so that what was done is known. */
#include "ctl/cmd_change.h"

#include "base/json_read.h"
#include "ctl/ask.h"
#include "ctl/intr.h"
#include "ctl/out.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PAGE 1000 /* jobs, of one request: what a signal has to wait for */

/* A selection of which a part is done. */
struct sweep {
    struct ctl *ctl;
    json_t *select; /* borrowed */
    bool cancels;
    const char *changed; /* the answer's member that has them */
    uint64_t before;     /* the next page has lower ids only; 0: it is the first one */
    uint64_t done;       /* jobs that were changed */
    bool over;           /* no further page is to be asked for */
    bool whole;          /* because there is none */
};

/* --- what was done ---------------------------------------------------------------------------- */

/* The number, or the id in an object. */
static uint64_t id_of(const json_t *item)
{
    json_int_t id = json_integer_value(json_is_object(item) ? json_object_get(item, "id") : item);
    return id > 0 ? (uint64_t)id : 0;
}

static void tell_each(const json_t *result, const char *name, const char *what)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(result, name), i, item)
    {
        out_printf("%" PRIu64 " %s\n", id_of(item), what);
    }
}

static void tell_copies(const json_t *result)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(result, "retried"), i, item)
    {
        out_printf("%" PRIu64 " retries %" JSON_INTEGER_FORMAT "\n", id_of(item),
                   json_integer_value(json_object_get(item, "retry_of")));
    }
}

/* What could not be done goes to standard error, and is a refusal. */
static int tell_refused(const json_t *result, const char *name, const char *why)
{
    size_t i;
    json_t *item, *items = json_object_get(result, name);
    json_array_foreach(items, i, item)
    {
        out_error("%" PRIu64 ": %s", id_of(item), why);
    }
    return json_array_size(items) > 0 ? EXIT_REFUSED : EXIT_ALL_WELL;
}

/* The others, which were left as they were because something failed. */
static int tell_failed(const json_t *result)
{
    const char *why = json_string_value(json_object_get(result, "message"));
    if (!why)
        return EXIT_ALL_WELL;
    out_error("not all of them, as something stood in the way: %s", why);
    return EXIT_REFUSED;
}

static int tell(const struct ctl *ctl, const struct answer *answer)
{
    const json_t *result = answer->result;
    if (ctl->json) {
        ctl_put_raw(answer);
    } else {
        tell_each(result, "cancelled", "cancelled");
        tell_each(result, "ended", "had ended");
        tell_copies(result);
    }
    int status = ctl_worse(tell_refused(result, "missing", "no such job"),
                           tell_refused(result, "not_ended", "it has not ended yet"));
    status = ctl_worse(status, tell_refused(result, "forbidden", "it is another user's"));
    return ctl_worse(status, tell_failed(result));
}

/* --- by id ------------------------------------------------------------------------------------ */

/* As many ids at once as the protocol takes. */
static int change_ids(struct ctl *ctl, const json_t *all)
{
    size_t count = json_array_size(all);
    int status = EXIT_ALL_WELL;
    for (size_t i = 0; i < count; i += PAGE) {
        struct answer answer;
        json_t *ids = json_array();
        for (size_t k = i; k < count && k < i + PAGE; k++)
            json_array_append(ids, json_array_get(all, k));
        int asked = ctl_ask(ctl, ctl->args.command->name, json_pack("{s:o}", "ids", ids), &answer);
        status = ctl_worse(status, asked ? asked : tell(ctl, &answer));
        if (asked == 0)
            answer_deinit(&answer);
    }
    return status;
}

/* --- by selection ----------------------------------------------------------------------------- */

static void sweep_note(struct sweep *s, const json_t *result)
{
    json_int_t next = json_integer_value(json_object_get(result, "next"));
    bool failed = json_object_get(result, "message");
    s->done += json_array_size(json_object_get(result, s->changed));
    /* Pages go downwards: a daemon that repeats itself does not keep us for ever. */
    bool more = json_is_true(json_object_get(result, "more")) && next > 0 &&
                (s->before == 0 || (uint64_t)next < s->before);
    if (next > 0)
        s->before = (uint64_t)next;
    s->over = failed || !more;
    s->whole = !failed && !json_is_true(json_object_get(result, "more"));
}

static int sweep_page(struct sweep *s)
{
    struct answer answer;
    json_t *params = json_copied(s->select);
    json_object_set_new(params, "limit", json_integer(PAGE));
    if (s->before)
        json_object_set_new(params, "before", json_integer((json_int_t)s->before));
    s->over = true;
    int status = ctl_ask(s->ctl, s->ctl->args.command->name, params, &answer);
    if (status != 0)
        return status;
    /* Before it is told: where nobody reads that, the way on is said from within, and must be
     * behind this page. */
    sweep_note(s, answer.result);
    status = tell(s->ctl, &answer);
    answer_deinit(&answer);
    out_flush(); /* before the next page is asked for: whoever does not read it stops us here */
    return status;
}

static void tell_total(const struct sweep *s)
{
    out_error("%" PRIu64 " job%s %s", s->done, s->done == 1 ? "" : "s", s->changed);
}

/* So that nobody has to guess, and nothing is copied twice. */
static void tell_way_on(void *arg)
{
    const struct sweep *s = arg;
    char place[64] = "";
    bool owed = s->ctl->conn.owed;
    if (s->whole) {
        tell_total(s);
        return;
    }
    if (s->before)
        snprintf(place, sizeof place, ", with --before %" PRIu64, s->before);
    if (s->done > 0 || !owed)
        out_error("%" PRIu64 " job%s %s so far; to go on: the same again%s", s->done,
                  s->done == 1 ? "" : "s", s->changed, place);
    else
        out_error("how many jobs were %s is not known; to go on: the same again%s", s->changed,
                  place);
    if (owed && !s->cancels)
        out_error("there may be copies beyond those: their `retry_of` in `list --json` tells");
}

static int sweep(struct sweep *s)
{
    const struct conn *conn = &s->ctl->conn;
    int status = EXIT_ALL_WELL;
    while (!s->over && !conn->stops)
        status = ctl_worse(status, sweep_page(s));
    if (conn->stops)
        intr_release(); /* if nobody reads what is told now */
    /* Of success a cron job says nothing, as it would be sent by mail each time. */
    if (s->whole && !s->ctl->json && (isatty(STDERR_FILENO) || status != EXIT_ALL_WELL))
        tell_total(s);
    if (!s->whole && (s->done > 0 || conn->owed || conn->stops))
        tell_way_on(s);
    if (s->whole)
        return status;
    return conn->stops ? intr_status() : status != EXIT_ALL_WELL ? status : EXIT_REFUSED;
}

static int change_selected(struct ctl *ctl, json_t *select)
{
    bool cancels = strcmp(ctl->args.command->name, "cancel") == 0;
    struct sweep s = {.ctl = ctl,
                      .select = select,
                      .cancels = cancels,
                      .changed = cancels ? "cancelled" : "retried"};
    struct error err;
    int r = args_number(&ctl->args, OPT_BEFORE, &s.before, &err);
    if (r < 0)
        return ctl_fail(r, &err);
    r = intr_catch_all();
    if (r < 0)
        return ctl_fail(error_set(&err, r, "signals cannot be caught: %s", strerror(-r)), &err);
    ctl->conn.holds_on = true;
    out_at_interrupt(tell_way_on, &s);
    int status = sweep(&s);
    out_at_interrupt(NULL, NULL);
    return status;
}

static int change_jobs(struct ctl *ctl)
{
    struct error err;
    json_t *params;
    int r = ask_jobs(&ctl->args, false, &params, &err);
    if (r < 0)
        return ctl_fail(r, &err);
    json_t *ids = json_object_get(params, "ids");
    if (ids && args_has(&ctl->args, OPT_BEFORE)) {
        json_decref(params);
        return ctl_fail(error_set(&err, -EINVAL, "--before goes with a selection, not with ids"),
                        &err);
    }
    int status = ids ? change_ids(ctl, ids) : change_selected(ctl, params);
    json_decref(params);
    return status;
}

int cmd_cancel(struct ctl *ctl)
{
    return change_jobs(ctl);
}

int cmd_retry(struct ctl *ctl)
{
    return change_jobs(ctl);
}
