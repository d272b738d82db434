#include "ctl/follow.h"
#include "base/json_read.h"
#include "ctl/ask.h"
#include "ctl/job.h"
#include "ctl/out.h"
#include "ctl/slice.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int set_events(struct follow *f, const char *list, struct error *err)
{
    json_t *names, *name;
    size_t i;
    int r = ask_events(list, &names, err);
    if (r < 0)
        return r;
    f->events = calloc(json_array_size(names), sizeof *f->events);
    if (!f->events)
        r = error_set(err, -ENOMEM, "out of memory");
    json_array_foreach(names, i, name)
    {
        if (r == 0 && !(f->events[f->event_count++] = strdup(json_string_value(name))))
            r = error_set(err, -ENOMEM, "out of memory");
    }
    json_decref(names);
    return r;
}

int follow_init(struct follow *f, const struct args *args, struct error *err)
{
    const char *list = args_value(args, OPT_EVENTS);
    *f = (struct follow){.data = args_has(args, OPT_DATA)};
    if (f->data && list)
        return error_set(err, -EINVAL,
                         "--data prints records only: --events has no place beside it");
    int r = list || f->data ? set_events(f, list ? list : "record", err) : 0;
    if (r < 0)
        follow_deinit(f);
    return r;
}

void follow_deinit(struct follow *f)
{
    for (size_t i = 0; i < f->event_count; i++)
        free(f->events[i]);
    free(f->events);
    ids_deinit(&f->pending);
    ids_deinit(&f->early);
    *f = (struct follow){0};
}

json_t *follow_events(const struct follow *f)
{
    bool verdict = false;
    if (!f->events)
        return NULL;
    json_t *names = json_array();
    for (size_t i = 0; i < f->event_count; i++) {
        verdict |= strcmp(f->events[i], "verdict") == 0;
        json_array_append_new(names, json_string(f->events[i]));
    }
    if (!verdict)
        json_array_append_new(names, json_string("verdict"));
    return names;
}

int follow_expect(struct follow *f, uint64_t id)
{
    f->end = false;
    if (ids_remove(&f->early, id))
        return 0;
    int r = ids_add(&f->pending, id);
    return r < 0 ? r : 0;
}

static bool wanted(const struct follow *f, struct slice event)
{
    if (!f->events)
        return true;
    for (size_t i = 0; i < f->event_count; i++)
        if (slice_equals(event, f->events[i]))
            return true;
    return false;
}

/* Bare records do not say it. */
static void tell_failure(const struct follow *f, struct slice line)
{
    struct job_view view;
    struct buf text = BUF_INIT;
    json_t *job = json_read(line.p, line.len, JSON_ALLOW_NUL, NULL);
    job_view_read(job, &view);
    job_put_verdict(&text, &view);
    job_put_way_on(&text, view.id);
    if (f->data && job && !text.failed && isatty(STDERR_FILENO))
        out_error("job %.*s", (int)text.len, text.data);
    buf_deinit(&text);
    json_decref(job);
}

static int note_verdict(struct follow *f, struct slice line)
{
    struct slice value;
    uint64_t id;
    bool done = !slice_member(line, "state", &value) || slice_equals(value, "done");
    if (!done && f->status == 0)
        f->status = EXIT_JOB_FAILED;
    if (!done)
        tell_failure(f, line);
    f->ended++;
    if (!f->track || !slice_member(line, "job", &value) || !slice_u64(value, &id) || id == 0)
        return 0;
    if (ids_remove(&f->pending, id))
        return 0;
    int r = ids_add(&f->early, id); /* the answer with its id is still on the way */
    return r < 0 ? r : 0;
}

static int event(struct follow *f, struct slice line)
{
    struct slice name, data;
    if (!slice_member(line, "event", &name))
        return 0;
    if (wanted(f, name)) {
        if (!f->data)
            out_json(line.p, line.len);
        else if (slice_member(line, "data", &data))
            out_json(data.p, data.len);
    }
    return slice_equals(name, "verdict") ? note_verdict(f, line) : 0;
}

static void missed(struct follow *f, struct slice params)
{
    struct slice lines;
    uint64_t n;
    f->status = EXIT_REFUSED;
    if (slice_member(params, "lines", &lines) && slice_u64(lines, &n))
        out_error("%" PRIu64 " line%s missed: what was printed so far was read too slowly", n,
                  n == 1 ? " was" : "s were");
    else
        out_error("lines were missed: what was printed so far was read too slowly");
}

int follow_line(struct follow *f, const char *line, size_t len)
{
    struct slice method, params = {"{}", 2}, whole = {line, len};
    int r = 0;
    if (!slice_member(whole, "method", &method))
        return 0;
    slice_member(whole, "params", &params);
    if (slice_equals(method, "event"))
        r = event(f, params);
    else if (slice_equals(method, "missed") || slice_equals(method, "overflow"))
        missed(f, params);
    else if (slice_equals(method, "end"))
        f->end = true;
    return r < 0 ? r : 1;
}
