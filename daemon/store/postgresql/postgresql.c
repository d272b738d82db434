/* The PostgreSQL engine, as the control loop sees it: calls go into a queue, and come back by
 * mail. */
#include "store/postgresql/postgresql.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/postgresql/pg_append.h"
#include "store/postgresql/pg_calls.h"
#include "store/postgresql/pg_fleet.h"
#include "store/postgresql/pg_front.h"
#include "store/postgresql/pg_member.h"
#include "store/postgresql/pg_pulse.h"
#include "store/postgresql/pg_queue.h"
#include "store/postgresql/pg_records.h"
#include "store/postgresql/pg_row.h"
#include "store/postgresql/pg_schedule.h"
#include "store/postgresql/pg_schema.h"
#include "store/postgresql/pg_thread.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#define KEEP_US    (INT64_C(7) * 86400 * 1000000)
#define KEEP_COUNT UINT64_C(1000000)
#define LEASE_NS   (60 * NS_PER_SEC)

/* --- queueing --------------------------------------------------------------------------------- */

static void queue(struct store *store, struct store_call *call, enum op op)
{
    queue_call(pg_of(store), call, op);
}

static void pg_submit(struct store *s, struct store_submit *call)
{
    call->call.result = CALL_OPEN;
    for (size_t i = 0; i < call->count; i++) {
        call->items[i].result = CALL_OPEN;
        call->items[i].existing = false;
        call->items[i].job->id = 0;
        call->items[i].job->definition = NULL;
    }
    queue(s, &call->call, OP_SUBMIT);
}

static void pg_claim(struct store *s, struct store_claim *call)
{
    call->call.result = CALL_OPEN;
    call->definition = NULL;
    queue(s, &call->call, OP_CLAIM);
}

static void pg_finish(struct store *s, struct store_finish *call)
{
    call->call.result = CALL_OPEN;
    if (!job_state_final(call->state) || call->state >= JOB_STATE_COUNT_)
        call->call.result = error_set(&call->call.error, -EINVAL, "a job does not end as %s",
                                      job_state_name(call->state));
    queue(s, &call->call, OP_FINISH);
}

static void pg_append(struct store *s, struct store_append *call)
{
    call->call.result = CALL_OPEN;
    queue(s, &call->call, OP_APPEND);
}

static void pg_postpone(struct store *s, struct store_postpone *call)
{
    call->call.result = CALL_OPEN;
    queue(s, &call->call, OP_POSTPONE);
}

static void pg_get(struct store *s, struct store_get *call)
{
    call->call.result = CALL_OPEN;
    call->job = NULL;
    queue(s, &call->call, OP_GET);
}

static void pg_list(struct store *s, struct store_list *call)
{
    call->call.result = CALL_OPEN;
    call->jobs = NULL;
    call->count = call->bytes = 0;
    call->next = call->before ? call->before : INT64_MAX; /* the cursor, until it is done */
    queue(s, &call->call, OP_LIST);
}

static void pg_window(struct store *s, struct store_window *call)
{
    call->call.result = CALL_OPEN;
    for (size_t i = 0; i < call->count; i++) {
        call->hosts[i].jobs = NULL; /* what is there may be of another call, and freed */
        call->hosts[i].count = 0;
        call->hosts[i].next_due = 0;
    }
    queue(s, &call->call, OP_WINDOW);
}

static void pg_hosts(struct store *s, struct store_hosts *call)
{
    call->call.result = CALL_OPEN;
    call->hosts = NULL;
    call->count = 0;
    queue(s, &call->call, OP_HOSTS);
}

static void pg_ended(struct store *s, struct store_ended *call)
{
    call->call.result = CALL_OPEN;
    call->jobs = NULL;
    call->count = 0;
    queue(s, &call->call, OP_ENDED);
}

static void pg_schedules(struct store *s, struct store_schedules *call)
{
    call->call.result = CALL_OPEN;
    call->rows = NULL;
    call->count = call->bytes = 0;
    call->more = false;
    queue(s, &call->call, OP_SCHEDULES);
}

static void pg_schedule_get(struct store *s, struct store_schedule_get *call)
{
    call->call.result = CALL_OPEN;
    call->rows = NULL;
    queue(s, &call->call, OP_SCHEDULE_GET);
}

static void pg_schedule_pass(struct store *s, struct store_schedule_pass *call)
{
    call->call.result = CALL_OPEN;
    queue(s, &call->call, OP_SCHEDULE_PASS);
}

static void pg_schedule_put(struct store *s, struct store_schedule_put *call)
{
    call->call.result = CALL_OPEN;
    queue(s, &call->call, OP_SCHEDULE_PUT);
}

/* --- at once ---------------------------------------------------------------------------------- */

static void pg_counts(struct store *s, struct store_counts *ret_counts)
{
    struct pg *pg = pg_of(s);
    pthread_mutex_lock(&pg->lock);
    *ret_counts = pg->visible;
    pthread_mutex_unlock(&pg->lock);
}

static void pg_commits(struct store *s, struct histogram *ret_commits)
{
    struct pg *pg = pg_of(s);
    pthread_mutex_lock(&pg->lock);
    *ret_commits = pg->commits;
    pthread_mutex_unlock(&pg->lock);
}

static bool pg_failing(struct store *s)
{
    return atomic_load(&pg_of(s)->failing);
}

static void pg_trouble(struct store *s, struct error *ret_why)
{
    struct pg *pg = pg_of(s);
    pthread_mutex_lock(&pg->lock);
    *ret_why = pg->why;
    pthread_mutex_unlock(&pg->lock);
}

static void pg_records_into(struct store *s, const char *table)
{
    struct pg *pg = pg_of(s);
    struct table_name into;
    if (table_mean(pg->schema, table, &into, NULL) < 0)
        return;
    pthread_mutex_lock(&pg->lock);
    pg->into = into;
    table_copy_sql(&into, pg->copy_sql);
    pthread_mutex_unlock(&pg->lock);
}

static void pg_give_up(struct store *s)
{
    struct pg *pg = pg_of(s);
    pthread_mutex_lock(&pg->lock);
    pg->giving_up = true;
    pthread_mutex_unlock(&pg->lock);
    wake_by(pg->wake_fd);
}

/* --- life ------------------------------------------------------------------------------------- */

static void pg_free(struct store *store)
{
    struct pg *pg = pg_of(store);
    if (pg->started) {
        pthread_mutex_lock(&pg->lock);
        pg->stop = true;
        pthread_mutex_unlock(&pg->lock);
        wake_by(pg->wake_fd);
        pthread_join(pg->thread, NULL);
    }
    pulse_stop(pg); /* it has beaten for what was still under way */
    if (pg->started)
        member_leave(pg);
    fleet_deinit(pg);
    channel_deinit(&pg->w);
    channel_deinit(&pg->r);
    records_deinit(pg);
    append_deinit(pg);
    args_deinit(&pg->args);
    target_deinit(&pg->target);
    sqls_deinit(&pg->sqls);
    if (pg->lock_fd >= 0)
        close(pg->lock_fd);
    if (pg->wake_fd >= 0)
        close(pg->wake_fd);
    pthread_mutex_destroy(&pg->lock);
    free((char *)(uintptr_t)pg->config.path);
    free((char *)(uintptr_t)pg->config.digest);
    free(pg->schema);
    free(pg->name);
    free(pg);
}

static const struct store_engine engine = {.name = "postgresql",
                                           .keeps = true,
                                           .records = true,
                                           .append = pg_append,
                                           .submit = pg_submit,
                                           .claim = pg_claim,
                                           .finish = pg_finish,
                                           .postpone = pg_postpone,
                                           .get = pg_get,
                                           .list = pg_list,
                                           .window = pg_window,
                                           .hosts = pg_hosts,
                                           .ended = pg_ended,
                                           .schedules = pg_schedules,
                                           .schedule_get = pg_schedule_get,
                                           .schedule_pass = pg_schedule_pass,
                                           .schedule_put = pg_schedule_put,
                                           .counts = pg_counts,
                                           .commits = pg_commits,
                                           .failing = pg_failing,
                                           .trouble = pg_trouble,
                                           .give_up = pg_give_up,
                                           .records_into = pg_records_into,
                                           .free = pg_free};

static struct store_engine shared_engine; /* the same, with what several daemons need */

static const struct store_engine *engine_of(const struct store_config *config)
{
    if (!config->on_event)
        return &engine;
    shared_engine = engine;
    shared_engine.shared = front_shared();
    return &shared_engine;
}

static int copy_config(struct pg *pg, const struct store_config *config)
{
    char host[256] = "penstock";
    gethostname(host, sizeof host - 1);
    pg->config = *config;
    pg->config.vfs = pg->config.dsn = pg->config.password_file = NULL;
    pg->config.schema = pg->config.name = pg->config.direct = pg->config.table = NULL;
    pg->config.digest = strdup(config->digest ? config->digest : "");
    pg->config.path = config->path ? strdup(config->path) : NULL;
    pg->schema = strdup(config->schema ? config->schema : "penstock");
    pg->name = strdup(config->name ? config->name : host);
    if (pg->config.keep_finished_us <= 0)
        pg->config.keep_finished_us = KEEP_US;
    if (!pg->config.keep_finished_count)
        pg->config.keep_finished_count = KEEP_COUNT;
    if (!pg->config.retry_ns)
        pg->config.retry_ns = NS_PER_SEC;
    if (!pg->config.lease_ns)
        pg->config.lease_ns = LEASE_NS;
    if (!pg->config.workers)
        pg->config.workers = 1;
    return pg->config.path && pg->config.digest && pg->schema && pg->name ? 0 : -ENOMEM;
}

/* The counts as they are: what there was before stands in the others' rows. */
static int load_counts(struct pg *pg, PGconn *conn, struct error *err)
{
    char id[24];
    const char *values[] = {id};
    PGresult *result = NULL;
    snprintf(id, sizeof id, "%lld", (long long)pg->member);
    int r =
        session_ask(conn, pg->schema, pg->sqls.text[SQL_SCHEDULES_COUNT], 0, NULL, &result, err);
    if (r == 0)
        schedule_take_counts(pg, result);
    PQclear(result);
    if (r == 0)
        r = session_ask(conn, pg->schema, pg->sqls.text[SQL_COUNTS], 1, values, &result, err);
    else
        result = NULL;
    if (r == 0)
        pg->batches = (uint64_t)calls_read_counts(pg, result);
    PQclear(result);
    if (r == 0)
        r = session_ask(conn, pg->schema, pg->sqls.text[SQL_OLDEST], 0, NULL, &result, err);
    if (r == 0 && PQntuples(result) > 0)
        pg->oldest_end = row_int(result, 0, 0);
    PQclear(r == 0 ? result : NULL);
    return r;
}

static int join(struct pg *pg, struct error *err)
{
    PGconn *conn = NULL;
    int r = session_open(&pg->target, &conn, err);
    if (r == 0)
        r = schema_check(conn, pg->schema, err);
    if (r == 0)
        r = member_join(pg, conn, err);
    if (r == 0)
        r = load_counts(pg, conn, err);
    if (r == 0)
        return channel_adopt(&pg->w, conn, err);
    if (conn)
        PQfinish(conn);
    return r;
}

/* Signals are the control loop's: the thread is made with all of them blocked. */
static int start(struct pg *pg, const struct store_config *config, struct error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = -pthread_create(&pg->thread, NULL, pg_thread, pg);
    pg->started = r == 0;
    if (r < 0)
        error_set(err, r, "store: no thread: %s", strerror(-r));
    else if (pg->fleet)
        r = pulse_start(pg, config, err);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

static int prepare(struct pg *pg, const struct store_config *config, struct error *err)
{
    if (copy_config(pg, config) < 0)
        return error_set(err, -ENOMEM, "store: out of memory");
    int r = sql_check_schema(pg->schema, err);
    if (r == 0)
        r = table_mean(pg->schema, config->table, &pg->into, err);
    if (r == 0 && sqls_init(&pg->sqls, pg->schema) < 0)
        r = error_set(err, -ENOMEM, "store: out of memory");
    if (r == 0)
        r = target_init(&pg->target, config, err);
    if (r == 0 && config->on_event && fleet_init(pg) < 0)
        r = error_set(err, -ENOMEM, "store: out of memory");
    if (r < 0)
        return r;
    channel_init(&pg->w, &pg->target, &pg->sqls);
    channel_init(&pg->r, &pg->target, &pg->sqls);
    table_copy_sql(&pg->into, pg->copy_sql);
    if (records_init(pg) < 0 || append_init(pg) < 0)
        return error_set(err, -ENOMEM, "store: out of memory");
    pg->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return pg->wake_fd < 0 ? error_set(err, -errno, "store: %s", strerror(errno)) : 0;
}

static int open_store(const struct store_config *config, struct mailbox *mailbox,
                      struct store **ret_store, struct error *err)
{
    struct pg *pg = calloc(1, sizeof *pg);
    if (!pg)
        return error_set(err, -ENOMEM, "store: out of memory");
    pg->store = (struct store){.engine = engine_of(config), .mailbox = mailbox};
    pg->lock_fd = pg->wake_fd = -1;
    list_init(&pg->queue);
    list_init(&pg->waiting);
    list_init(&pg->reading);
    list_init(&pg->batch.calls);
    pg->batch.channel = &pg->w;
    pthread_mutex_init(&pg->lock, NULL);
    int r = prepare(pg, config, err);
    if (r == 0)
        r = join(pg, err);
    if (r == 0)
        r = start(pg, config, err);
    if (r < 0) {
        pg_free(&pg->store);
        return r;
    }
    *ret_store = &pg->store;
    return 0;
}

/* --- without a store -------------------------------------------------------------------------- */

typedef int session_user(PGconn *conn, const char *schema, const struct store_config *config,
                         struct error *err);

/* A connection for what is to be done, and no longer. */
static int connect_once(const struct store_config *config, session_user *use, struct error *err)
{
    const char *schema = config->schema ? config->schema : "penstock";
    struct target target;
    PGconn *conn = NULL;
    int r = sql_check_schema(schema, err);
    if (r == 0)
        r = target_init(&target, config, err);
    if (r < 0)
        return r;
    r = session_open(&target, &conn, err);
    if (r == 0)
        r = use(conn, schema, config, err);
    if (conn)
        PQfinish(conn);
    target_deinit(&target);
    return r;
}

static int bring_up(PGconn *conn, const char *schema, const struct store_config *config,
                    struct error *err)
{
    int from, to;
    int r = schema_migrate(conn, schema, &from, &to, err);
    if (r < 0)
        return r;
    if (from == to)
        log_info("store: the schema %s is at version %d, and stays there", schema, to);
    else
        log_info("store: the schema %s was brought from version %d to %d", schema, from, to);
    return config->table ? table_make(conn, schema, config->table, err) : 0;
}

static int migrate(const struct store_config *config, struct error *err)
{
    return connect_once(config, bring_up, err);
}

static int check_records(PGconn *conn, const char *schema, const struct store_config *config,
                         struct error *err)
{
    return table_check(conn, schema, config->table, err);
}

static int check_table(const struct store_config *config, struct error *err)
{
    return connect_once(config, check_records, err);
}

__attribute__((visibility("default")))
const struct store_module penstock_store_module = {.version = PENSTOCK_VERSION,
                                                   .open = open_store,
                                                   .migrate = migrate,
                                                   .check_table = check_table};
