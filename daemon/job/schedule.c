#include "job/schedule.h"

#include "base/clock.h"
#include "base/log.h"
#include "job/calls.h"
#include "job/job.h"
#include "job/submit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECOND      INT64_C(1000000)
#define LOOK_LATEST (60 * NS_PER_SEC) /* the day's clock may be set, and the machine may sleep */
#define CATCH_UP    (30 * SECOND)     /* within this time after the start what was missed is run */

static struct schedule *of_node(struct tree_node *node)
{
    return node ? container_of(node, struct schedule, entry) : NULL;
}

static int compare(const struct tree_node *a, const struct tree_node *b)
{
    return strcmp(container_of(a, struct schedule, entry)->row->name,
                  container_of(b, struct schedule, entry)->row->name);
}

/* --- the table --------------------------------------------------------------------------------- */

struct schedule *schedules_find(struct schedules *schedules, const char *name)
{
    struct store_schedule wanted = {.name = (char *)(uintptr_t)name};
    struct schedule key = {.row = &wanted};
    return of_node(tree_find(&schedules->tree, &key.entry));
}

struct schedule *schedules_after(struct schedules *schedules, const char *name)
{
    struct store_schedule wanted = {.name = (char *)(uintptr_t)name};
    struct schedule key = {.row = &wanted};
    return name ? of_node(tree_after(&schedules->tree, &key.entry)) : schedules_first(schedules);
}

struct schedule *schedules_first(const struct schedules *schedules)
{
    return of_node(tree_first(&schedules->tree));
}

struct schedule *schedule_next(const struct schedule *schedule)
{
    return of_node(tree_next(&schedule->entry));
}

static void schedule_free(struct schedule *s)
{
    store_schedule_free(s->row);
    schedule_spec_deinit(&s->spec);
    free(s->problem);
    free(s);
}

int schedules_add(struct schedules *schedules, struct store_schedule *row,
                  struct schedule_spec *spec)
{
    struct schedule *s = calloc(1, sizeof *s);
    if (!s) {
        store_schedule_free(row);
        schedule_spec_deinit(spec);
        return -ENOMEM;
    }
    s->row = row;
    s->spec = *spec;
    *spec = (struct schedule_spec){0};
    s->due = row->next_at;
    if (tree_insert(&schedules->tree, &s->entry)) {
        schedule_free(s);
        return -EEXIST;
    }
    schedules->count++;
    return 0;
}

void schedules_remove(struct schedules *schedules, struct schedule *s)
{
    tree_remove(&schedules->tree, &s->entry);
    schedules->count--;
    schedule_free(s);
}

bool schedule_failing(const struct schedule *s)
{
    return s->problem || s->row->last_state == JOB_FAILED;
}

/* Told once, not at every try. NULL: there is none any more. */
static void set_problem(struct schedule *s, const char *text)
{
    if (text && (!s->problem || strcmp(s->problem, text) != 0))
        log_warning("schedule %s: it cannot be run: %s", s->row->name, text);
    free(s->problem);
    s->problem = text ? strdup(text) : NULL;
}

/* --- a run ------------------------------------------------------------------------------------- */

struct run {
    struct store_submit submit;
    struct store_submit_item item;
    struct store_schedule_run run;
    struct schedules *schedules;
    struct jobs_call *call;
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
    if (run->call) {
        call_fail_store(run->call, why);
        return;
    }
    if (!s)
        return;
    if (!store_failing(run->schedules->jobs->config.store))
        set_problem(s, why->error.text);
    s->due = clock_real_us() + (why->result == -EDQUOT ? 2 : 1) * SECOND;
}

static void on_submitted(struct mail *mail)
{
    struct run *run = container_of(mail, struct run, submit.call.mail);
    struct schedules *schedules = run->schedules;
    struct jobs *jobs = schedules->jobs;
    struct schedule *s = schedules_find(schedules, run->name); /* it may have been removed */

    schedules->calls_out--;
    if (s)
        s->starting = false;
    if (run->submit.call.result < 0) {
        run_refused(run, s);
    } else {
        uint64_t id = run->item.job->id;
        if (s) {
            note_run(s, run, id);
            set_problem(s, NULL);
        }
        jobs->submitted++;
        if (run->call)
            call_reply(run->call, json_pack("{s:I}", "id", (json_int_t)id));
        submission_queue(jobs, run->item.job, run->spec);
        run->item.job = NULL;
        run->spec = NULL;
    }
    run_free(run);
    schedules_look(schedules);
    jobs_drain_step(jobs);
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

void schedule_start(struct schedules *schedules, struct schedule *s, int64_t next_at,
                    struct jobs_call *call)
{
    struct error err = {"out of memory"};
    struct store *store = schedules->jobs->config.store;
    struct run *run = calloc(1, sizeof *run);
    int r = run && (run->name = strdup(s->row->name)) ? 0 : -ENOMEM;
    if (r == 0) {
        run->schedules = schedules;
        r = make_job(s, run, &err);
    }
    if (r < 0) {
        run_free(run);
        set_problem(s, err.text);
        s->due = r == -ENOMEM ? clock_real_us() + SECOND : next_at;
        if (call)
            call_fail(call, r == -ENOMEM ? JOBS_INTERNAL : JOBS_INVALID_PARAMS, NULL, "%s",
                      err.text);
        return;
    }
    run->call = call;
    run->run = (struct store_schedule_run){
        .name = run->name, .at = clock_real_us(), .next_at = next_at, .skipped = s->row->skipped};
    run->submit = (struct store_submit){.items = &run->item, .count = 1, .run = &run->run};
    mail_init(&run->submit.call.mail, on_submitted);
    s->starting = true;
    s->forced = false;
    s->due = next_at;
    schedules->calls_out++;
    store->engine->submit(store, &run->submit);
}

/* --- the clock --------------------------------------------------------------------------------- */

static void run_due(struct schedules *schedules, struct schedule *s, int64_t now)
{
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
    schedule_start(schedules, s, next, NULL);
}

void schedules_look(struct schedules *schedules)
{
    int64_t next = INT64_MAX, now = clock_real_us();
    for (struct schedule *s = schedules_first(schedules); s; s = schedule_next(s))
        if (!s->starting && !s->row->paused && s->spec.job && s->due < next)
            next = s->due;
    if (next == INT64_MAX || schedules->jobs->draining)
        return;
    uint64_t wait = next > now ? (uint64_t)(next - now) * 1000 : 0;
    schedules->look_at = clock_now() + (wait < LOOK_LATEST ? wait : LOOK_LATEST);
    jobs_set_timer(schedules->jobs, schedules->look_at);
}

void schedules_check(struct jobs *jobs)
{
    struct schedules *schedules = jobs->schedules;
    if (!schedules->look_at || jobs->draining)
        return;
    if (clock_now() < schedules->look_at) {
        jobs_set_timer(jobs, schedules->look_at);
        return;
    }
    schedules->look_at = 0;
    if (!schedules->loaded) {
        schedules_load(schedules);
        return;
    }
    if (schedules->changing)
        return; /* what starts now would be of the schedule as it was; the change's end looks again */
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

bool schedules_busy(const struct schedules *schedules)
{
    return schedules->calls_out > 0;
}

/* --- at the start ------------------------------------------------------------------------------- */

static int read_stored(const char *text, struct schedule_spec *spec, struct error *err)
{
    const char *field;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
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
    int added = schedules_add(schedules, row, &spec);
    struct schedule *s = added == 0 ? schedules_find(schedules, name) : NULL;
    if (!s)
        log_error("no memory for a schedule: it does not run until the daemon is started again");
    else if (r < 0)
        set_problem(s, err.text);
    else
        catch_up(s, clock_real_us());
}

static void on_loaded(struct mail *mail)
{
    struct schedules *schedules = container_of(mail, struct schedules, load.call.mail);
    struct store_schedules *call = &schedules->load;
    schedules->calls_out--;
    if (call->call.result < 0 && !schedules->jobs->draining) {
        log_error("the schedules could not be read, and are tried again: %s",
                  call->call.error.text);
        schedules->look_at = clock_now() + NS_PER_SEC;
        jobs_set_timer(schedules->jobs, schedules->look_at);
        return;
    }
    for (size_t i = 0; i < call->count; i++)
        take(schedules, call->rows[i]);
    free(call->rows);
    schedules->loaded = true;
    if (schedules->count > 0)
        log_info("%zu schedules", schedules->count);
    schedules_go_on(schedules);
    schedules_look(schedules);
    jobs_drain_step(schedules->jobs);
}

void schedules_load(struct schedules *schedules)
{
    struct store *store = schedules->jobs->config.store;
    schedules->load = (struct store_schedules){.count = 0};
    mail_init(&schedules->load.call.mail, on_loaded);
    schedules->calls_out++;
    store->engine->schedules(store, &schedules->load);
}

int schedules_new(struct jobs *jobs, struct schedules **ret_schedules)
{
    struct schedules *schedules = calloc(1, sizeof *schedules);
    if (!schedules)
        return -ENOMEM;
    schedules->jobs = jobs;
    schedules->looked_at = INT64_MAX;
    list_init(&schedules->waiting);
    tree_init(&schedules->tree, compare);
    *ret_schedules = schedules;
    return 0;
}

void schedules_free(struct schedules *schedules)
{
    if (!schedules)
        return;
    for (struct schedule *s; (s = schedules_first(schedules));)
        schedules_remove(schedules, s);
    free(schedules);
}
