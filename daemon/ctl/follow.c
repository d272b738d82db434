#include "ctl/follow.h"
#include "base/json_read.h"
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/job_text.h"
#include "ctl/out.h"
#include "ctl/records.h"
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

/* Of named jobs alone it is known when all of their records are there. Bare ones are those of whole
 * bodies; so are those that are held back until the job is done: they come all at once then, and
 * faster than anybody reads. */
static bool takes_whole(const struct follow *f, const struct args *args, bool named)
{
    const char *deliver = args_value(args, OPT_DELIVER);
    return named && (f->data || (deliver && strcmp(deliver, "commit") == 0));
}

int follow_init(struct follow *f, const struct args *args, bool named, const struct wire *main,
                struct error *err)
{
    const char *list = args_value(args, OPT_EVENTS);
    *f = (struct follow){.data = args_has(args, OPT_DATA), .main = main, .side.wire.fd = -1};
    f->whole = takes_whole(f, args, named);
    if (f->data && list)
        return error_set(err, -EINVAL,
                         "--data prints records only: --events has no place beside it");
    int r = list || f->data ? set_events(f,
                                         list       ? list
                                         : f->whole ? "record,verdict"
                                                    : "record,attempt",
                                         err)
                            : 0;
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
    wire_close(&f->side.wire);
    *f = (struct follow){.side.wire.fd = -1};
}

json_t *follow_events(const struct follow *f)
{
    static const char *const but_records[] = {"attempt", "verdict"}; /* all that a job has */
    const char *const *events = f->events ? (const char *const *)f->events : but_records;
    size_t count = f->events ? f->event_count : sizeof but_records / sizeof but_records[0];
    bool verdict = false;
    if (!f->events && !f->whole)
        return NULL;
    json_t *names = json_array();
    for (size_t i = 0; i < count; i++) {
        verdict |= strcmp(events[i], "verdict") == 0;
        if (!f->whole || strcmp(events[i], "record") != 0)
            json_array_append_new(names, json_string(events[i]));
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

/* Bare records do not say it: with whole bodies alone it is why there are none. */
static void tell_failure(const struct follow *f, struct slice line)
{
    struct job_view view;
    struct buf text = BUF_INIT;
    json_t *job = json_read(line.p, line.len, JSON_ALLOW_NUL, NULL);
    job_view_read(job, &view);
    job_put_verdict(&text, &view);
    if (f->whole)
        buf_printf(&text, " (attempt %" PRIi64 ")", view.attempt);
    if (isatty(STDERR_FILENO))
        job_put_way_on(&text, view.id);
    if (f->data && job && !text.failed && (f->whole || isatty(STDERR_FILENO)))
        out_error("job %.*s", (int)text.len, text.data);
    buf_deinit(&text);
    json_decref(job);
}

/* A verdict's line is written before the store has its end. 0, also with a refusal: whoever asks
 * for the records next is told why. -EINTR: Ctrl-C. */
static int wait_for_end(struct follow *f, uint64_t id)
{
    struct answer answer;
    struct error err;
    json_t *params = json_pack("{s:[I]}", "ids", (json_int_t)id);
    int r = params ? conn_call(&f->side, "wait", params, &answer, &err) : -ENOMEM;
    if (r >= 0)
        answer_deinit(&answer);
    return r == -EINTR ? r : 0;
}

/* Its records, by a connection of their own: notifications may come by this one meanwhile. */
static int print_records(struct follow *f, struct slice line)
{
    struct slice value;
    uint64_t id;
    struct error err;
    if (!slice_member(line, "job", &value) || !slice_u64(value, &id))
        return 0;
    int r = f->side.wire.fd < 0 ? wire_open(&f->side.wire, f->main->path, &err) : 0;
    if (r < 0)
        out_error("job %" PRIu64 ": %s", id, err.text);
    else if (wait_for_end(f, id) < 0)
        return -EINTR;
    int status = r < 0 ? EXIT_REFUSED : records_print(&f->side, id, 0, !f->data);
    if (status == EXIT_INTERRUPTED)
        return -EINTR;
    f->status = ctl_worse(f->status, status);
    return 0;
}

/* What was printed of it may have come twice, or in part. */
static void note_attempt(struct follow *f, struct slice line)
{
    struct slice value, job = {"?", 1}, attempt = {"?", 1};
    uint64_t records = 0;
    if (f->whole || !slice_member(line, "outcome", &value) || slice_equals(value, "done"))
        return;
    if (!slice_member(line, "records", &value) || !slice_u64(value, &records) || records == 0)
        return;
    slice_member(line, "job", &job);
    slice_member(line, "attempt", &attempt);
    f->status = ctl_worse(f->status, EXIT_JOB_FAILED);
    out_error("attempt %.*s of job %.*s came to nothing: what was printed of it does not count",
              (int)attempt.len, attempt.p, (int)job.len, job.p);
}

static int note_verdict(struct follow *f, struct slice line)
{
    static const struct slice record = {"\"record\"", 8};
    struct slice value;
    uint64_t id;
    bool done = !slice_member(line, "state", &value) || slice_equals(value, "done");
    if (!done && f->status == 0)
        f->status = EXIT_JOB_FAILED;
    if (!done)
        tell_failure(f, line);
    else if (f->whole && wanted(f, record) && print_records(f, line) < 0)
        return -EINTR;
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
    /* Records that are read only now stand before it. */
    int r = slice_equals(name, "verdict") ? note_verdict(f, line) : 0;
    if (r < 0)
        return r;
    if (wanted(f, name)) {
        if (!f->data)
            out_json(line.p, line.len);
        else if (slice_equals(name, "record") && slice_member(line, "data", &data))
            out_json(data.p, data.len);
    }
    if (f->data && slice_equals(name, "attempt"))
        note_attempt(f, line);
    return 0;
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

static void elsewhere(struct slice params)
{
    struct slice job, member;
    uint64_t id;
    if (slice_member(params, "job", &job) && slice_u64(job, &id) &&
        slice_member(params, "member", &member))
        out_error("job %" PRIu64 ": its records are in the log of %.*s", id, (int)member.len,
                  member.p);
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
    else if (slice_equals(method, "elsewhere"))
        elsewhere(params);
    else if (slice_equals(method, "end"))
        f->end = true;
    return r < 0 ? r : 1;
}
