/* Rows of results as structs: each column has its member. */
#include "pg_inside.h"
#include "store/postgresql/pg_row.h"

/* Of SQL_GET to SQL_ENDED, in their order. */
static const char *const job_row[ROW_COLUMNS] = {
    "101",        "2",  "4",       "-3",     "-1700000000000001",
    "4294967295", "6",  "7",       "8",      "9",
    "10",         "11", "12",      "a.host", "p",
    "k",          "{}", "{\"s\"}", "sched",  "13",
    "14",         "15", "n",       "v"};

static void each_column_of_a_job_has_its_member(void **state)
{
    struct store_job job;
    PGresult *result = rows_make(ROW_COLUMNS, job_row, ROW_COLUMNS);
    (void)state;
    memset(&job, 0xff, sizeof job);
    row_read(result, 0, &job);
    assert_int_equal(job.id, 101);
    assert_int_equal(job.attempt, 2);
    assert_int_equal(job.state, JOB_FAILED);
    assert_int_equal(job.priority, -3);
    assert_true(job.rank == -INT64_C(1700000000000001));
    assert_int_equal(job.uid, UINT32_MAX); /* in a bigint, as there is no unsigned type */
    assert_int_equal(job.gid, 6);
    assert_int_equal(job.created, 7);
    assert_int_equal(job.due, 8);
    assert_int_equal(job.finished, 9);
    assert_int_equal(job.retry_of, 10);
    assert_int_equal(job.finish_seq, 11);
    assert_int_equal(job.error, 12);
    assert_string_equal(job.host, "a.host");
    assert_string_equal(job.parser, "p");
    assert_string_equal(job.key, "k");
    assert_string_equal(job.labels, "{}");
    assert_string_equal(job.spec, "{\"s\"}");
    assert_string_equal(job.schedule, "sched");
    assert_int_equal(job.interrupted, 13);
    assert_int_equal(job.torn, 14);
    assert_int_equal(job.ran, 15);
    assert_string_equal(job.needs, "n");
    assert_string_equal(job.verdict, "v");
    assert_null(job.history);
    assert_null(job.definition);
    PQclear(result);
}

/* What is not there is NULL, and another than a text that is empty. */
static void what_a_job_lacks_is_null(void **state)
{
    const char *values[2 * ROW_COLUMNS];
    static const int texts[] = {13, 14, 15, 16, 17, 18, 22, 23};
    (void)state;
    memcpy(values, job_row, sizeof job_row);
    memcpy(values + ROW_COLUMNS, job_row, sizeof job_row);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        values[texts[i]] = "";
        values[ROW_COLUMNS + texts[i]] = NULL;
    }
    PGresult *result = rows_make(ROW_COLUMNS, values, (size_t)2 * ROW_COLUMNS);
    struct store_job with, without;
    row_read(result, 0, &with);
    row_read(result, 1, &without);
    assert_string_equal(with.key, "");
    assert_string_equal(with.verdict, "");
    assert_null(without.host);
    assert_null(without.parser);
    assert_null(without.key);
    assert_null(without.labels);
    assert_null(without.spec);
    assert_null(without.schedule);
    assert_null(without.needs);
    assert_null(without.verdict);
    assert_int_equal(without.id, 101);
    PQclear(result);
}

static void each_column_of_a_schedule_has_its_member(void **state)
{
    static const char *const values[SCHEDULE_COLUMNS] = {
        "nightly", "{}", "4294967294", "2",   "t", "4",  "5",  "6",  "7",  "8",     "9", "10", "11",
        "12",      "13", "14",         "why", "4", "17", "18", "19", "20", "\"e\"", "m", "u"};
    struct store_schedule s;
    PGresult *result = rows_make(SCHEDULE_COLUMNS, values, SCHEDULE_COLUMNS);
    (void)state;
    memset(&s, 0, sizeof s);
    row_read_schedule(result, 0, &s);
    assert_string_equal(s.name, "nightly");
    assert_string_equal(s.spec, "{}");
    assert_int_equal(s.uid, UINT32_MAX - 1);
    assert_int_equal(s.gid, 2);
    assert_true(s.paused);
    assert_int_equal(s.revision, 4);
    assert_int_equal(s.version, 5);
    assert_int_equal(s.created, 6);
    assert_int_equal(s.next_at, 7);
    assert_int_equal(s.job, 8);
    assert_int_equal(s.forced, 9);
    assert_int_equal(s.last_job, 10);
    assert_int_equal(s.runs, 11);
    assert_int_equal(s.skipped, 12);
    assert_int_equal(s.left_out, 13);
    assert_int_equal(s.last_run, 14);
    assert_string_equal(s.problem, "why");
    assert_int_equal(s.last_state, JOB_FAILED);
    assert_int_equal(s.last_error, 17);
    assert_int_equal(s.last_end, 18);
    assert_int_equal(s.last_done, 19);
    assert_int_equal(s.failures, 20);
    assert_string_equal(s.etag, "\"e\"");
    assert_string_equal(s.modified, "m");
    assert_string_equal(s.validated, "u");
    PQclear(result);
}

static void a_schedule_that_has_never_run_has_no_validators(void **state)
{
    static const char *const values[SCHEDULE_COLUMNS] = {
        "n", "{}", "1", "1",  "f", "1", "1", "1", "0", "0",  "0",  "0", "0",
        "0", "0",  "0", NULL, "0", "0", "0", "0", "0", NULL, NULL, NULL};
    struct store_schedule s;
    PGresult *result = rows_make(SCHEDULE_COLUMNS, values, SCHEDULE_COLUMNS);
    (void)state;
    memset(&s, 0xff, sizeof s);
    row_read_schedule(result, 0, &s);
    assert_false(s.paused);
    assert_null(s.problem);
    assert_null(s.etag);
    assert_null(s.modified);
    assert_null(s.validated);
    assert_false(store_schedule_failing(&s));
    PQclear(result);
}

static void a_number_that_is_null_is_0(void **state)
{
    PGresult *result = ROWS(4, NULL, "9223372036854775807", "-9223372036854775808", "");
    (void)state;
    assert_int_equal(row_int(result, 0, 0), 0);
    assert_true(row_int(result, 0, 1) == INT64_MAX);
    assert_true(row_int(result, 0, 2) == INT64_MIN);
    assert_null(row_text(result, 0, 0));
    assert_string_equal(row_text(result, 0, 3), "");
    PQclear(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_column_of_a_job_has_its_member),
        cmocka_unit_test(what_a_job_lacks_is_null),
        cmocka_unit_test(each_column_of_a_schedule_has_its_member),
        cmocka_unit_test(a_schedule_that_has_never_run_has_no_validators),
        cmocka_unit_test(a_number_that_is_null_is_0),
    };
    return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
