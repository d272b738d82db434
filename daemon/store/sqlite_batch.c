/* Group commit. All calls that wait are one transaction; each is given back once that is on the
 * disk.
 *
 * When the disk fails the transaction is undone, and then: submits and claims are refused with the
 * reason (nothing was acknowledged); finish and postpone are held and tried again, because what
 * they say has happened and stands in the log already; reads are answered from what is committed.
 * Until a try has succeeded the store is `failing`. */
#include "store/sqlite_batch.h"

#include "base/clock.h"
#include "store/schedule_row.h"
#include "store/sqlite_place.h"
#include "store/sqlite_stmt.h"
#include "store/sqlite_write.h"
#include "store/sqlite_read.h"
#include "store/sqlite_schedule.h"

#include <errno.h>
#include <stdlib.h>

#define FORGET_IDLE 256

static void give_back(struct sqlite *s, struct store_call *call)
{
    mailbox_post(s->store.mailbox, &call->mail); /* the last touch: the call may be gone now */
}

static struct store_call *pop(struct list *list)
{
    struct list *e = list_pop(list);
    return e ? container_of(e, struct store_call, link) : NULL;
}

#define CALL_AS(type, c) container_of(c, struct type, call)

/* --- one call --------------------------------------------------------------------------------- */

static bool is_write(const struct store_call *call)
{
    return call->op <= OP_POSTPONE;
}

static void refuse_damaged(struct sqlite *s, struct store_call *call)
{
    call->result = error_set(&call->error, -EBADMSG, "%s", s->check.text.text);
}

static void run_write(struct sqlite *s, struct store_call *call)
{
    bool damaged = atomic_load(&s->check.damaged);
    switch (call->op) {
    case OP_SUBMIT:
        if (damaged)
            refuse_damaged(s, call);
        else
            write_submit(s, CALL_AS(store_submit, call));
        return;
    case OP_CLAIM:
        if (damaged)
            refuse_damaged(s, call);
        else
            write_claim(s, CALL_AS(store_claim, call));
        return;
    case OP_SCHEDULE_PUT:
        if (damaged)
            refuse_damaged(s, call);
        else
            write_schedules(s, CALL_AS(store_schedule_put, call));
        return;
    case OP_SCHEDULE_PASS:
        if (damaged)
            refuse_damaged(s, call);
        else
            write_pass(s, CALL_AS(store_schedule_pass, call));
        return;
    case OP_FINISH:
        write_finish(s, CALL_AS(store_finish, call));
        return;
    default:
        write_postpone(s, CALL_AS(store_postpone, call));
        return;
    }
}

/* True if it is a list that goes on in a later turn. */
static bool run_read(struct sqlite *s, struct store_call *call, bool may_write)
{
    switch (call->op) {
    case OP_GET:
        read_get(s, CALL_AS(store_get, call));
        return false;
    case OP_LIST:
        return read_list(s, CALL_AS(store_list, call)) == 1;
    case OP_WINDOW:
        read_window(s, CALL_AS(store_window, call), may_write);
        return false;
    case OP_HOSTS:
        read_hosts(s, CALL_AS(store_hosts, call));
        return false;
    case OP_SCHEDULES:
        read_schedules(s, CALL_AS(store_schedules, call));
        return false;
    case OP_SCHEDULE_GET:
        read_schedules_named(s, CALL_AS(store_schedule_get, call));
        return false;
    default:
        read_ended(s, CALL_AS(store_ended, call));
        return false;
    }
}

/* What a call has found in a transaction that is undone. */
static void drop_result(struct sqlite *s, struct store_call *call)
{
    switch (call->op) {
    case OP_CLAIM:
        store_schedule_free(CALL_AS(store_claim, call)->definition);
        CALL_AS(store_claim, call)->definition = NULL;
        return;
    case OP_GET:
        store_job_free(CALL_AS(store_get, call)->job);
        CALL_AS(store_get, call)->job = NULL;
        return;
    case OP_LIST:
        store_jobs_free(CALL_AS(store_list, call)->jobs, CALL_AS(store_list, call)->count);
        read_list_begin(s, CALL_AS(store_list, call));
        return;
    case OP_WINDOW:
        store_window_reset(CALL_AS(store_window, call));
        return;
    case OP_ENDED:
        store_jobs_free(CALL_AS(store_ended, call)->jobs, CALL_AS(store_ended, call)->count);
        CALL_AS(store_ended, call)->jobs = NULL;
        CALL_AS(store_ended, call)->count = 0;
        return;
    case OP_HOSTS:
        store_hosts_free(CALL_AS(store_hosts, call));
        return;
    case OP_SCHEDULES:
        store_schedules_free(CALL_AS(store_schedules, call)->rows,
                             CALL_AS(store_schedules, call)->count);
        CALL_AS(store_schedules, call)->rows = NULL;
        CALL_AS(store_schedules, call)->count = 0;
        return;
    case OP_SCHEDULE_GET:
        store_schedules_free(CALL_AS(store_schedule_get, call)->rows,
                             CALL_AS(store_schedule_get, call)->count);
        CALL_AS(store_schedule_get, call)->rows = NULL;
        return;
    default:
        return;
    }
}

/* --- transactions ----------------------------------------------------------------------------- */

static bool begin(struct sqlite *s, bool write)
{
    s->fault_code = 0;
    return stmt_run(s, write ? STMT_BEGIN_WRITE : STMT_BEGIN) == 0;
}

static void undo(struct sqlite *s)
{
    if (!sqlite3_get_autocommit(s->db)) {
        sqlite3_step(s->stmts[STMT_ROLLBACK]);
        sqlite3_reset(s->stmts[STMT_ROLLBACK]);
    }
    s->counts = s->visible;
    user_counts_undo(&s->users);
    s->oldest_end = 0; /* to be looked up again */
}

/* True if it is on the disk; else undone. */
static bool end(struct sqlite *s)
{
    uint64_t since = clock_now();
    if (s->fault_code == 0 && place_check(s, true) == 0)
        stmt_run(s, STMT_COMMIT);
    if (s->fault_code != 0) {
        undo(s);
        return false;
    }
    pthread_mutex_lock(&s->lock);
    histogram_add(&s->commits, clock_now() - since);
    s->visible = s->counts;
    pthread_mutex_unlock(&s->lock);
    user_counts_commit(&s->users);
    return true;
}

/* --- failing ---------------------------------------------------------------------------------- */

static void set_failing(struct sqlite *s)
{
    pthread_mutex_lock(&s->lock);
    s->why = s->fault;
    pthread_mutex_unlock(&s->lock);
    s->why_code = s->fault_code;
    s->retry_at = clock_now() + s->config.retry_ns;
    if (!atomic_exchange(&s->failing, true) && s->config.trouble)
        s->config.trouble(s->config.arg, s->why.text);
}

static void set_working(struct sqlite *s)
{
    if (atomic_exchange(&s->failing, false) && s->config.trouble)
        s->config.trouble(s->config.arg, NULL);
}

static void refuse(struct sqlite *s, struct store_call *call)
{
    call->result = s->why_code;
    call->error = s->why;
    give_back(s, call);
}

/* A read by itself, from what is committed. */
static void answer(struct sqlite *s, struct store_call *call)
{
    s->fault_code = 0;
    if (run_read(s, call, false)) {
        list_add_tail(&s->scans, &call->link);
        return;
    }
    if (s->fault_code != 0) {
        drop_result(s, call);
        call->result = s->fault_code;
        call->error = s->fault;
    }
    give_back(s, call);
}

/* The store fails: what becomes of each call. None has been carried out. */
static void degrade(struct sqlite *s, struct list *batch)
{
    pthread_mutex_lock(&s->lock);
    bool hold = !s->giving_up;
    pthread_mutex_unlock(&s->lock);
    for (struct store_call *call; (call = pop(batch));) {
        if (!is_write(call)) {
            answer(s, call);
        } else if (hold && (call->op == OP_FINISH || call->op == OP_POSTPONE)) {
            list_add_tail(&s->held, &call->link);
        } else {
            if (call->op == OP_SUBMIT)
                write_undo_submit(CALL_AS(store_submit, call));
            refuse(s, call);
        }
    }
}

void batch_give_up(struct sqlite *s)
{
    for (struct store_call *call; (call = pop(&s->held));)
        refuse(s, call);
}

void batch_look(struct sqlite *s)
{
    if (!atomic_load(&s->failing) && place_check(s, false) < 0)
        set_failing(s);
}

void batch_retry(struct sqlite *s)
{
    bool ok = place_check(s, false) == 0 && begin(s, true);
    if (ok) {
        list_for_each(e, &s->held) if (s->fault_code == 0)
            run_write(s, container_of(e, struct store_call, link));
        if (s->fault_code == 0)
            write_counts(s, true); /* so that something is written even if nothing is held */
        ok = end(s);
    } else {
        undo(s);
    }
    if (!ok) {
        set_failing(s);
        return;
    }
    set_working(s);
    for (struct store_call *call; (call = pop(&s->held));)
        give_back(s, call);
}

/* --- a batch ---------------------------------------------------------------------------------- */

static bool needs_write(const struct list *batch, int *ret_ends)
{
    bool write = false;
    *ret_ends = 0;
    list_for_each(e, batch)
    {
        const struct store_call *call = container_of(e, struct store_call, link);
        write |= is_write(call) || call->op == OP_WINDOW;
        *ret_ends += call->op == OP_FINISH;
    }
    return write;
}

/* Lists that go on in a later turn are moved to `later`. */
static void run_all(struct sqlite *s, struct list *batch, struct list *later, bool write)
{
    list_for_each(e, batch)
    {
        struct store_call *call = container_of(e, struct store_call, link);
        if (is_write(call)) {
            run_write(s, call);
        } else if (run_read(s, call, write)) {
            list_del(&call->link);
            list_add_tail(later, &call->link);
        }
        if (s->fault_code != 0)
            return;
    }
}

static void fail_batch(struct sqlite *s, struct list *batch, struct list *later)
{
    for (struct store_call *call; (call = pop(later));)
        list_add_tail(batch, &call->link);
    list_for_each(e, batch) drop_result(s, container_of(e, struct store_call, link));
    degrade(s, batch);
}

/* Only questions: a fault fails the question that met it, and no more. */
static void answer_all(struct sqlite *s, struct list *batch)
{
    for (struct store_call *call; (call = pop(batch));)
        answer(s, call);
}

void batch_run(struct sqlite *s, struct list *batch)
{
    struct list later;
    int ends;
    bool write = needs_write(batch, &ends);

    list_init(&later);
    if (!write) {
        answer_all(s, batch);
        return;
    }
    if (atomic_load(&s->failing)) {
        degrade(s, batch);
        return;
    }
    bool ok = begin(s, true);
    if (ok) {
        run_all(s, batch, &later, true);
        if (s->fault_code == 0 && ends > 0 && forget_due(s))
            write_forget(s, 2 * ends);
        if (s->fault_code == 0)
            write_counts(s, false);
        ok = end(s);
    } else {
        undo(s);
    }
    if (!ok) {
        set_failing(s);
        fail_batch(s, batch, &later);
        return;
    }
    for (struct store_call *call; (call = pop(&later));)
        list_add_tail(&s->scans, &call->link);
    for (struct store_call *call; (call = pop(batch));)
        give_back(s, call);
}

bool batch_forget(struct sqlite *s)
{
    bool ok = begin(s, true);
    int r = 0;
    if (ok) {
        r = write_forget(s, FORGET_IDLE);
        if (s->fault_code == 0)
            write_counts(s, false);
        ok = end(s);
    } else {
        undo(s);
    }
    if (!ok)
        set_failing(s);
    return ok && r == 1;
}
