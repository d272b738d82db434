/* Part of the conformance suite: windows and lists. */
#ifndef TESTS_UNIT_STORE_CONFORMANCE_READS_H
#define TESTS_UNIT_STORE_CONFORMANCE_READS_H

#include "store_support.h"

/* --- windows --------------------------------------------------------------------------------- */

static uint64_t submit_with(struct fixture *f, int priority, int64_t due)
{
    struct store_job job = job_for("h");
    job.priority = priority;
    job.due = due;
    submit_job(f, &job);
    return job.id;
}

static void a_window_is_in_the_order_to_run(void **state)
{
    struct fixture *f = *state;
    submit_with(f, 0, 0);    /* 1 */
    submit_with(f, 5, 0);    /* 2 */
    submit_with(f, 0, 0);    /* 3 */
    submit_with(f, -1, 0);   /* 4 */
    submit_with(f, 9, 2000); /* 5: not before */
    submit_with(f, 5, 1000); /* 6 */
    submit_to(f, "other");   /* 7 */

    struct store_window_host all = rows_of("h", 10);
    assert_string_equal(window_ids(f, &all, 500), "2 1 3 4");
    assert_int_equal(all.next_due, 1000);
    assert_string_equal(window_ids(f, &all, 1000), "2 6 1 3 4");
    assert_int_equal(all.next_due, 2000);
    assert_string_equal(window_ids(f, &all, 3000), "5 2 6 1 3 4");
    assert_int_equal(all.next_due, 0);
    all.limit = 2;
    assert_string_equal(window_ids(f, &all, 3000), "5 2");

    static const uint64_t skip[] = {2, 5, 1, 42};
    struct store_window_host some = rows_of("h", 2);
    some.skip = skip;
    some.skip_count = 4;
    assert_string_equal(window_ids(f, &some, 3000), "6 3");
    some.skip_count = 0;
    assert_string_equal(window_ids(f, &some, 3000), "5 2");
    struct store_window_host nobody = rows_of("nobody", 2);
    assert_string_equal(window_ids(f, &nobody, 3000), "");
    assert_int_equal(nobody.next_due, 0);
}

/* A point of priority is worth STORE_AGE_US of waiting, and no more. */
static void none_starves(void **state)
{
    struct fixture *f = *state;
    struct store_job old = job_for("h"), urgent = job_for("h"), later = job_for("h");
    urgent.priority = later.priority = 10;
    urgent.created = old.created + 10 * STORE_AGE_US - 1;
    later.created = old.created + 10 * STORE_AGE_US + 1;
    submit_job(f, &old);
    submit_job(f, &urgent);
    submit_job(f, &later);
    struct store_window_host window = rows_of("h", 5);
    assert_string_equal(window_ids(f, &window, 1), "2 1 3");
}

static void what_runs_is_in_no_window_and_comes_back_in_its_place(void **state)
{
    struct fixture *f = *state;
    uint64_t first = submit_with(f, 0, 0);
    submit_with(f, 0, 0);
    submit_with(f, 0, 0);
    struct store_window_host window = rows_of("h", 10);
    claim(f, first);
    assert_string_equal(window_ids(f, &window, 10), "2 3");
    assert_int_equal(postpone(f, first, 1, 5000), 0);
    assert_string_equal(window_ids(f, &window, 10), "2 3");
    assert_int_equal(window.next_due, 5000);
    assert_string_equal(window_ids(f, &window, 5000), "1 2 3");
    assert_int_equal(claim(f, first), 2);
    assert_int_equal(postpone(f, first, 2, 0), 0);
    assert_string_equal(window_ids(f, &window, 10), "1 2 3");
    static const uint64_t skip[] = {1};
    claim(f, 1);
    assert_int_equal(postpone(f, 1, 3, 7000), 0);
    window.skip = skip;
    window.skip_count = 1;
    assert_string_equal(window_ids(f, &window, 10), "2 3");
    assert_int_equal(window.next_due, 0); /* of the skipped one the caller knows */
}

static void window_rows_are_whole(void **state)
{
    struct fixture *f = *state;
    submit_to(f, "h");
    struct store_window_host window = rows_of("h", 1);
    struct store_window call = {.now = 1, .hosts = &window, .count = 1};
    assert_int_equal(CALL(f, window, &call), 0);
    assert_int_equal(window.count, 1);
    assert_string_equal(window.jobs[0]->spec, "{\"url\":\"http://x/\"}");
    assert_string_equal(window.jobs[0]->host, "h");
    assert_string_equal(window.jobs[0]->parser, "count");
    store_window_reset(&call);
    assert_int_equal(window.count, 0);
}

static void a_window_begins_at_a_rank(void **state)
{
    struct fixture *f = *state;
    int64_t ranks[3];
    for (int i = 0; i < 3; i++) { /* 1 2 3 */
        struct store_job job = job_for("h");
        job.created += i / 2; /* two of one rank */
        submit_job(f, &job);
        ranks[i] = job.rank;
    }
    submit_with(f, 7, 0); /* 4 */
    struct store_window_host window = rows_of("h", 10);
    assert_string_equal(window_ids(f, &window, 1), "4 1 2 3");
    window.from_rank = ranks[0];
    assert_string_equal(window_ids(f, &window, 1), "1 2 3");
    static const uint64_t skip[] = {1};
    window.skip = skip;
    window.skip_count = 1;
    assert_string_equal(window_ids(f, &window, 1), "2 3");
    window.from_rank = ranks[2];
    assert_string_equal(window_ids(f, &window, 1), "3");
    window.from_rank = ranks[2] + 1;
    assert_string_equal(window_ids(f, &window, 1), "");
}

static void submit_for(struct fixture *f, uint32_t uid, int priority)
{
    struct store_job job = job_for("h");
    job.uid = uid;
    job.priority = priority;
    submit_job(f, &job);
}

/* Whosever they are, they are in one order. */
static void a_window_is_of_many_users(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 9; i++) /* 1 4 7, 2 5 8, 3 6 9 */
        submit_for(f, 3 - i % 3, 0);
    submit_for(f, UINT32_MAX, 1); /* 10 */
    struct store_window_host window = rows_of("h", 20);
    assert_string_equal(window_ids(f, &window, 1), "10 1 2 3 4 5 6 7 8 9");
    window.limit = 5;
    assert_string_equal(window_ids(f, &window, 1), "10 1 2 3 4");
    static const uint64_t skip[] = {2, 10, 1};
    window.skip = skip;
    window.skip_count = 3;
    assert_string_equal(window_ids(f, &window, 1), "3 4 5 6 7");
}

/* Of some users no more than so many rows are wanted; who has more is told. */
static void a_window_leaves_users_out(void **state)
{
    struct fixture *f = *state;
    if (!counts_users(f)) /* and the config refuses what needs it */
        return;
    for (uint32_t i = 0; i < 9; i++) /* 1: 1 4 7; 2: 2 5 8; 3: 3 6 9 */
        submit_for(f, 1 + i % 3, 0);
    static const struct store_window_user users[] = {{1, 0}, {2, 2}, {3, 3}, {4, 0}};
    static const uint64_t skipped[] = {2};
    struct store_window_host window = rows_of("h", 20);
    struct store_window call = {
        .now = 1, .hosts = &window, .count = 1, .users = users, .user_count = 4};
    assert_int_equal(CALL(f, window, &call), 0);
    assert_string_equal(ids_of(window.jobs, window.count), "2 3 5 6 9");
    assert_int_equal(window.left_count, 2);
    assert_int_equal(window.left_out[0], 1);
    assert_int_equal(window.left_out[1], 2);
    free(window.left_out);
    window = rows_of("h", 20);
    window.skip = skipped; /* which the caller has, and does not count */
    window.skip_count = 1;
    assert_int_equal(CALL(f, window, &call), 0);
    assert_string_equal(ids_of(window.jobs, window.count), "3 5 6 8 9");
    assert_int_equal(window.left_count, 1);
    free(window.left_out);
}

/* Each with its own limit, bound and skips. */
static void a_window_is_of_many_hosts(void **state)
{
    struct fixture *f = *state;
    static const uint64_t skip[] = {1};
    for (int i = 0; i < 6; i++) /* 1 3 5, 2 4 6 */
        submit_to(f, i % 2 ? "b" : "a");
    struct store_job later = job_for("later"); /* 7 */
    later.due = 900;
    submit_job(f, &later);
    struct store_window_host hosts[] = {rows_of("b", 2), rows_of("nobody", 5), rows_of("a", 5),
                                        rows_of("later", 5)};
    hosts[2].skip = skip;
    hosts[2].skip_count = 1;
    struct store_window call = {.now = 500, .hosts = hosts, .count = 4};
    assert_int_equal(CALL(f, window, &call), 0);
    assert_string_equal(ids_of(hosts[0].jobs, hosts[0].count), "2 4");
    assert_int_equal(hosts[1].count, 0);
    assert_string_equal(ids_of(hosts[2].jobs, hosts[2].count), "3 5");
    assert_int_equal(hosts[2].next_due, 0);
    assert_int_equal(hosts[3].count, 0);
    assert_int_equal(hosts[3].next_due, 900);
}

/* "a b": the names of a page, which is freed. */
static const char *hosts_behind(struct fixture *f, const char *after, size_t limit)
{
    static char text[256];
    struct store_hosts call = {.after = after, .limit = limit};
    int len = 0;
    assert_int_equal(CALL(f, hosts, &call), 0);
    text[0] = '\0';
    for (size_t i = 0; i < call.count; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, "%s%s", i ? " " : "", call.hosts[i]);
    store_hosts_free(&call);
    return text;
}

static void hosts_are_those_with_work_page_by_page(void **state)
{
    struct fixture *f = *state;
    uint64_t a = submit_to(f, "a"), b = submit_to(f, "b"), runs = submit_to(f, "runs");
    submit_to(f, "b");
    submit_with(f, 0, 5000); /* h: only later */
    claim(f, b);
    claim(f, runs);
    assert_string_equal(hosts_behind(f, NULL, 10), "a b h");
    assert_string_equal(hosts_behind(f, NULL, 2), "a b");
    assert_string_equal(hosts_behind(f, "b", 2), "h");
    assert_string_equal(hosts_behind(f, "h", 2), "");
    assert_string_equal(hosts_behind(f, "aa", 1), "b"); /* which need not be there */
    assert_int_equal(finish(f, a, 0, JOB_CANCELLED), 0);
    assert_int_equal(postpone(f, runs, 1, 7000), 0);
    submit_with(f, 0, 0); /* h: now as well */
    assert_string_equal(hosts_behind(f, NULL, 10), "b h runs");
}

/* --- lists ----------------------------------------------------------------------------------- */

static void pages_hold_still_while_rows_are_added(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 7; i++)
        submit_to(f, "h");
    struct store_list list = {.select = any, .limit = 3};
    assert_string_equal(list_ids(f, &list), "7 6 5");
    assert_int_not_equal(list.next, 0);
    submit_to(f, "h");
    list.before = list.next;
    assert_string_equal(list_ids(f, &list), "4 3 2");
    submit_to(f, "h");
    list.before = list.next;
    assert_string_equal(list_ids(f, &list), "1");
    assert_int_equal(list.next, 0);
    list.before = 0;
    list.limit = 9;
    assert_string_equal(list_ids(f, &list), "9 8 7 6 5 4 3 2 1");
    assert_int_equal(list.next, 0); /* exactly full, and nothing behind it */
    list.before = 1;
    assert_string_equal(list_ids(f, &list), "");
    assert_int_equal(list.next, 0);
}

static void expect_selected(struct fixture *f, struct store_select select, const char *ids)
{
    struct store_list list = {.select = select, .limit = 10};
    assert_string_equal(list_ids(f, &list), ids);
}

static void a_page_ends_when_it_has_bytes_enough(void **state)
{
    struct fixture *f = *state;
    struct store_job job = job_for("h");
    for (int i = 0; i < 5; i++)
        submit_job(f, &job);
    size_t each = strlen(job.spec) + strlen(job.labels);
    struct store_list list = {.select = any, .limit = 10, .max_bytes = 2 * each};
    assert_string_equal(list_ids(f, &list), "5 4");
    list.before = list.next;
    list.max_bytes = 1; /* one comes always, or a list would never end */
    assert_string_equal(list_ids(f, &list), "3");
    list.before = list.next;
    list.max_bytes = 3 * each;
    assert_string_equal(list_ids(f, &list), "2 1");
    assert_int_equal(list.next, 0);
}

static void selection_takes_each_condition(void **state)
{
    struct fixture *f = *state;
    struct store_job job = job_for("a.example"); /* 1: done */
    submit_job(f, &job);
    job.created += 10; /* 2: failed */
    job.labels = (char *)(uintptr_t) "{\"team\":\"b\",\"q\\\"\":\"x\"}";
    submit_job(f, &job);
    job.created += 10; /* 3: running */
    job.host = (char *)(uintptr_t) "b.example";
    job.labels = (char *)(uintptr_t) "{}";
    submit_job(f, &job);
    job.parser = (char *)(uintptr_t) "csv"; /* 4: queued */
    submit_job(f, &job);
    for (uint64_t id = 1; id <= 3; id++)
        claim(f, id);
    assert_int_equal(finish(f, 1, 1, JOB_DONE), 0);
    assert_int_equal(finish(f, 2, 1, JOB_FAILED), 0);

    expect_selected(f, any, "4 3 2 1");
    struct store_select by_state = any;
    by_state.state = JOB_QUEUED;
    expect_selected(f, by_state, "4");
    by_state.state = JOB_FAILED;
    expect_selected(f, by_state, "2");
    struct store_select by_error = any;
    by_error.error = KIND_TRUNCATED;
    expect_selected(f, by_error, "2");
    by_error.error = KIND_TLS;
    expect_selected(f, by_error, "");
    struct store_select by_label = any;
    by_label.label_key = "team";
    expect_selected(f, by_label, "2 1");
    by_label.label_value = "b";
    expect_selected(f, by_label, "2");
    by_label.label_key = "q\"";
    by_label.label_value = "x";
    expect_selected(f, by_label, "2");
    struct store_select by_host = any;
    by_host.host = "b.example";
    expect_selected(f, by_host, "4 3");
    by_host.parser = "csv";
    expect_selected(f, by_host, "4");
    struct store_select by_time = any;
    by_time.since = job.created - 10;
    expect_selected(f, by_time, "4 3 2");
    struct store_select by_schedule = any;
    by_schedule.schedule = "daily";
    expect_selected(f, by_schedule, "");
}

/* A selection that finds little in much. */
static void a_rare_row_is_found_among_many(void **state)
{
    struct fixture *f = *state;
    enum { N = 1000, BATCHES = 7 };
    static struct store_job jobs[N];
    static struct store_submit_item items[N];
    for (int b = 0; b < BATCHES; b++) {
        for (int i = 0; i < N; i++) {
            jobs[i] = job_for("h");
            items[i] = (struct store_submit_item){.job = &jobs[i]};
        }
        if (b == 0)
            jobs[4].parser = jobs[6].parser = (char *)(uintptr_t) "rare";
        struct store_submit call = {.items = items, .count = N};
        assert_int_equal(CALL(f, submit, &call), 0);
    }
    struct store_list list = {.select = any, .limit = 1};
    list.select.parser = "rare";
    assert_string_equal(list_ids(f, &list), "7");
    list.before = list.next;
    assert_string_equal(list_ids(f, &list), "5");
    while (list.next) { /* whether more follow, an engine need not know at once */
        list.before = list.next;
        assert_string_equal(list_ids(f, &list), "");
    }

    /* Two at the same time, and other calls beside them. */
    struct store_list two[2] = {{.select = list.select, .limit = 5},
                                {.select = list.select, .limit = 5}};
    struct store_get get_one = {.id = 1};
    for (int i = 0; i < 2; i++) {
        expect_call(&two[i].call);
        f->store->engine->list(f->store, &two[i]);
    }
    expect_call(&get_one.call);
    f->store->engine->get(f->store, &get_one);
    wait_calls(f, 3);
    assert_string_equal(ids_of(two[0].jobs, two[0].count), "7 5");
    assert_string_equal(ids_of(two[1].jobs, two[1].count), "7 5");
    assert_int_equal(get_one.call.result, 0);
    store_job_free(get_one.job);
}

#endif
