/* The memory engine: nothing survives the daemon. Everything runs on the control loop, within the
 * calls; only their mails come later. */
#include "store/memory.h"

#include "base/clock.h"
#include "base/list.h"
#include "store/memory_rows.h"
#include "store/memory_schedules.h"
#include "store/window_pick.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_US     (INT64_C(7) * 86400 * 1000000)
#define KEEP_COUNT  UINT64_C(100000)
#define FORGET_STEP 64   /* rows forgotten at most in one call: more than one call can add */
#define SCAN_ROWS   2000 /* rows that a list looks at in one turn of the loop */

struct memory {
    struct store store;
    struct store_config config;
    struct rows rows;
    struct schedule_rows schedules;
    struct list scans; /* lists under way */
    struct mail scan_mail;
};

static struct memory *memory_of(struct store *s)
{
    return container_of(s, struct memory, store);
}

static void done(struct memory *m, struct store_call *call, int result)
{
    call->result = result;
    if (result == -ENOMEM)
        error_set(&call->error, result, "out of memory");
    mailbox_post(m->store.mailbox, &call->mail);
}

/* Forgets ended rows that are too old or too many, a bounded number of them. */
static void forget(struct memory *m)
{
    int64_t limit = clock_real_us() - m->config.keep_finished_us;
    for (int i = 0; i < FORGET_STEP; i++) {
        struct row *row = rows_oldest_end(&m->rows);
        bool many = rows_ended(&m->rows) > m->config.keep_finished_count;
        if (!row || (!many && row->job.finished >= limit))
            return;
        rows_remove(&m->rows, row);
    }
}

/* The row, if `attempt` is its current one and it has not ended; else the call has its error. */
static struct row *row_current(struct memory *m, struct store_call *call, uint64_t id,
                               uint32_t attempt)
{
    struct row *row = rows_get(&m->rows, id);
    if (!row)
        call->result =
            error_set(&call->error, -ENOENT, "there is no job %llu", (unsigned long long)id);
    else if (job_state_final(row->job.state))
        call->result = error_set(&call->error, -ESTALE, "job %llu has ended: it is %s",
                                 (unsigned long long)id, job_state_name(row->job.state));
    else if (row->job.attempt != attempt)
        call->result =
            error_set(&call->error, -ESTALE, "attempt %u of job %llu is over: it is at %u", attempt,
                      (unsigned long long)id, row->job.attempt);
    else
        return row;
    return NULL;
}

/* --- submit ----------------------------------------------------------------------------------- */

/* 0, also for a key that is known; or why nothing of the call may stay. */
static int submit_item(struct memory *m, const struct store_submit *call,
                       struct store_submit_item *item, struct error *err)
{
    struct user_count *user = user_counts_get(&m->rows.users, item->job->uid);
    const struct store_job *job = item->job;
    const struct row *known = job->key ? rows_get_key(&m->rows, job->uid, job->key) : NULL;
    item->result = 0;
    item->existing = false;
    if (known) {
        item->existing = strcmp(known->job.spec, job->spec) == 0;
        item->result = item->existing ? 0 : -EEXIST;
        item->job->id = known->job.id;
        return 0;
    }
    int r = user ? store_check_room(&m->config, &m->rows.counts, job, err) : -ENOMEM;
    if (r == 0)
        r = store_check_user(call, job, user->pending, err);
    if (r < 0)
        return r;
    r = rows_add(&m->rows, item->job);
    item->job->id = r < 0 ? 0 : m->rows.counts.last_id;
    item->job->rank = store_rank(item->job);
    if (r == 0 && item->claim) {
        struct row *row = rows_get(&m->rows, item->job->id);
        row_set_state(&m->rows, row, JOB_RUNNING, 0);
        item->job->attempt = row->job.attempt = 1;
        item->job->state = JOB_RUNNING;
    }
    return r;
}

static void undo_submit(struct memory *m, struct store_submit *call, uint64_t last_id)
{
    rows_undo(&m->rows, last_id);
    for (size_t i = 0; i < call->count; i++) {
        call->items[i].existing = false;
        call->items[i].result = 0;
        call->items[i].job->id = 0;
        store_submit_unclaim(&call->items[i]);
    }
}

/* The job's own definition is what a claim that is folded in brings along. */
static void run_of_schedule(struct memory *m, struct store_submit *call)
{
    struct store_job *job = call->items[0].job;
    schedule_rows_run(&m->schedules, call->run, job->id);
    if (call->items[0].claim)
        job->definition = schedule_rows_copy(&m->schedules, call->run->name);
}

static void memory_submit(struct store *s, struct store_submit *call)
{
    struct memory *m = memory_of(s);
    uint64_t last_id = m->rows.counts.last_id;
    int r = 0;

    forget(m);
    if (call->run)
        r = schedule_rows_check(&m->schedules, call->run, &call->call.error);
    for (size_t i = 0; i < call->count && r == 0; i++)
        r = submit_item(m, call, &call->items[i], &call->call.error);
    if (r < 0)
        undo_submit(m, call, last_id);
    else if (call->run)
        run_of_schedule(m, call);
    done(m, &call->call, r);
}

/* --- a job's way ------------------------------------------------------------------------------ */

static void memory_claim(struct store *s, struct store_claim *call)
{
    struct memory *m = memory_of(s);
    struct row *row = rows_get(&m->rows, call->id);
    int r = 0;
    call->definition = NULL;
    if (!row) {
        r = error_set(&call->call.error, -ENOENT, "there is no job %llu",
                      (unsigned long long)call->id);
    } else if (row->job.state != JOB_QUEUED && row->job.state != JOB_WAITING) {
        r = error_set(&call->call.error, -ESTALE, "job %llu cannot be claimed: it is %s",
                      (unsigned long long)call->id, job_state_name(row->job.state));
    } else if (row->job.attempt != call->attempt) {
        r = error_set(&call->call.error, -ESTALE, "attempt %u of job %llu is over: it is at %u",
                      call->attempt, (unsigned long long)call->id, row->job.attempt);
    } else {
        row_set_state(&m->rows, row, JOB_RUNNING, 0);
        row->job.attempt++;
        call->definition = schedule_rows_copy(&m->schedules, row->job.schedule);
    }
    done(m, &call->call, r);
}

static int end_row(struct memory *m, struct row *row, const struct store_finish *call)
{
    char *verdict = call->verdict ? strdup(call->verdict) : NULL;
    if (call->verdict && !verdict)
        return -ENOMEM;
    int r = row_number_end(&m->rows, row);
    if (r < 0) {
        free(verdict);
        return r;
    }
    row->job.finished = call->finished;
    row->job.error = call->error;
    row->job.verdict = verdict;
    row_set_state(&m->rows, row, call->state, 0);
    if (call->end)
        schedule_rows_end(&m->schedules, call);
    return 0;
}

static void memory_finish(struct store *s, struct store_finish *call)
{
    struct memory *m = memory_of(s);
    int r;
    if (!job_state_final(call->state) || call->state >= JOB_STATE_COUNT_) {
        r = error_set(&call->call.error, -EINVAL, "a job does not end as %s",
                      job_state_name(call->state));
    } else {
        struct row *row = row_current(m, &call->call, call->id, call->attempt);
        r = row ? store_check_running(call, row->job.state) : call->call.result;
        if (r == 0)
            r = end_row(m, row, call);
    }
    forget(m);
    done(m, &call->call, r);
}

/* Without memory the history lacks a line: it is told, not needed. */
static void remember(struct store_job *job, const char *line)
{
    char *longer = NULL;
    const char *old = job->history ? job->history : "";
    if (!line || strlen(old) + strlen(line) >= STORE_HISTORY_MAX ||
        asprintf(&longer, "%s%s%s", old, *old ? "," : "", line) < 0)
        return;
    free(job->history);
    job->history = longer;
}

static void memory_postpone(struct store *s, struct store_postpone *call)
{
    struct memory *m = memory_of(s);
    struct row *row = row_current(m, &call->call, call->id, call->attempt);
    int r = row ? 0 : call->call.result;
    if (row && row->job.state != JOB_RUNNING) {
        r = error_set(&call->call.error, -ESTALE, "job %llu does not run: it is %s",
                      (unsigned long long)call->id, job_state_name(row->job.state));
    } else if (row) {
        row->job.interrupted += call->interrupted;
        row->job.torn += call->torn;
        row->job.ran = call->ran;
        row_set_state(&m->rows, row, call->due ? JOB_WAITING : JOB_QUEUED, call->due);
        remember(&row->job, call->line);
    }
    done(m, &call->call, r);
}

/* --- questions -------------------------------------------------------------------------------- */

static void memory_get(struct store *s, struct store_get *call)
{
    struct memory *m = memory_of(s);
    const struct row *row = rows_get(&m->rows, call->id);
    int r = 0;
    call->job = row ? store_job_copy(&row->job) : NULL;
    if (!row)
        r = error_set(&call->call.error, -ENOENT, "there is no job %llu",
                      (unsigned long long)call->id);
    else if (!call->job)
        r = -ENOMEM;
    done(m, &call->call, r);
}

static void done_jobs(struct memory *m, struct store_call *call, int result,
                      struct store_job ***jobs, size_t *count)
{
    if (result < 0) {
        store_jobs_free(*jobs, *count);
        *jobs = NULL;
        *count = 0;
    }
    done(m, call, result);
}

/* Looks at some rows below call->next, which is the cursor until the call is done. True once it
 * is. */
static bool scan(struct memory *m, struct store_list *call)
{
    int r = 0;
    for (int i = 0; i < SCAN_ROWS; i++) {
        uint64_t id;
        const struct row *row = idmap_below(&m->rows.by_id, call->next, &id);
        if (!row || store_list_full(call)) {
            call->next = row ? call->next : 0;
            done_jobs(m, &call->call, 0, &call->jobs, &call->count);
            return true;
        }
        bool wanted = store_select_match(&call->select, &row->job);
        if (wanted)
            r = store_jobs_add(&call->jobs, &call->count, &row->job);
        if (r < 0) {
            done_jobs(m, &call->call, r, &call->jobs, &call->count);
            return true;
        }
        if (wanted)
            store_list_count(call);
        call->next = id;
    }
    return false;
}

static void on_scan(struct mail *mail)
{
    struct memory *m = container_of(mail, struct memory, scan_mail);
    struct store_list *call = container_of(list_pop(&m->scans), struct store_list, call.link);
    if (!scan(m, call))
        list_add_tail(&m->scans, &call->call.link);
    if (!list_empty(&m->scans))
        mailbox_post(m->store.mailbox, &m->scan_mail);
}

static void memory_list(struct store *s, struct store_list *call)
{
    struct memory *m = memory_of(s);
    call->jobs = NULL;
    call->count = call->bytes = 0;
    call->next = call->before ? call->before : m->rows.counts.last_id + 1;
    if (call->select.state >= 0 && m->rows.counts.by_state[call->select.state] == 0)
        call->next = 0; /* there is none to be looked for */
    if (scan(m, call))
        return;
    list_add_tail(&m->scans, &call->call.link);
    mailbox_post(m->store.mailbox, &m->scan_mail);
}

static void set_skip(struct memory *m, const struct store_window_host *wanted, bool skip)
{
    for (size_t i = 0; i < wanted->skip_count; i++) {
        struct row *row = rows_get(&m->rows, wanted->skip[i]);
        if (row)
            row->skip = skip;
    }
}

/* The first rows of one user, as many as are wanted of him. */
static int pick_user(struct window_pick *pick, struct host *host, uint32_t uid, size_t limit,
                     struct store_window_host *wanted)
{
    size_t n = 0;
    int r = 0;
    for (struct row *row = host_first_ready(host, uid, wanted->from_rank);
         row && row->job.uid == uid && r == 0; row = host_next_ready(row)) {
        if (row->skip)
            continue;
        if (n == limit)
            return store_window_leave(wanted, uid);
        if (!window_pick_wants(pick, row->job.rank, row->job.id))
            return 0;
        r = window_pick_add(pick, row->job.rank, row->job.id);
        n++;
    }
    return r;
}

static int pick_rows(struct window_pick *pick, struct host *host, const struct store_window *call,
                     struct store_window_host *wanted)
{
    struct row *row = host_first_ready(host, 0, INT64_MIN);
    int r = 0;
    while (row && r == 0) {
        uint32_t uid = row->job.uid;
        r = pick_user(pick, host, uid, store_window_limit(call, uid), wanted);
        window_pick_merge(pick);
        row = uid < UINT32_MAX ? host_first_ready(host, uid + 1, INT64_MIN) : NULL;
    }
    return r;
}

static int fill_window(struct memory *m, struct host *host, const struct store_window *call,
                       struct store_window_host *wanted)
{
    struct window_pick pick;
    window_pick_init(&pick, wanted->limit);
    host_promote(host, call->now, &wanted->next_due);
    int r = pick_rows(&pick, host, call, wanted);
    for (size_t i = 0; i < pick.count && r == 0; i++)
        r = store_jobs_add(&wanted->jobs, &wanted->count,
                           &rows_get(&m->rows, pick.rows[i].id)->job);
    window_pick_deinit(&pick);
    return r;
}

static void memory_window(struct store *s, struct store_window *call)
{
    struct memory *m = memory_of(s);
    int r = 0;
    for (size_t i = 0; i < call->count; i++) {
        call->hosts[i].jobs = NULL;
        call->hosts[i].count = 0;
        call->hosts[i].next_due = 0;
        call->hosts[i].left_out = NULL;
        call->hosts[i].left_count = 0;
    }
    for (size_t i = 0; i < call->count && r == 0; i++) {
        struct host *host = rows_get_host(&m->rows, call->hosts[i].host);
        if (!host)
            continue;
        set_skip(m, &call->hosts[i], true);
        r = fill_window(m, host, call, &call->hosts[i]);
        set_skip(m, &call->hosts[i], false);
    }
    if (r < 0)
        store_window_reset(call);
    done(m, &call->call, r);
}

static void memory_hosts(struct store *s, struct store_hosts *call)
{
    struct memory *m = memory_of(s);
    int r = 0;
    call->hosts = NULL;
    call->count = 0;
    for (struct host *host = rows_host_after(&m->rows, call->after);
         host && r == 0 && call->count < call->limit; host = rows_next_host(host))
        if (host_waits(host))
            r = store_hosts_add(call, host->name);
    if (r < 0)
        store_hosts_free(call);
    done(m, &call->call, r);
}

static void memory_ended(struct store *s, struct store_ended *call)
{
    struct memory *m = memory_of(s);
    uint64_t seq = call->after.seq;
    int r = 0;
    call->jobs = NULL;
    call->count = 0;
    while (r == 0 && call->count < call->limit && seq < m->rows.counts.last_finish_seq) {
        const struct row *row = idmap_from(&m->rows.ended, seq + 1, &seq);
        if (!row)
            break;
        r = store_jobs_add(&call->jobs, &call->count, &row->job);
    }
    if (r == 0 && call->count > 0)
        call->after.seq = call->jobs[call->count - 1]->finish_seq;
    done_jobs(m, &call->call, r, &call->jobs, &call->count);
}

/* --- schedules -------------------------------------------------------------------------------- */

static void memory_schedules(struct store *s, struct store_schedules *call)
{
    struct memory *m = memory_of(s);
    done(m, &call->call, schedule_rows_list(&m->schedules, call));
}

static void memory_schedule_get(struct store *s, struct store_schedule_get *call)
{
    struct memory *m = memory_of(s);
    call->rows = NULL;
    done(m, &call->call, schedule_rows_get(&m->schedules, call));
}

static void memory_schedule_pass(struct store *s, struct store_schedule_pass *call)
{
    struct memory *m = memory_of(s);
    done(m, &call->call, schedule_rows_pass(&m->schedules, call));
}

static void memory_schedule_put(struct store *s, struct store_schedule_put *call)
{
    struct memory *m = memory_of(s);
    done(m, &call->call, schedule_rows_put(&m->schedules, call));
}

static void memory_counts(struct store *s, struct store_counts *ret_counts)
{
    *ret_counts = memory_of(s)->rows.counts;
}

/* --- life ------------------------------------------------------------------------------------- */

static void memory_free(struct store *s)
{
    struct memory *m = memory_of(s);
    rows_deinit(&m->rows);
    schedule_rows_deinit(&m->schedules);
    free(m);
}

static const struct store_engine memory_engine = {.name = "memory",
                                                  .keeps = false,
                                                  .submit = memory_submit,
                                                  .claim = memory_claim,
                                                  .finish = memory_finish,
                                                  .postpone = memory_postpone,
                                                  .get = memory_get,
                                                  .list = memory_list,
                                                  .window = memory_window,
                                                  .hosts = memory_hosts,
                                                  .ended = memory_ended,
                                                  .schedules = memory_schedules,
                                                  .schedule_get = memory_schedule_get,
                                                  .schedule_pass = memory_schedule_pass,
                                                  .schedule_put = memory_schedule_put,
                                                  .counts = memory_counts,
                                                  .free = memory_free};

int store_memory_new(const struct store_config *config, struct mailbox *mailbox,
                     struct store **ret_store, struct error *err)
{
    struct memory *m = calloc(1, sizeof *m);
    if (!m)
        return error_set(err, -ENOMEM, "store: out of memory");
    m->store = (struct store){.engine = &memory_engine, .mailbox = mailbox};
    m->config = *config;
    m->config.path = NULL;
    if (m->config.keep_finished_us <= 0)
        m->config.keep_finished_us = KEEP_US;
    if (!m->config.keep_finished_count)
        m->config.keep_finished_count = KEEP_COUNT;
    rows_init(&m->rows);
    schedule_rows_init(&m->schedules, &m->rows.counts);
    list_init(&m->scans);
    mail_init(&m->scan_mail, on_scan);
    *ret_store = &m->store;
    return 0;
}
