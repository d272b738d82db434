#include "schedule/schedules.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "job/drain.h"
#include "job/job.h"
#include "schedule/run_hooks.h"
#include "schedule/start.h"
#include "store/schedule_row.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECOND       INT64_C(1000000)
#define DAY          (86400 * SECOND)
#define LOOK_LATEST  (60 * NS_PER_SEC) /* the day's clock may be set, and the machine may sleep */
#define CATCH_UP     (30 * SECOND)     /* within this time after the start what was missed is run */
#define OVERDUE      (30 * SECOND)     /* in a fleet: whose host it is does not matter any more */
#define PAGE_ROWS    256
#define PAGE_BYTES   ((size_t)1 << 20)
#define TURN_RUNS    8   /* made in one slice */
#define STARTING_MAX 256 /* on their way to the store */

/* A schedule that is due: a run of it, or the news that there is none, is on the way to the
 * store. */
struct due {
    struct schedules *schedules;
    struct agenda_entry *entry;
    struct schedule_start start;
    struct store_schedule_pass pass;
    struct store_schedule_get get;
    const char *name; /* get's */
    char *problem;    /* pass's */
};

static void hold(struct schedules *schedules, uint64_t ns)
{
    schedules->hold_until = clock_now() + ns;
}

/* What was to be done about it is done. */
static void due_end(struct due *due)
{
    struct schedules *schedules = due->schedules;
    schedules->starting--;
    free(due->problem);
    free(due);
    schedules_look(schedules);
    drain_allow(schedules->jobs);
}

/* --- one that is not as it was read ----------------------------------------------------------- */

static void on_read_again(struct mail *mail)
{
    struct due *due = container_of(mail, struct due, get.call.mail);
    struct schedules *schedules = due->schedules;
    struct store_schedule *row = due->get.call.result == 0 ? due->get.rows[0] : NULL;
    free(due->get.rows);
    agenda_free_entry(&schedules->agenda, due->entry);
    if (row)
        agenda_take(&schedules->agenda, row);
    else if (due->get.call.result < 0)
        agenda_reread(&schedules->agenda);
    due_end(due);
}

static void read_again(struct due *due)
{
    struct store *store = due->schedules->jobs->config.store;
    due->name = due->entry->row->name;
    due->get = (struct store_schedule_get){.names = &due->name, .count = 1};
    mail_init(&due->get.call.mail, on_read_again);
    store->engine->schedule_get(store, &due->get);
}

/* --- one that cannot be run ------------------------------------------------------------------- */

static void on_passed(struct mail *mail)
{
    struct due *due = container_of(mail, struct due, pass.call.mail);
    struct agenda_entry *entry = due->entry;
    if (due->pass.call.result == -ESTALE) {
        read_again(due);
        return;
    }
    if (due->pass.call.result < 0) {
        hold(due->schedules, NS_PER_SEC);
    } else {
        free(entry->row->problem);
        entry->row->problem = due->problem;
        due->problem = NULL;
        entry->row->next_at = due->pass.next_at;
    }
    agenda_put_back(&due->schedules->agenda, entry, entry->row->next_at);
    due_end(due);
}

/* Takes the reason down, which is logged once and not at every try. */
static void pass(struct due *due, int64_t next_at, const char *problem)
{
    struct store *store = due->schedules->jobs->config.store;
    const struct store_schedule *row = due->entry->row;
    if (!row->problem || strcmp(row->problem, problem) != 0)
        log_warning("schedule %s: it cannot be run: %s", row->name, problem);
    due->problem = strdup(problem);
    due->pass = (struct store_schedule_pass){.name = row->name,
                                             .version = row->version,
                                             .expected = row->next_at,
                                             .next_at = next_at,
                                             .problem = due->problem};
    mail_init(&due->pass.call.mail, on_passed);
    store->engine->schedule_pass(store, &due->pass);
}

/* A user who has his number of jobs is no matter of others: the time is left out. But a full queue
 * or a store that fails is: it is tried again, and so are all others. */
static void refused(struct due *due)
{
    struct schedules *schedules = due->schedules;
    struct agenda_entry *entry = due->entry;
    const struct store_call *call = &due->start.submit.call;
    if (call->result == -EUSERS) {
        pass(due, due->start.run.next_at, call->error.text);
        return;
    }
    bool told = entry->row->problem && strcmp(entry->row->problem, call->error.text) == 0;
    bool first = schedules->hold_until == 0;
    hold(schedules, (call->result == -EDQUOT ? 2 : 1) * NS_PER_SEC);
    if (first && !told && !store_failing(schedules->jobs->config.store)) {
        pass(due, entry->row->next_at, call->error.text);
        return;
    }
    agenda_put_back(&schedules->agenda, entry, entry->due);
    due_end(due);
}

/* --- one that others are to start ------------------------------------------------------------- */

/* It takes no place in the agenda, which holds so many and no more, until it is read again: at this
 * time, when it is overdue if nobody has started it. */
static void leave(struct due *due, int64_t until)
{
    struct schedules *schedules = due->schedules;
    if (!schedules->again_at || until < schedules->again_at)
        schedules->again_at = until;
    agenda_free_entry(&schedules->agenda, due->entry);
    due_end(due);
}

/* --- runs ------------------------------------------------------------------------------------- */

/* The time has been had, or passed over. */
static void go_on(struct due *due)
{
    struct store_schedule *row = due->entry->row;
    row->next_at = due->start.run.next_at;
    if (due->start.submit.call.result == 0) {
        free(row->problem);
        row->problem = NULL;
    } else if (due->start.run.left_out == 1) {
        log_info("schedule %s: its last run, job %llu, has not ended; this time is left out",
                 row->name, (unsigned long long)due->start.run.job);
    }
    agenda_put_back(&due->schedules->agenda, due->entry, row->next_at);
    due_end(due);
}

static void on_started(struct schedule_start *start)
{
    struct due *due = container_of(start, struct due, start);
    int r = start->submit.call.result;
    if (r == 0 || r == -EBUSY)
        go_on(due);
    else if (r == -ESTALE)
        read_again(due);
    else
        refused(due);
}

/* How much later it is, as it was missed: not all of that is run in one moment. But if there is
 * more of it than is known here, it is run as it comes. */
static int64_t missed_by(const struct schedules *schedules, const struct agenda_entry *entry,
                         const struct timing *timing, int64_t now)
{
    int64_t window = timing->jitter < CATCH_UP ? timing->jitter : CATCH_UP;
    if (entry->spread || entry->row->next_at > schedules->started_at || timing->jitter <= 0 ||
        schedules->agenda.read_at < now)
        return 0;
    return timing_offset(timing, entry->row->name) * window / timing->jitter;
}

static void keep_zone(struct schedules *schedules, struct timing *timing)
{
    struct timing *kept = &schedules->zones[schedules->zone_next++ % SCHEDULE_ZONES];
    timing_deinit(kept);
    *kept = *timing;
    *timing = (struct timing){0};
}

static void run_plan(struct due *due, struct schedule_plan *plan, int64_t now)
{
    struct schedules *schedules = due->schedules;
    struct agenda_entry *entry = due->entry;
    struct error err;
    int64_t later = missed_by(schedules, entry, &plan->timing, now);
    if (later > 0) {
        entry->spread = true;
        agenda_put_back(&schedules->agenda, entry, schedules->started_at + later);
        due_end(due);
        return;
    }
    int64_t late = now - entry->row->next_at;
    struct schedule_how how = {
        .next_at = timing_next(&plan->timing, entry->row->name, entry->row->next_at, now),
        .owned = late < OVERDUE,
        .left = late < 2 * OVERDUE};
    due->start.done = on_started;
    int r = schedule_start(&due->start, schedules->jobs, entry->row, plan->job, how, &err);
    if (r == 0)
        return;
    if (r == SCHEDULE_ANOTHERS) {
        leave(due, (how.owned ? entry->row->next_at : now) + OVERDUE);
    } else if (r == -ENOMEM) {
        hold(schedules, NS_PER_SEC);
        agenda_put_back(&schedules->agenda, entry, entry->due);
        due_end(due);
    } else {
        pass(due, how.next_at, err.text);
    }
}

/* False: there was no memory to begin with it. */
static bool run(struct schedules *schedules, struct agenda_entry *entry, int64_t now)
{
    struct schedule_plan plan;
    struct error err;
    struct due *due = calloc(1, sizeof *due);
    if (!due)
        return false;
    due->schedules = schedules;
    due->entry = entry;
    agenda_begin(&schedules->agenda, entry);
    schedules->starting++;
    drain_defer(schedules->jobs);
    int r = schedule_plan_read(entry->row->spec, &plan, &err);
    if (r == 0) {
        run_plan(due, &plan, now);
        keep_zone(schedules, &plan.timing);
        schedule_plan_deinit(&plan);
    } else if (r == -EINVAL) {
        pass(due, now + DAY, err.text); /* another version may be able to read it */
    } else {
        hold(schedules, NS_PER_SEC);
        agenda_put_back(&schedules->agenda, entry, entry->due);
        due_end(due);
    }
    return true;
}

/* --- the clock -------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);

static void timer_set(struct schedules *schedules, uint64_t wait_ns)
{
    uv_update_time(schedules->jobs->config.loop);
    /* Never 0: libuv 1.44 runs a 0 ms timer that is set in its own callback at once. */
    uv_timer_start(&schedules->timer, on_timer, wait_ns / NS_PER_MS + 1, 0);
}

static int64_t ahead_now(const struct jobs *jobs)
{
    return jobs_now(jobs) - (int64_t)(clock_now() / 1000);
}

static void check_clock(struct schedules *schedules)
{
    int64_t ahead = ahead_now(schedules->jobs);
    if (ahead < schedules->ahead - SECOND)
        set_back_begin(&schedules->set_back);
    schedules->ahead = ahead;
}

/* What waits is read again, so that there is room for what was not known; a page that is under way
 * may have been read before that. */
static void forget(struct schedules *schedules)
{
    schedules->stale = schedules->loading;
    for (struct agenda_entry *e; (e = agenda_first(&schedules->agenda));)
        agenda_free_entry(&schedules->agenda, e);
    agenda_reread(&schedules->agenda);
}

static void read_all_again(struct schedules *schedules)
{
    forget(schedules);
    schedules_look(schedules);
}

static void on_looked_back(struct set_back *walk)
{
    read_all_again(container_of(walk, struct schedules, set_back));
}

/* In a fleet; or other hosts are ours now. */
static void on_changed_elsewhere(struct job_watch *watch)
{
    read_all_again(container_of(watch, struct schedules, watch));
}

static void schedules_load(struct schedules *schedules);

static bool held(struct schedules *schedules, uint64_t now)
{
    if (schedules->hold_until && now >= schedules->hold_until)
        schedules->hold_until = 0;
    return schedules->hold_until;
}

/* When the next one is to be started; LOOK_LATEST at most. 0: now. */
static uint64_t next_wait(struct schedules *schedules)
{
    uint64_t now = clock_now();
    const struct agenda_entry *first = agenda_first(&schedules->agenda);
    int64_t real = jobs_now(schedules->jobs);
    if (held(schedules, now))
        return schedules->hold_until - now;
    int64_t due = first ? first->due : INT64_MAX;
    if (schedules->again_at && schedules->again_at < due)
        due = schedules->again_at;
    if (due > real + (int64_t)(LOOK_LATEST / 1000))
        return LOOK_LATEST;
    return due > real ? (uint64_t)(due - real) * 1000 : 0;
}

void schedules_look(struct schedules *schedules)
{
    assert(jobs_are_current(schedules->jobs));
    if (schedules->jobs->draining) {
        uv_timer_stop(&schedules->timer);
        return;
    }
    if (schedules->again_at && jobs_now(schedules->jobs) >= schedules->again_at) {
        schedules->again_at = 0;
        forget(schedules);
    }
    uint64_t wait = next_wait(schedules);
    if (!schedules->loading && !held(schedules, clock_now()) &&
        agenda_wants_more(&schedules->agenda))
        schedules_load(schedules);
    if (wait > 0) {
        timer_set(schedules, wait);
    } else if (!schedules->turning && schedules->starting < STARTING_MAX) {
        schedules->turning = true;
        drain_defer(schedules->jobs);
        slices_add(&schedules->slices, &schedules->turn);
    }
}

static void on_turn(struct slice *slice)
{
    struct schedules *schedules = container_of(slice, struct schedules, turn);
    int64_t now = jobs_now(schedules->jobs);
    check_clock(schedules);
    for (int i = 0; i < TURN_RUNS && schedules->starting < STARTING_MAX; i++) {
        struct agenda_entry *entry = agenda_first(&schedules->agenda);
        if (schedules->jobs->draining || !entry || entry->due > now || held(schedules, clock_now()))
            break;
        if (!run(schedules, entry, now)) {
            hold(schedules, NS_PER_SEC);
            break;
        }
    }
    schedules->turning = false;
    schedules_look(schedules);
    drain_allow(schedules->jobs);
}

static void on_timer(uv_timer_t *timer)
{
    struct schedules *schedules = timer->data;
    if (schedules->jobs->draining)
        return;
    check_clock(schedules);
    schedules_look(schedules);
}

/* --- what is due next ------------------------------------------------------------------------- */

/* Unless the agenda has come to reach less far meanwhile: then it is read again from there. */
static void take_page(struct agenda *agenda, struct store_schedules *load)
{
    if (agenda->read_at == load->after_at &&
        (!load->after || strcmp(agenda->read_name, load->after) == 0))
        agenda_set_read(agenda, load->more ? load->rows[load->count - 1] : NULL);
    for (size_t i = 0; i < load->count; i++)
        agenda_take(agenda, load->rows[i]);
    free(load->rows);
}

static void on_loaded(struct mail *mail)
{
    struct schedules *schedules = container_of(mail, struct schedules, load.call.mail);
    struct store_schedules *load = &schedules->load;
    schedules->loading = false;
    if (load->call.result < 0) {
        if (!schedules->jobs->draining)
            log_error("the schedules could not be read, and are tried again: %s",
                      load->call.error.text);
        hold(schedules, NS_PER_SEC);
    } else if (schedules->stale) {
        store_schedules_free(load->rows, load->count);
    } else {
        take_page(&schedules->agenda, load);
    }
    schedules_look(schedules);
    drain_allow(schedules->jobs);
}

static void schedules_load(struct schedules *schedules)
{
    struct store *store = schedules->jobs->config.store;
    const struct agenda *agenda = &schedules->agenda;
    schedules->loading = true;
    schedules->stale = false;
    strcpy(schedules->load_after, agenda->read_name);
    schedules->load = (struct store_schedules){
        .due = true,
        .after_at = agenda->read_at,
        .after = agenda->read_at > INT64_MIN ? schedules->load_after : NULL,
        .limit = PAGE_ROWS,
        .max_bytes = PAGE_BYTES};
    mail_init(&schedules->load.call.mail, on_loaded);
    drain_defer(schedules->jobs);
    store->engine->schedules(store, &schedules->load);
}

void schedules_changed(struct schedules *schedules, struct store_schedule *row)
{
    agenda_drop(&schedules->agenda, row->name);
    agenda_take(&schedules->agenda, row);
}

void schedules_removed(struct schedules *schedules, const char *name)
{
    agenda_drop(&schedules->agenda, name);
}

/* --- life ------------------------------------------------------------------------------------- */

/* What the store knows of the time before. */
static void look_back(struct schedules *schedules)
{
    struct store *store = schedules->jobs->config.store;
    struct store_counts counts;
    store->engine->counts(store, &counts);
    if (counts.schedules > 0)
        log_info("%llu schedules", (unsigned long long)counts.schedules);
    if ((int64_t)counts.seen > schedules->started_at + STORE_SEEN_US)
        set_back_begin(&schedules->set_back);
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
    schedules->started_at = jobs_now(jobs);
    schedules->ahead = ahead_now(jobs);
    agenda_init(&schedules->agenda);
    slices_init(&schedules->slices, jobs->config.mailbox);
    schedules->turn.step = on_turn;
    set_back_init(&schedules->set_back, jobs, &schedules->slices, on_looked_back);
    run_hooks_init(jobs);
    schedules->watch = (struct job_watch){.schedules = on_changed_elsewhere};
    job_watch_add(jobs, &schedules->watch);
    look_back(schedules);
    schedules_look(schedules);
    *ret_schedules = schedules;
    return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct schedules *schedules = handle->data;
    void (*closed)(void *) = schedules->closed;
    void *arg = schedules->closed_arg;
    agenda_deinit(&schedules->agenda);
    for (size_t i = 0; i < SCHEDULE_ZONES; i++)
        timing_deinit(&schedules->zones[i]);
    free(schedules);
    if (closed)
        closed(arg);
}

void schedules_close(struct schedules *schedules, void (*closed)(void *arg), void *arg)
{
    assert(schedules->starting == 0 && !schedules->turning && !schedules->loading &&
           !schedules->set_back.under_way);
    schedules->closed = closed;
    schedules->closed_arg = arg;
    run_hooks_deinit(schedules->jobs);
    job_watch_remove(&schedules->watch);
    uv_close((uv_handle_t *)&schedules->timer, on_timer_closed);
}
