/* Part of the conformance suite: schedules as rows; for what their runs change see
 * conformance_runs.h. */
#ifndef TESTS_UNIT_STORE_CONFORMANCE_SCHEDULES_H
#define TESTS_UNIT_STORE_CONFORMANCE_SCHEDULES_H

#include "schedule_support.h"

static void schedules_are_kept_by_name(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(schedule_names(f), "");
    struct store_schedule b = schedule_for("b"), a = schedule_for("a"),
                          c = schedule_for("B\xc3\xa9");
    struct store_schedule *const rows[] = {&b, &a, &c};
    assert_int_equal(put_rows(f, rows, 3), 0);
    assert_string_equal(schedule_names(f), "B\xc3\xa9 a b");
    assert_int_equal(schedule_counts(f).schedules, 3);

    struct store_schedule *row = get_schedule(f, "a");
    assert_non_null(row);
    assert_string_equal(row->spec, a.spec);
    assert_int_equal(row->uid, 1000);
    assert_int_equal(row->gid, 100);
    assert_false(row->paused);
    assert_int_equal(row->revision, 1);
    assert_int_equal(row->version, a.version);
    assert_int_equal(row->created, 7);
    assert_int_equal(row->next_at, 1000);
    assert_int_equal(row->job, 0);
    assert_int_equal(row->runs, 0);
    assert_int_equal(row->last_state, JOB_QUEUED);
    assert_null(row->etag);
    assert_null(row->problem);
    store_schedule_free(row);

    /* One call changes, makes and removes. */
    static const char *const gone[] = {"b", "never was"};
    struct store_schedule d = schedule_for("d");
    a.paused = true;
    a.next_at = 0; /* as it is */
    a.spec = (char *)(uintptr_t) "{}";
    struct store_schedule *const more[] = {&a, &d};
    struct store_schedule_put call = {
        .rows = more, .count = 2, .removed = gone, .removed_count = 2};
    assert_int_equal(CALL(f, schedule_put, &call), 0);
    assert_string_equal(schedule_names(f), "B\xc3\xa9 a d");
    assert_int_equal(schedule_counts(f).schedules, 3);
    assert_int_equal(schedule_counts(f).schedules_paused, 1);
    row = get_schedule(f, "a");
    assert_true(row->paused);
    assert_string_equal(row->spec, "{}");
    assert_int_equal(row->next_at, 1000);
    store_schedule_free(row);

    static const char *const some[] = {"d", "no", "a", "d"};
    struct store_schedule_get found = {.names = some, .count = 4};
    assert_int_equal(CALL(f, schedule_get, &found), 0);
    assert_string_equal(found.rows[0]->name, "d");
    assert_null(found.rows[1]);
    assert_string_equal(found.rows[2]->name, "a");
    assert_string_equal(found.rows[3]->name, "d");
    store_schedules_free(found.rows, 4);
}

static void schedules_are_read_in_pages(void **state)
{
    struct fixture *f = *state;
    static const int64_t times[] = {300, 100, 200, 100, 400};
    struct store_schedule rows[5];
    for (int i = 0; i < 5; i++) {
        static const char *const names[] = {"a", "b", "c", "d", "e"};
        rows[i] = schedule_for(names[i]);
        rows[i].next_at = times[i];
        rows[i].paused = i == 4;
        put_schedule(f, &rows[i]);
    }
    struct store_schedules page = {.limit = 2};
    assert_string_equal(page_names(f, &page), "a b ...");
    page.after = "b";
    page.limit = 3;
    assert_string_equal(page_names(f, &page), "c d e");
    page.until = "d";
    assert_string_equal(page_names(f, &page), "c d");
    page.after = "bb"; /* none of that name */
    page.until = "c";
    assert_string_equal(page_names(f, &page), "c");
    page = (struct store_schedules){.limit = 9, .max_bytes = 2 * strlen(rows[0].spec)};
    assert_string_equal(page_names(f, &page), "a b ...");
    page = (struct store_schedules){.limit = 1, .brief = true};
    assert_int_equal(CALL(f, schedules, &page), 0);
    assert_string_equal(page.rows[0]->spec, "");
    assert_int_equal(page.rows[0]->uid, 1000);
    store_schedules_free(page.rows, page.count);

    /* By time, then name; without those that are paused. */
    page = (struct store_schedules){.due = true, .limit = 3};
    assert_string_equal(page_names(f, &page), "b d c ...");
    page.after = "b";
    page.after_at = 100;
    assert_string_equal(page_names(f, &page), "d c a");
    page.after = "zzz";
    assert_string_equal(page_names(f, &page), "c a");
    page.after_at = 300;
    assert_string_equal(page_names(f, &page), "");
}

/* What another has changed meanwhile is not changed by who has not seen that. */
static void a_change_is_compared_with_what_is_there(void **state)
{
    struct fixture *f = *state;
    struct store_schedule a = schedule_for("a"), b = schedule_for("b");
    struct store_schedule *const both[] = {&b, &a};
    put_schedule(f, &a);
    uint64_t first = a.version;
    assert_true(first > 0);
    put_schedule(f, &a);
    assert_true(a.version > first);

    static const char *const gone[] = {"a"};
    struct store_schedule_put call = {
        .rows = both, .count = 2, .removed = gone, .removed_count = 1};
    uint64_t second = a.version;
    a.version = first;
    assert_int_equal(CALL(f, schedule_put, &call), -ESTALE);
    assert_string_equal(schedule_names(f), "a"); /* none of it */
    a.version = 0;
    assert_int_equal(CALL(f, schedule_put, &call), -ESTALE); /* it was not to be there */
    a.version = second;
    call.removed_count = 0;
    assert_int_equal(CALL(f, schedule_put, &call), 0);
    assert_string_equal(schedule_names(f), "a b");
    uint64_t last = a.version > b.version ? a.version : b.version;
    remove_schedule(f, "a");
    assert_int_equal(CALL(f, schedule_put, &call), -ESTALE); /* it was to be there */
    put_schedule(f, &a);
    assert_true(a.version > last); /* never the same again */
}

#endif
