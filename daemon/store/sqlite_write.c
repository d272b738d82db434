/* Changes: each runs within the transaction that the thread has begun. What a call is refused for
 * stands in the call; what stops the database stands in s->fault, and undoes the whole
 * transaction. */
#include "store/sqlite_write.h"

#include "base/clock.h"
#include "store/sqlite_stmt.h"
#include "store/sqlite_schedule.h"

#include <errno.h>
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

static int insert(struct sqlite *s, const struct store_submit_item *item)
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
    return 0;
}

void write_undo_submit(struct store_submit *call)
{
    for (size_t i = 0; i < call->count; i++) {
        call->items[i].existing = false;
        call->items[i].result = 0;
        call->items[i].job->id = 0;
        store_submit_unclaim(&call->items[i]);
    }
}

/* The rows after last_id, whose ids nobody has seen, go again. */
static int refuse_full(struct sqlite *s, struct store_submit *call,
                       const struct store_counts *before, const struct error *why)
{
    sqlite3_bind_int64(s->stmts[STMT_UNDO], 1, (sqlite3_int64)before->last_id);
    int r = stmt_run(s, STMT_UNDO);
    if (r < 0)
        return r;
    s->counts = *before;
    write_undo_submit(call);
    call->call.result = -EDQUOT;
    call->call.error = *why;
    return 0;
}

int write_submit(struct sqlite *s, struct store_submit *call)
{
    const struct store_counts before = s->counts;
    struct error why;
    call->call.result = 0;
    for (size_t i = 0; i < call->count; i++) {
        struct store_submit_item *item = &call->items[i];
        item->result = 0;
        item->existing = false;
        int r = item->job->key ? find_key(s, item) : 0;
        if (r == 0 && store_check_room(&s->config, &s->counts, item->job, &why) < 0)
            return refuse_full(s, call, &before, &why);
        if (r == 0)
            r = insert(s, item);
        if (r < 0)
            return r;
    }
    return call->run ? write_schedule_run(s, call->run, call->items[0].job->id) : 0;
}

/* --- a job's way ------------------------------------------------------------------------------ */

/* 1 and the row's state; 0: there is none, and the call says so; or a fault. */
static int find_state(struct sqlite *s, struct store_call *call, uint64_t id,
                      enum job_state *ret_state, uint32_t *ret_attempt)
{
    sqlite3_stmt *stmt = s->stmts[STMT_STATE];
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)id);
    int r = stmt_step(s, STMT_STATE);
    if (r == 1) {
        *ret_state = (enum job_state)sqlite3_column_int(stmt, 0);
        *ret_attempt = (uint32_t)sqlite3_column_int64(stmt, 1);
        stmt_reset(s, STMT_STATE);
    } else if (r == 0) {
        call->result =
            error_set(&call->error, -ENOENT, "there is no job %llu", (unsigned long long)id);
    }
    return r;
}

/* As find_state; 0 also if `attempt` is not the current one or the job has ended. */
static int find_current(struct sqlite *s, struct store_call *call, uint64_t id, uint32_t attempt,
                        enum job_state *ret_state)
{
    uint32_t current;
    int r = find_state(s, call, id, ret_state, &current);
    if (r != 1)
        return r;
    if (job_state_final(*ret_state))
        call->result = error_set(&call->error, -ESTALE, "job %llu has ended: it is %s",
                                 (unsigned long long)id, job_state_name(*ret_state));
    else if (current != attempt)
        call->result =
            error_set(&call->error, -ESTALE, "attempt %u of job %llu is over: it is at %u", attempt,
                      (unsigned long long)id, current);
    else
        return 1;
    return 0;
}

int write_claim(struct sqlite *s, struct store_claim *call)
{
    enum job_state state;
    uint32_t attempt;
    call->call.result = 0;
    int r = find_state(s, &call->call, call->id, &state, &attempt);
    if (r != 1)
        return r;
    if (state != JOB_QUEUED && state != JOB_WAITING) {
        call->call.result =
            error_set(&call->call.error, -ESTALE, "job %llu cannot be claimed: it is %s",
                      (unsigned long long)call->id, job_state_name(state));
        return 0;
    }
    sqlite3_bind_int64(s->stmts[STMT_CLAIM], 1, (sqlite3_int64)call->id);
    sqlite3_bind_int64(s->stmts[STMT_CLAIM], 2, (sqlite3_int64)attempt + 1);
    r = stmt_run(s, STMT_CLAIM);
    if (r < 0)
        return r;
    call->attempt = attempt + 1;
    moved(s, state, JOB_RUNNING);
    return 0;
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
    r = stmt_run(s, STMT_POSTPONE);
    if (r == 0)
        moved(s, JOB_RUNNING, next);
    return r;
}

static int spec_bytes(struct sqlite *s, uint64_t id, uint64_t *ret_bytes)
{
    sqlite3_stmt *stmt = s->stmts[STMT_BYTES];
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)id);
    int r = stmt_step(s, STMT_BYTES);
    *ret_bytes = r == 1 ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
    if (r == 1)
        stmt_reset(s, STMT_BYTES);
    return r < 0 ? r : 0;
}

static int write_end(struct sqlite *s, const struct store_finish *call, enum job_state from)
{
    sqlite3_stmt *stmt = s->stmts[STMT_FINISH];
    sqlite3_int64 seq = (sqlite3_int64)s->counts.last_finish_seq + 1;
    uint64_t bytes;
    int r = spec_bytes(s, call->id, &bytes);
    if (r < 0)
        return r;
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
    return r == 1 ? write_end(s, call, state) : r;
}

/* --- figures, and forgetting ------------------------------------------------------------------ */

static int write_count(struct sqlite *s, int state, uint64_t count)
{
    sqlite3_bind_int(s->stmts[STMT_SET_COUNT], 1, state);
    sqlite3_bind_int64(s->stmts[STMT_SET_COUNT], 2, (sqlite3_int64)count);
    return stmt_run(s, STMT_SET_COUNT);
}

int write_counts(struct sqlite *s, bool always)
{
    const struct store_counts *now = &s->counts, *before = &s->visible;
    int r = 0;
    for (int i = 0; i < JOB_STATE_COUNT_ && r == 0; i++)
        if (now->by_state[i] != before->by_state[i] || always)
            r = write_count(s, i, now->by_state[i]);
    if (r == 0 && (now->pending_bytes != before->pending_bytes || always))
        r = write_count(s, SQLITE_PENDING_BYTES, now->pending_bytes);
    return r;
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
    r = find_state(s, &unused, (uint64_t)id, &state, &attempt);
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
