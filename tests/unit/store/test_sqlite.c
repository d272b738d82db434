#include "conformance.h"
#include "store/sqlite.h"
#include "store/sqlite_private.h"
#include "store/sqlite_schema.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- what is kept ---------------------------------------------------------------------------- */

static void reopen(struct fixture *f)
{
    struct store_config config = {.path = f->path};
    struct error err = {""};
    f->store->engine->free(f->store);
    if (store_sqlite_new(&config, &f->mailbox, &f->store, &err) < 0)
        fail_msg("it cannot be opened again: %s", err.text);
}

static void everything_is_there_after_a_restart(void **state)
{
    struct fixture *f = *state;
    struct store_submit_item item;
    uint64_t keyed = submit_keyed(f, 1, "k", "{\"a\":1}", &item);
    uint64_t done = submit_to(f, "a"), waiting = submit_to(f, "a"), running = submit_to(f, "b");
    claim(f, done);
    claim(f, waiting);
    claim(f, running);
    assert_int_equal(finish(f, done, 1, JOB_DONE), 0);
    assert_int_equal(postpone(f, waiting, 1, 5000), 0);
    struct store_counts before, after;
    f->store->engine->counts(f->store, &before);
    reopen(f);
    f->store->engine->counts(f->store, &after);
    assert_memory_equal(&before, &after, sizeof before);

    assert_int_equal(submit_keyed(f, 1, "k", "{\"a\":1}", &item), keyed);
    assert_true(item.existing);
    struct store_job *row = get(f, done);
    assert_int_equal(row->state, JOB_DONE);
    assert_string_equal(row->verdict, "{\"event\":\"verdict\"}");
    store_job_free(row);
    struct store_window_host window = rows_of("a", 5);
    assert_string_equal(window_ids(f, &window, 5000), "3");
    struct store_list torn = {.select = any, .limit = 5};
    torn.select.state = JOB_RUNNING;
    assert_string_equal(list_ids(f, &torn), "4");
    assert_int_equal(postpone(f, running, 1, 0), 0);
    assert_int_equal(claim(f, running), 2);
    assert_int_equal(submit_to(f, "h"), 5);
    struct store_hosts hosts = {.limit = 10};
    assert_int_equal(CALL(f, hosts, &hosts), 0);
    assert_int_equal(hosts.count, 2); /* that of the one which runs has nothing that waits */
    store_hosts_free(&hosts);
}

static void an_id_is_never_given_twice(void **state)
{
    struct fixture *f = *state;
    fixture_close(f);
    fixture_open(f, &(struct store_config){.keep_finished_us = 1});
    uint64_t id = submit_to(f, "h");
    assert_int_equal(finish(f, id, 0, JOB_CANCELLED), 0);
    struct store_job *row;
    while ((row = get(f, id))) { /* forgotten when idle */
        store_job_free(row);
        (void)finish(f, submit_to(f, "h"), 0, JOB_CANCELLED);
    }
    struct store_counts counts;
    f->store->engine->counts(f->store, &counts);
    reopen(f);
    assert_int_equal(submit_to(f, "h"), counts.last_id + 1);
}

/* --- how much is looked at: steps, as time says little on a busy machine ---------------------- */

static _Atomic uint64_t steps;

static int count_steps(unsigned what, void *arg, void *stmt, void *unused)
{
    (void)what, (void)arg, (void)unused;
    steps += (uint64_t)sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 1);
    return 0;
}

/* Of every connection that is opened from now on. */
static int on_open(sqlite3 *db, const char **err, const void *api)
{
    (void)err, (void)api;
    return sqlite3_trace_v2(db, SQLITE_TRACE_PROFILE, count_steps, NULL);
}

#define ROWS 20000

static void submit_many(struct fixture *f, int count, const char *label)
{
    struct store_job *jobs = calloc((size_t)count, sizeof *jobs);
    struct store_submit_item *items = calloc((size_t)count, sizeof *items);
    for (int i = 0; i < count; i++) {
        jobs[i] = job_for("h");
        jobs[i].labels = (char *)(uintptr_t)label;
        items[i].job = &jobs[i];
    }
    struct store_submit call = {.items = items, .count = (size_t)count};
    assert_int_equal(CALL(f, submit, &call), 0);
    free(items);
    free(jobs);
}

static uint64_t steps_of(struct fixture *f, struct store_select select, size_t found)
{
    struct store_list call = {.select = select, .limit = 50};
    steps = 0;
    assert_int_equal(CALL(f, list, &call), 0);
    uint64_t counted = steps;
    assert_int_equal(call.count, found);
    store_jobs_free(call.jobs, call.count);
    return counted;
}

/* What has an index costs what it gives, however many rows there are. */
static void a_selection_with_an_index_looks_at_no_others(void **state)
{
    struct fixture *f = *state;
    struct store_job run = job_for("h");
    for (int i = 0; i < ROWS / 5000; i++)
        submit_many(f, 5000, "{\"team\":\"a\"}");
    struct store_select select = any;
    for (int i = 0; i < JOB_STATE_COUNT_; i++) {
        select.state = i;
        assert_true(steps_of(f, select, i == JOB_QUEUED ? 50 : 0) < 5000);
    }
    select = any;
    select.error = KIND_TRUNCATED;
    assert_true(steps_of(f, select, 0) < 5000);
    assert_int_equal(finish(f, 7, 0, JOB_DONE), 0);
    assert_int_equal(finish(f, 8, 0, JOB_FAILED), 0);
    assert_true(steps_of(f, select, 1) < 5000);
    select = any;
    select.state = JOB_DONE;
    assert_true(steps_of(f, select, 1) < 5000);
    run.schedule = (char *)(uintptr_t) "s";
    submit_job(f, &run);
    submit_many(f, 5000, "{}");
    select = any;
    select.schedule = "s";
    assert_true(steps_of(f, select, 1) < 5000);

    /* Labels have none: that is in the manual. */
    select = any;
    select.label_key = "no";
    assert_true(steps_of(f, select, 0) > ROWS);
}

/* What is left out of a window costs nothing, however much it is. */
static void a_window_looks_at_no_row_that_it_leaves_out(void **state)
{
    struct fixture *f = *state;
    struct store_job job = job_for("h");
    for (int i = 0; i < ROWS / 5000; i++)
        submit_many(f, 5000, "{}");
    const struct store_window_user users[] = {{job.uid, 1}};
    job.uid++;
    submit_job(f, &job);
    struct store_window_host window = rows_of("h", 64);
    struct store_window call = {
        .now = 1, .hosts = &window, .count = 1, .users = users, .user_count = 1};
    steps = 0;
    assert_int_equal(CALL(f, window, &call), 0);
    assert_true(steps < 1000);
    assert_int_equal(window.count, 2);
    assert_int_equal(window.jobs[1]->id, job.id);
    assert_int_equal(window.left_count, 1);
    store_window_reset(&call);
}

/* A run, its end and a page cost the same with many schedules as with few. */
static void a_run_looks_at_its_schedule_alone(void **state)
{
    struct fixture *f = *state;
    uint64_t before = 0;
    char names[1000][16];
    struct store_schedule rows[1000], *list[1000];
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 1000; i++) {
            snprintf(names[i], sizeof names[i], "s%d-%d", round, i);
            rows[i] = schedule_for(names[i]);
            rows[i].next_at = 1000000 - i;
            list[i] = &rows[i];
        }
        struct store_schedule_put put = {.rows = list, .count = round ? 1000 : 10};
        assert_int_equal(CALL(f, schedule_put, &put), 0);
        struct store_schedule_end end = {.name = "s0-7"};
        steps = 0;
        uint64_t id = submit_run(f, "s0-7");
        claim(f, id);
        struct store_finish finish = {.id = id,
                                      .attempt = 1,
                                      .running = true,
                                      .state = JOB_DONE,
                                      .finished = moment(1),
                                      .end = &end};
        assert_int_equal(CALL(f, finish, &finish), 0);
        struct store_schedules due = {.due = true, .limit = 5};
        assert_int_equal(CALL(f, schedules, &due), 0);
        assert_int_equal(due.count, 5);
        store_schedules_free(due.rows, due.count);
        uint64_t counted = steps;
        struct store_schedules failing = {.failing = true, .limit = 5};
        assert_int_equal(CALL(f, schedules, &failing), 0);
        assert_int_equal(failing.count, 0);
        if (round == 0)
            before = counted;
        assert_true(counted < before + before / 5);
        assert_true(steps - counted < 200);
    }
}

/* --- the schema ------------------------------------------------------------------------------ */

static const struct schema_step two_steps[] = {
    {1, "CREATE TABLE meta(name TEXT PRIMARY KEY, value); CREATE TABLE a(x);"
        "INSERT INTO a VALUES(7);"},
    {2, "ALTER TABLE a ADD COLUMN y DEFAULT 8;"},
};
static const struct schema_step a_broken_step[] = {
    {1, ""}, {2, ""}, {3, "ALTER TABLE a ADD COLUMN z; ALTER TABLE none ADD COLUMN z;"}};

static sqlite3 *open_db(const char *path)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL),
                     SQLITE_OK);
    return db;
}

static int ask(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    int value = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static void a_migration_copies_the_file_first(void **state)
{
    char dir[] = "/tmp/schema-XXXXXX", path[40], copy[48];
    struct error err;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/db", dir);
    snprintf(copy, sizeof copy, "%s.v1", path);
    sqlite3 *db = open_db(path);
    assert_int_equal(schema_bring(db, path, two_steps, 1, &err), 0);
    assert_int_equal(access(copy, F_OK), -1); /* there was nothing to copy */
    assert_int_equal(ask(db, "PRAGMA application_id"), SQLITE_APPLICATION_ID);
    chmod(path, 0600);

    assert_int_equal(schema_bring(db, path, two_steps, 2, &err), 0);
    assert_int_equal(ask(db, "SELECT y FROM a"), 8);
    assert_int_equal(ask(db, "PRAGMA user_version"), 2);
    assert_int_equal(schema_bring(db, path, two_steps, 2, &err), 0); /* nothing to do */

    struct stat st;
    assert_int_equal(stat(copy, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    sqlite3 *old = open_db(copy);
    assert_int_equal(ask(old, "SELECT x FROM a"), 7);
    assert_int_equal(ask(old, "SELECT y FROM a"), -1);
    assert_int_equal(ask(old, "PRAGMA user_version"), 1);
    sqlite3_close(old);

    /* A step that fails changes nothing. */
    assert_true(schema_bring(db, path, a_broken_step, 3, &err) < 0);
    assert_true(err.text[0] != '\0');
    assert_int_equal(ask(db, "PRAGMA user_version"), 2);
    assert_int_equal(ask(db, "SELECT z FROM a"), -1);

    /* A newer one is refused. */
    assert_int_equal(schema_bring(db, path, two_steps, 1, &err), -EPROTO);
    assert_non_null(strstr(err.text, "version 2"));
    assert_non_null(strstr(err.text, PENSTOCK_VERSION));
    sqlite3_close(db);
    snprintf(copy, sizeof copy, "%s.v2", path);
    assert_int_equal(unlink(copy), 0);
    snprintf(copy, sizeof copy, "%s.v1", path);
    assert_int_equal(unlink(copy), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

/* What waited before there was a count of its bytes is in it. */
static void bytes_are_counted_of_what_was_there_before(void **state)
{
    struct fixture *f = *state;
    struct store_config config = {.path = f->path};
    struct error err = {""};
    struct store_counts counts;
    f->store->engine->free(f->store);
    assert_int_equal(remove(f->path), 0);
    sqlite3 *db = open_db(f->path);
    assert_int_equal(schema_bring(db, f->path, schema_steps, 4, &err), 0);
    assert_int_equal(
        sqlite3_exec(db,
                     "INSERT INTO jobs(attempt,state,place,priority,rank,uid,gid,created,due,"
                     "finished,retry_of,finish_seq,error,host,parser,spec) VALUES"
                     "(0,0,1,0,0,0,0,0,0,0,0,0,0,'h','p','{\"u\":\"\u00e9\"}'),"
                     "(1,2,2,0,0,0,0,0,0,0,0,0,0,'h','p','{}'),"
                     "(1,3,0,0,0,0,0,0,0,0,0,1,0,'h','p','{\"ended\":1}')",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    if (store_sqlite_new(&config, &f->mailbox, &f->store, &err) < 0)
        fail_msg("%s", err.text);
    f->store->engine->counts(f->store, &counts);
    assert_int_equal(counts.pending_bytes, strlen("{\"u\":\"\u00e9\"}") + strlen("{}"));
    char copy[96];
    snprintf(copy, sizeof copy, "%s.v4", f->path);
    assert_int_equal(remove(copy), 0);
}

static void a_copy_that_fails_stops_the_migration(void **state)
{
    char dir[] = "/tmp/schema-XXXXXX", path[40], copy[48];
    struct error err;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/db", dir);
    snprintf(copy, sizeof copy, "%s.v1", path);
    sqlite3 *db = open_db(path);
    assert_int_equal(schema_bring(db, path, two_steps, 1, &err), 0);
    assert_int_equal(mkdir(copy, 0700), 0); /* in the copy's way */
    int fd = openat(AT_FDCWD, copy, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    assert_int_equal(mkdirat(fd, "full", 0700), 0);
    assert_true(schema_bring(db, path, two_steps, 2, &err) < 0);
    assert_non_null(strstr(err.text, "copied"));
    assert_int_equal(ask(db, "PRAGMA user_version"), 1);
    sqlite3_close(db);
    assert_int_equal(unlinkat(fd, "full", AT_REMOVEDIR), 0);
    close(fd);
    assert_int_equal(rmdir(copy), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest own[] = {
        CONFORMANCE_TEST(everything_is_there_after_a_restart),
        CONFORMANCE_TEST(an_id_is_never_given_twice),
        CONFORMANCE_TEST(a_selection_with_an_index_looks_at_no_others),
        CONFORMANCE_TEST(a_window_looks_at_no_row_that_it_leaves_out),
        CONFORMANCE_TEST(a_run_looks_at_its_schedule_alone),
        CONFORMANCE_TEST(bytes_are_counted_of_what_was_there_before),
        cmocka_unit_test(a_migration_copies_the_file_first),
        cmocka_unit_test(a_copy_that_fails_stops_the_migration),
    };
    int failed = store_conformance("sqlite", store_sqlite_new);
    sqlite3_auto_extension((void (*)(void))(uintptr_t)on_open);
    return failed + cmocka_run_group_tests_name("sqlite, its own", own, NULL, NULL);
}
