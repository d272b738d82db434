/* Whom a line meets: interests by job, by label, host and the like, and by the job's owner. */

#include "api/follow_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct met {
    struct interest *interests[8];
    size_t count;
};

static void on_meet(void *arg, struct interest *interest)
{
    struct met *met = arg;
    assert_true(met->count < sizeof met->interests / sizeof met->interests[0]);
    met->interests[met->count++] = interest;
}

static bool has(const struct met *met, const struct interest *interest)
{
    size_t count = 0;
    for (size_t i = 0; i < met->count; i++)
        count += met->interests[i] == interest;
    assert_true(count <= 1); /* a line meets nobody twice */
    return count == 1;
}

static struct met meet(struct follow_index *index, enum event event, const struct store_job *row)
{
    struct met met = {.count = 0};
    follow_index_meet(index, event, row ? row->id : 0, row, on_meet, &met);
    return met;
}

static void a_user_meets_his_own_jobs_alone(void **state)
{
    struct follow_index index;
    struct interest all = {.place = NULL}, anna = {.place = NULL}, berta = {.place = NULL};
    const uint32_t anna_uid = 1001, berta_uid = 1002;
    struct store_job row = {.id = 7, .uid = berta_uid};
    (void)state;
    follow_index_init(&index);
    assert_int_equal(interest_in_jobs(&index, &all, NULL, NULL, EVENT_ALL), 0);
    assert_int_equal(interest_in_jobs(&index, &anna, NULL, &anna_uid, EVENT_ALL), 0);
    assert_int_equal(interest_in_jobs(&index, &berta, NULL, &berta_uid, EVENT_ALL), 0);
    struct met met = meet(&index, EVENT_RECORD, &row);
    assert_true(has(&met, &all));
    assert_true(has(&met, &berta));
    assert_false(has(&met, &anna));
    row.uid = 0; /* neither's */
    met = meet(&index, EVENT_VERDICT, &row);
    assert_int_equal(met.count, 1);
    interest_end(&index, &all);
    interest_end(&index, &anna);
    interest_end(&index, &berta);
    assert_null(tree_first(&index.places));
}

static void a_line_of_no_job_meets_who_takes_all(void **state)
{
    struct follow_index index;
    struct interest all = {.place = NULL}, host = {.place = NULL}, records = {.place = NULL};
    struct interest job = {.place = NULL};
    const struct store_select select = {.host = "a.example"};
    (void)state;
    follow_index_init(&index);
    assert_int_equal(interest_in_jobs(&index, &all, NULL, NULL, EVENT_ALL), 0);
    assert_int_equal(interest_in_jobs(&index, &host, &select, NULL, EVENT_ALL), 0);
    assert_int_equal(interest_in_jobs(&index, &records, NULL, NULL, EVENT_RECORD), 0);
    assert_int_equal(interest_in_job(&index, &job, 7, EVENT_ALL), 0);
    struct met met = meet(&index, EVENT_START, NULL);
    assert_int_equal(met.count, 1);
    assert_true(has(&met, &all));
    met = meet(&index, EVENT_AUDIT, NULL);
    assert_int_equal(met.count, 0);
    interest_end(&index, &all);
    met = meet(&index, EVENT_STOP, NULL);
    assert_int_equal(met.count, 0);
    interest_end(&index, &host);
    interest_end(&index, &records);
    interest_end(&index, &job);
    assert_null(tree_first(&index.places));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_meets_his_own_jobs_alone),
        cmocka_unit_test(a_line_of_no_job_meets_who_takes_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
