#include "schedule/schedules.h"

#include "base/clock.h"
#include "base/json_read.h"
#include "base/log.h"
#include "job/drain.h"
#include "job/intake.h"
#include "job/job.h"
#include "job/submission.h"
#include "schedule/run_hooks.h"
#include "schedule/timetable.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECOND      INT64_C(1000000)
#define LOOK_LATEST (60 * NS_PER_SEC) /* the day's clock may be set, and the machine may sleep */
#define CATCH_UP    (30 * SECOND)     /* within this time after the start what was missed is run */

void schedules_tell(struct schedules *schedules, void (*tell)(void *arg), void *arg)
{
    schedules->tell = tell;
    schedules->tell_arg = arg;
}

void schedules_settled(struct schedules *schedules)
{
    if (schedules->tell)
        schedules->tell(schedules->tell_arg);
}

/* --- a run ------------------------------------------------------------------------------------ */

struct run {
    struct store_submit submit;
    struct store_submit_item item;
    struct store_schedule_run run;
    struct schedules *schedules;
    struct schedule_ask *ask;
    struct spec *spec;
    char *name;
    int64_t due; /* to be tried again, if it is refused */
};

static void run_free(struct run *run)
{
    if (!run)
        return;
    store_job_free(run->item.job);
    spec_free(run->spec);
    free(run->name);
    free(run);
}

static void note_run(struct schedule *s, const struct run *run, uint64_t id)
{
    s->row->job = s->row->last_job = id;
    s->row->runs++;
    s->late = false;
    s->row->last_run = run->run.at;
    s->row->next_at = run->run.next_at;
}

static void run_refused(struct run *run, struct schedule *s)
{
    struct store_call *why = &run->submit.call;
    if (run->ask) {
        run->ask->done(run->ask, 0, why);
        return;
    }
    if (!s)
        return;
    if (!store_failing(run->schedules->jobs->config.store))
        schedule_set_problem(s, why->error.text);
    s->due = clock_real_us() + (why->result == -EDQUOT ? 2 : 1) * SECOND;
}

static void on_submitted(struct mail *mail)
{
    struct run *run = container_of(mail, struct run, submit.call.mail);
    struct schedules *schedules = run->schedules;
    struct jobs *jobs = schedules->jobs;
    struct schedule *s = schedules_find(schedules, run->name); /* it may have been removed */

    if (s)
        s->starting = false;
    if (run->submit.call.result < 0) {
        run_refused(run, s);
    } else {
        uint64_t id = run->item.job->id;
        if (s) {
            note_run(s, run, id);
            schedule_set_problem(s, NULL);
        }
        jobs->submitted++;
        if (run->ask)
            run->ask->done(run->ask, id, NULL);
        intake_row(jobs, run->item.job, run->spec);
        run->item.job = NULL;
        run->spec = NULL;
    }
    run_free(run);
    schedules_look(schedules);
    drain_allow(jobs);
}

static int make_job(struct schedule *s, struct run *run, struct error *err)
{
    const char *field;
    struct submission submission = {.json = s->spec.job,
                                    .peer = {.uid = s->row->uid, .gid = s->row->gid},
                                    .schedule = s->row->name};
    if (!s->spec.job)
        return error_set(err, -EINVAL, "%s", s->problem ? s->problem : "it cannot be read");
    return submission_row(run->schedules->jobs, &submission, &run->item.job, &run->spec, err,
                          &field);
}

int schedule_start(struct schedules *schedules, struct schedule *s, int64_t next_at,
                   struct schedule_ask *ask, struct error *err)
{
    struct store *store = schedules->jobs->config.store;
    struct run *run = calloc(1, sizeof *run);
    int r = run && (run->name = strdup(s->row->name)) ? 0 : -ENOMEM;
    assert(jobs_are_current(schedules->jobs));
    if (r < 0) {
        error_set(err, r, "out of memory");
    } else {
        run->schedules = schedules;
        r = make_job(s, run, err);
    }
    if (r < 0) {
        run_free(run);
        schedule_set_problem(s, err->text);
        s->due = r == -ENOMEM ? clock_real_us() + SECOND : next_at;
        return r;
    }
    run->ask = ask;
    run->run = (struct store_schedule_run){
        .name = run->name, .at = clock_real_us(), .next_at = next_at, .skipped = s->row->skipped};
    run->submit = (struct store_submit){.items = &run->item, .count = 1, .run = &run->run};
    mail_init(&run->submit.call.mail, on_submitted);
    s->starting = true;
    s->forced = false;
    s->due = next_at;
    drain_defer(schedules->jobs);
    store->engine->submit(store, &run->submit);
    return 0;
}

/* --- the clock -------------------------------------------------------------------------------- */

static void run_due(struct schedules *schedules, struct schedule *s, int64_t now)
{
    struct error err; /* the schedule has it as its problem */
    int64_t next = timing_next(&s->spec.timing, s->row->name, s->row->next_at, now);
    if (s->row->job) {
        s->row->skipped++;
        s->row->next_at = s->due = next;
        if (s->late)
            return;
        s->late = true;
        log_info("schedule %s: its last run, job %llu, has not ended; this time is left out",
                 s->row->name, (unsigned long long)s->row->job);
        return;
    }
    schedule_start(schedules, s, next, NULL, &err);
}

static void on_timer(uv_timer_t *timer);

static void timer_set(struct schedules *schedules, uint64_t wait_ns)
{
    uv_update_time(schedules->jobs->config.loop);
    /* Never 0: libuv 1.44 runs a 0 ms timer that is set in its own callback at once. */
    uv_timer_start(&schedules->timer, on_timer, wait_ns / NS_PER_MS + 1, 0);
}

void schedules_look(struct schedules *schedules)
{
    int64_t next = INT64_MAX, now = clock_real_us();
    assert(jobs_are_current(schedules->jobs));
    if (schedules->jobs->draining)
        return;
    for (struct schedule *s = schedules_first(schedules); s; s = schedule_next(s))
        if (!s->starting && !s->row->paused && s->spec.job && s->due < next)
            next = s->due;
    if (next == INT64_MAX) {
        uv_timer_stop(&schedules->timer);
        return;
    }
    uint64_t wait = next > now ? (uint64_t)(next - now) * 1000 : 0;
    timer_set(schedules, wait < LOOK_LATEST ? wait : LOOK_LATEST);
}

static void start_due(struct schedules *schedules)
{
    int64_t now = clock_real_us();
    bool set_back = now < schedules->looked_at;
    schedules->looked_at = now;
    for (struct schedule *s = schedules_first(schedules); s; s = schedule_next(s)) {
        if (s->starting || s->row->paused || !s->spec.job)
            continue;
        if ((set_back || s->spec.timing.every) &&
            timing_too_far(&s->spec.timing, s->row->name, s->due, now))
            s->row->next_at = s->due = timing_first(&s->spec.timing, s->row->name, now);
        if (s->due <= now)
            run_due(schedules, s, now);
    }
    schedules_look(schedules);
}

static void schedules_load(struct schedules *schedules);

static void on_timer(uv_timer_t *timer)
{
    struct schedules *schedules = timer->data;
    if (schedules->jobs->draining)
        return;
    if (!schedules->loaded)
        schedules_load(schedules);
    else if (!schedules->changing) /* what starts now would be of the schedule as it was */
        start_due(schedules);      /* and the change's end looks again */
}

json_t *schedules_figures(struct schedules *schedules)
{
    size_t failing = 0, paused = 0;
    for (struct schedule *s = schedules_first(schedules); s; s = schedule_next(s)) {
        failing += schedule_failing(s);
        paused += s->row->paused;
    }
    return json_pack("{s:I, s:I, s:I}", "total", (json_int_t)schedules->count, "failing",
                     (json_int_t)failing, "paused", (json_int_t)paused);
}

/* --- at the start ----------------------------------------------------------------------------- */

static int read_stored(const char *text, struct schedule_spec *spec, struct error *err)
{
    const char *field;
    json_error_t where;
    json_t *json = json_read_text(text, JSON_REJECT_DUPLICATES, &where);
    if (!json)
        return error_set(err, -EINVAL, "what is stored is not JSON: %s", where.text);
    int r = schedule_spec_parse(json, spec, err, &field);
    json_decref(json);
    return r;
}

/* What was missed is run once, and not all of it in one moment. */
static void catch_up(struct schedule *s, int64_t now)
{
    int64_t jitter = s->spec.timing.jitter;
    if (s->due > now)
        return;
    int64_t window = jitter < CATCH_UP ? jitter : CATCH_UP;
    s->due =
        now + (jitter > 0 ? timing_offset(&s->spec.timing, s->row->name) * window / jitter : 0);
}

static void take(struct schedules *schedules, struct store_schedule *row)
{
    struct error err;
    struct schedule_spec spec = {0};
    int r = read_stored(row->spec, &spec, &err);
    const char *name = row->name;
    int added = schedules_add(schedules, NULL, row, &spec);
    struct schedule *s = added == 0 ? schedules_find(schedules, name) : NULL;
    if (!s)
        log_error("no memory for a schedule: it does not run until the daemon is started again");
    else if (r < 0)
        schedule_set_problem(s, err.text);
    else
        catch_up(s, clock_real_us());
}

static void on_loaded(struct mail *mail)
{
    struct schedules *schedules = container_of(mail, struct schedules, load.call.mail);
    struct store_schedules *call = &schedules->load;
    if (call->call.result < 0 && !schedules->jobs->draining) {
        log_error("the schedules could not be read, and are tried again: %s",
                  call->call.error.text);
        timer_set(schedules, NS_PER_SEC);
        drain_allow(schedules->jobs);
        return;
    }
    for (size_t i = 0; i < call->count; i++)
        take(schedules, call->rows[i]);
    free(call->rows);
    schedules->loaded = true;
    if (schedules->count > 0)
        log_info("%zu schedules", schedules->count);
    schedules_settled(schedules);
    schedules_look(schedules);
    drain_allow(schedules->jobs);
}

static void schedules_load(struct schedules *schedules)
{
    struct store *store = schedules->jobs->config.store;
    schedules->load = (struct store_schedules){.count = 0};
    mail_init(&schedules->load.call.mail, on_loaded);
    drain_defer(schedules->jobs);
    store->engine->schedules(store, &schedules->load);
}

int schedules_new(struct jobs *jobs, struct schedules **ret_schedules, struct error *err)
{
    struct schedules *schedules = calloc(1, sizeof *schedules);
    if (!schedules)
        return error_set(err, -ENOMEM, "no memory for the schedules");
    int r = uv_timer_init(jobs->config.loop, &schedules->timer);
    if (r < 0) {
        free(schedules);
        return error_set(err, r, "no timer for the schedules: %s", uv_strerror(r));
    }
    schedules->timer.data = schedules;
    schedules->jobs = jobs;
    schedules->looked_at = INT64_MAX;
    timetable_init(schedules);
    run_hooks_init(schedules);
    schedules_load(schedules);
    *ret_schedules = schedules;
    return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct schedules *schedules = handle->data;
    void (*closed)(void *) = schedules->closed;
    void *arg = schedules->closed_arg;
    timetable_deinit(schedules);
    free(schedules);
    if (closed)
        closed(arg);
}

void schedules_close(struct schedules *schedules, void (*closed)(void *arg), void *arg)
{
    schedules->closed = closed;
    schedules->closed_arg = arg;
    run_hooks_deinit(schedules);
    uv_close((uv_handle_t *)&schedules->timer, on_timer_closed);
}
