/* Changes: each runs within the transaction that the thread has begun. What a call is refused for
 * stands in the call; what stops the database stands in s->fault, and undoes the whole
 * transaction. */
#include "store/sqlite_write.h"

#include "base/clock.h"
#include "store/sqlite_stmt.h"
#include "store/sqlite_schedule.h"
#include "store/schedule_row.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PLACE_NONE, PLACE_READY, PLACE_DUE };

static uint64_t ended(const struct sqlite *s)
{
    const uint64_t *n = s->counts.by_state;
    return n[JOB_DONE] + n[JOB_FAILED] + n[JOB_CANCELLED];
}

static void moved(struct sqlite *s, enum job_state from, enum job_state to)
{
    s->counts.by_state[from]--;
    s->counts.by_state[to]++;
}

/* --- submit ----------------------------------------------------------------------------------- */

/* 1: the key is known and the item is settled; 0: it is not; or a fault. */
static int find_key(struct sqlite *s, struct store_submit_item *item)
{
    sqlite3_stmt *stmt = s->stmts[STMT_KEY];
    sqlite3_bind_int64(stmt, 1, item->job->uid);
    stmt_bind_text(stmt, 2, item->job->key);
    int r = stmt_step(s, STMT_KEY);
    if (r != 1)
        return r;
    const char *spec = (const char *)sqlite3_column_text(stmt, 1);
    item->existing = spec && strcmp(spec, item->job->spec) == 0;
    item->result = item->existing ? 0 : -EEXIST;
    item->job->id = (uint64_t)sqlite3_column_int64(stmt, 0);
    stmt_reset(s, STMT_KEY);
    return 1;
}

static struct user_count *find_user(struct sqlite *s, uint32_t uid)
{
    struct user_count *user = user_counts_get(&s->users, uid);
    if (!user && s->fault_code == 0)
        s->fault_code = error_set(&s->fault, -ENOMEM, "%s: out of memory", s->path);
    return user;
}

static int insert(struct sqlite *s, const struct store_submit_item *item, struct user_count *user)
{
    sqlite3_stmt *stmt = s->stmts[STMT_INSERT];
    struct store_job *job = item->job;
    int i = 1;
    job->rank = store_rank(job);
    sqlite3_bind_int64(stmt, i++, (sqlite3_int64)s->counts.last_id + 1);
    sqlite3_bind_int(stmt, i++, item->claim); /* the attempt, and the state: JOB_RUNNING is 1 */
    sqlite3_bind_int(stmt, i++, item->claim ? PLACE_NONE : job->due ? PLACE_DUE : PLACE_READY);
    sqlite3_bind_int(stmt, i++, job->priority);
    sqlite3_bind_int64(stmt, i++, job->rank);
    sqlite3_bind_int64(stmt, i++, job->uid);
    sqlite3_bind_int64(stmt, i++, job->gid);
    sqlite3_bind_int64(stmt, i++, job->created);
    sqlite3_bind_int64(stmt, i++, job->due);
    sqlite3_bind_int64(stmt, i++, (sqlite3_int64)job->retry_of);
    stmt_bind_text(stmt, i++, job->host);
    stmt_bind_text(stmt, i++, job->parser);
    stmt_bind_text(stmt, i++, job->key);
    stmt_bind_text(stmt, i++, job->labels);
    stmt_bind_text(stmt, i++, job->spec);
    stmt_bind_text(stmt, i++, job->schedule);
    int r = stmt_run(s, STMT_INSERT);
    if (r < 0)
        return r;
    job->id = ++s->counts.last_id;
    if (item->claim) {
        job->state = JOB_RUNNING;
        job->attempt = 1;
    }
    s->counts.by_state[item->claim ? JOB_RUNNING : JOB_QUEUED]++;
    s->counts.pending_bytes += strlen(job->spec);
    user_count_add(&s->users, user, 1);
    return 0;
}

void write_undo_submit(struct store_submit *call)
{
    for (size_t i = 0; i < call->count; i++) {
        call->items[i].existing = false;
        call->items[i].result = 0;
        call->items[i].job->id = 0;
        store_submit_unclaim(&call->items[i]);
        store_schedule_free(call->items[i].job->definition);
        call->items[i].job->definition = NULL;
    }
}

/* The rows after last_id, whose ids nobody has seen, go again. */
static int refuse_full(struct sqlite *s, struct store_submit *call,
                       const struct store_counts *before, int code, const struct error *why)
{
    sqlite3_bind_int64(s->stmts[STMT_UNDO], 1, (sqlite3_int64)before->last_id);
    int r = stmt_run(s, STMT_UNDO);
    if (r < 0)
        return r;
    s->counts = *before;
    for (size_t i = 0; i < call->count; i++) {
        const struct store_submit_item *item = &call->items[i];
        /* One whose key was known, be it with another spec, has the id of a row of its own. */
        if (!item->existing && item->result == 0 && item->job->id > before->last_id)
            user_count_add(&s->users, find_user(s, item->job->uid), -1);
    }
    write_undo_submit(call);
    call->call.result = code;
    call->call.error = *why;
    return 0;
}

static int check_limits(const struct sqlite *s, const struct store_submit *call,
                        const struct store_job *job, uint64_t pending, struct error *why)
{
    int r = store_check_room(&s->config, &s->counts, job, why);
    return r < 0 ? r : store_check_user(call, job, pending, why);
}

int write_submit(struct sqlite *s, struct store_submit *call)
{
    const struct store_counts before = s->counts;
    struct schedule_look look;
    struct error why;
    call->call.result = 0;
    int refused = 0;
    int r = call->run ? check_schedule_run(s, call, &look) : 0;
    if (r < 0 || call->call.result < 0)
        return r;
    for (size_t i = 0; i < call->count; i++) {
        struct store_submit_item *item = &call->items[i];
        item->result = 0;
        item->existing = false;
        r = item->job->key ? find_key(s, item) : 0;
        struct user_count *user = r == 0 ? find_user(s, item->job->uid) : NULL;
        if (r == 0 && !user)
            return -ENOMEM;
        if (r == 0)
            refused = check_limits(s, call, item->job, user->pending, &why);
        if (refused < 0)
            return refuse_full(s, call, &before, refused, &why);
        if (r == 0)
            r = insert(s, item, user);
        if (r < 0)
            return r;
    }
    return call->run ? write_schedule_run(s, call, &look) : 0;
}

/* --- a job's way ------------------------------------------------------------------------------ */

/* 1 and the row's state; 0: there is none, and the call says so; or a fault. *ret_schedule (or
 * NULL): the name of its schedule, the caller's; NULL. */
static int find_state(struct sqlite *s, struct store_call *call, uint64_t id,
                      enum job_state *ret_state, uint32_t *ret_attempt, char **ret_schedule)
{
    sqlite3_stmt *stmt = s->stmts[STMT_STATE];
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)id);
    int r = stmt_step(s, STMT_STATE);
    if (r == 1) {
        *ret_state = (enum job_state)sqlite3_column_int(stmt, 0);
        *ret_attempt = (uint32_t)sqlite3_column_int64(stmt, 1);
        const char *schedule = ret_schedule ? (const char *)sqlite3_column_text(stmt, 2) : NULL;
        if (ret_schedule)
            *ret_schedule = schedule ? strdup(schedule) : NULL;
        stmt_reset(s, STMT_STATE);
    } else if (r == 0) {
        call->result =
            error_set(&call->error, -ENOENT, "there is no job %llu", (unsigned long long)id);
    }
    return r;
}

/* 0: the call says that the job is at another attempt than it names. */
static int call_is_late(struct store_call *call, uint64_t id, uint32_t named, uint32_t current)
{
    call->result = error_set(&call->error, -ESTALE, "attempt %u of job %llu is over: it is at %u",
                             named, (unsigned long long)id, current);
    return 0;
}

/* As find_state; 0 also if `attempt` is not the current one or the job has ended. */
static int find_current(struct sqlite *s, struct store_call *call, uint64_t id, uint32_t attempt,
                        enum job_state *ret_state)
{
    uint32_t current;
    int r = find_state(s, call, id, ret_state, &current, NULL);
    if (r != 1)
        return r;
    if (job_state_final(*ret_state))
        call->result = error_set(&call->error, -ESTALE, "job %llu has ended: it is %s",
                                 (unsigned long long)id, job_state_name(*ret_state));
    else if (current != attempt)
        return call_is_late(call, id, attempt, current);
    else
        return 1;
    return 0;
}

static int claim_row(struct sqlite *s, struct store_claim *call, enum job_state state,
                     uint32_t attempt)
{
    if (state != JOB_QUEUED && state != JOB_WAITING) {
        call->call.result =
            error_set(&call->call.error, -ESTALE, "job %llu cannot be claimed: it is %s",
                      (unsigned long long)call->id, job_state_name(state));
        return 0;
    }
    if (attempt != call->attempt)
        return call_is_late(&call->call, call->id, call->attempt, attempt);
    sqlite3_bind_int64(s->stmts[STMT_CLAIM], 1, (sqlite3_int64)call->id);
    sqlite3_bind_int64(s->stmts[STMT_CLAIM], 2, (sqlite3_int64)attempt + 1);
    int r = stmt_run(s, STMT_CLAIM);
    if (r < 0)
        return r;
    moved(s, state, JOB_RUNNING);
    return 0;
}

int write_claim(struct sqlite *s, struct store_claim *call)
{
    enum job_state state;
    uint32_t attempt;
    char *schedule = NULL;
    call->call.result = 0;
    int r = find_state(s, &call->call, call->id, &state, &attempt, &schedule);
    if (r == 1)
        r = claim_row(s, call, state, attempt);
    if (r == 0 && schedule && call->call.result == 0)
        r = read_schedule(s, schedule, &call->definition);
    free(schedule);
    return r;
}
int write_postpone(struct sqlite *s, struct store_postpone *call)
{
    enum job_state state;
    call->call.result = 0;
    int r = find_current(s, &call->call, call->id, call->attempt, &state);
    if (r != 1)
        return r;
    if (state != JOB_RUNNING) {
        call->call.result = error_set(&call->call.error, -ESTALE, "job %llu does not run: it is %s",
                                      (unsigned long long)call->id, job_state_name(state));
        return 0;
    }
    sqlite3_stmt *stmt = s->stmts[STMT_POSTPONE];
    enum job_state next = call->due ? JOB_WAITING : JOB_QUEUED;
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)call->id);
    sqlite3_bind_int(stmt, 2, next);
    sqlite3_bind_int(stmt, 3, call->due ? PLACE_DUE : PLACE_READY);
    sqlite3_bind_int64(stmt, 4, call->due);
    stmt_bind_text(stmt, 5, call->line);
    sqlite3_bind_int(stmt, 6, STORE_HISTORY_MAX);
    sqlite3_bind_int(stmt, 7, call->interrupted);
    sqlite3_bind_int(stmt, 8, call->torn);
    sqlite3_bind_int64(stmt, 9, call->ran);
    r = stmt_run(s, STMT_POSTPONE);
    if (r == 0)
        moved(s, JOB_RUNNING, next);
    return r;
}

static int spec_bytes(struct sqlite *s, uint64_t id, uint64_t *ret_bytes, uint32_t *ret_uid)
{
    sqlite3_stmt *stmt = s->stmts[STMT_BYTES];
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)id);
    int r = stmt_step(s, STMT_BYTES);
    *ret_bytes = r == 1 ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
    *ret_uid = r == 1 ? (uint32_t)sqlite3_column_int64(stmt, 1) : 0;
    if (r == 1)
        stmt_reset(s, STMT_BYTES);
    return r < 0 ? r : 0;
}

static int write_end(struct sqlite *s, const struct store_finish *call, enum job_state from)
{
    sqlite3_stmt *stmt = s->stmts[STMT_FINISH];
    sqlite3_int64 seq = (sqlite3_int64)s->counts.last_finish_seq + 1;
    uint64_t bytes;
    uint32_t uid;
    int r = spec_bytes(s, call->id, &bytes, &uid);
    struct user_count *user = r == 0 ? find_user(s, uid) : NULL;
    if (!user)
        return r < 0 ? r : -ENOMEM;
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)call->id);
    sqlite3_bind_int(stmt, 2, call->state);
    sqlite3_bind_int64(stmt, 3, call->finished);
    sqlite3_bind_int64(stmt, 4, seq);
    sqlite3_bind_int(stmt, 5, call->error);
    r = stmt_run(s, STMT_FINISH);
    if (r < 0)
        return r;
    stmt = s->stmts[STMT_VERDICT];
    sqlite3_bind_int64(stmt, 1, seq);
    sqlite3_bind_int64(stmt, 2, (sqlite3_int64)call->id);
    sqlite3_bind_int64(stmt, 3, call->finished);
    stmt_bind_text(stmt, 4, call->verdict);
    r = stmt_run(s, STMT_VERDICT);
    if (r < 0)
        return r;
    s->counts.last_finish_seq++;
    s->counts.pending_bytes -= bytes;
    user_count_add(&s->users, user, -1);
    moved(s, from, call->state);
    return call->end ? write_schedule_end(s, call) : 0;
}

int write_finish(struct sqlite *s, struct store_finish *call)
{
    enum job_state state;
    call->call.result = 0;
    if (!job_state_final(call->state) || call->state >= JOB_STATE_COUNT_) {
        call->call.result = error_set(&call->call.error, -EINVAL, "a job does not end as %s",
                                      job_state_name(call->state));
        return 0;
    }
    int r = find_current(s, &call->call, call->id, call->attempt, &state);
    if (r != 1)
        return r;
    call->call.result = store_check_running(call, state);
    return call->call.result == 0 ? write_end(s, call, state) : 0;
}

/* --- figures, and forgetting ------------------------------------------------------------------ */

static int write_count(struct sqlite *s, int state, uint64_t count)
{
    sqlite3_bind_int(s->stmts[STMT_SET_COUNT], 1, state);
    sqlite3_bind_int64(s->stmts[STMT_SET_COUNT], 2, (sqlite3_int64)count);
    return stmt_run(s, STMT_SET_COUNT);
}

static int write_users(struct sqlite *s)
{
    int r = 0;
    for (struct list *e = s->users.changed.next; e != &s->users.changed && r == 0; e = e->next) {
        const struct user_count *user = container_of(e, struct user_count, changed);
        sqlite3_bind_int64(s->stmts[STMT_SET_USER], 1, (sqlite3_int64)user->entry.id);
        sqlite3_bind_int64(s->stmts[STMT_SET_USER], 2, (sqlite3_int64)user->pending);
        r = stmt_run(s, STMT_SET_USER);
    }
    return r;
}

int write_counts(struct sqlite *s, bool always)
{
    struct store_counts *now = &s->counts, *before = &s->visible;
    int r = 0;
    for (int i = 0; i < SQLITE_FIGURES && r == 0; i++) {
        uint64_t count = *sqlite_figure(now, i);
        if (count != *sqlite_figure(before, i) || always)
            r = write_count(s, i, count);
    }
    return r < 0 ? r : write_users(s);
}

static bool too_many(const struct sqlite *s)
{
    return ended(s) > s->config.keep_finished_count;
}

bool forget_due(const struct sqlite *s)
{
    if (ended(s) == 0)
        return false;
    return too_many(s) || s->oldest_end < clock_real_us() - s->config.keep_finished_us;
}

/* The oldest end. 1 if it was forgotten, 0 if it stays. */
static int forget_one(struct sqlite *s, int64_t limit)
{
    sqlite3_stmt *stmt = s->stmts[STMT_OLDEST];
    int r = stmt_step(s, STMT_OLDEST);
    if (r != 1)
        return r;
    sqlite3_int64 seq = sqlite3_column_int64(stmt, 0), id = sqlite3_column_int64(stmt, 1);
    s->oldest_end = sqlite3_column_int64(stmt, 2);
    stmt_reset(s, STMT_OLDEST);
    if (!too_many(s) && s->oldest_end >= limit)
        return 0;
    struct store_call unused;
    enum job_state state;
    uint32_t attempt;
    r = find_state(s, &unused, (uint64_t)id, &state, &attempt, NULL);
    if (r < 0)
        return r;
    sqlite3_bind_int64(s->stmts[STMT_FORGET_VERDICT], 1, seq);
    sqlite3_bind_int64(s->stmts[STMT_FORGET_JOB], 1, id);
    int end = stmt_run(s, STMT_FORGET_VERDICT);
    if (end == 0)
        end = stmt_run(s, STMT_FORGET_JOB);
    if (end == 0 && r == 1)
        s->counts.by_state[state]--;
    return end < 0 ? end : 1;
}

int write_forget(struct sqlite *s, int max)
{
    int64_t limit = clock_real_us() - s->config.keep_finished_us;
    int r = 1;
    for (int i = 0; i < max && r == 1; i++)
        r = ended(s) > 0 ? forget_one(s, limit) : 0;
    return r;
}
