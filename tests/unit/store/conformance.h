/* What every store engine must do. A test program of an engine includes this and calls store_conformance with
 * the engine's opener; each test starts with an empty store. */
#ifndef TESTS_UNIT_STORE_CONFORMANCE_H
#define TESTS_UNIT_STORE_CONFORMANCE_H

#include "store_support.h"

/* --- submitting ------------------------------------------------------------------------------ */

static void a_job_comes_back_as_it_was_given(void **state)
{
    struct fixture *f = *state;
    struct store_job job = job_for("example.org");
    job.priority = -3;
    job.due = 5;
    job.retry_of = 17;
    job.attempt = 9; /* these are the store's to say */
    job.state = JOB_DONE;
    job.finish_seq = 4;
    job.key = (char *)(uintptr_t) "k\xc3\xa9y";
    submit_job(f, &job);
    assert_int_equal(job.id, 1);
    struct store_job *row = get(f, job.id);
    assert_non_null(row);
    assert_int_equal(row->id, job.id);
    assert_int_equal(row->attempt, 0);
    assert_int_equal(row->state, JOB_QUEUED);
    assert_int_equal(row->priority, -3);
    assert_int_equal(row->uid, 1000);
    assert_int_equal(row->gid, 100);
    assert_int_equal(row->created, job.created);
    assert_int_equal(row->due, 5);
    assert_int_equal(row->finished, 0);
    assert_int_equal(row->finish_seq, 0);
    assert_int_equal(row->retry_of, 17);
    assert_int_equal(row->error, KIND_NONE);
    assert_string_equal(row->host, "example.org");
    assert_string_equal(row->parser, job.parser);
    assert_string_equal(row->spec, job.spec);
    assert_string_equal(row->labels, job.labels);
    assert_string_equal(row->key, job.key);
    assert_null(row->verdict);
    store_job_free(row);
    assert_null(get(f, 2));
    assert_null(get(f, 0));
    assert_null(get(f, UINT64_C(1) << 62));
}

static void a_key_is_one_job_for_its_uid(void **state)
{
    struct fixture *f = *state;
    struct store_submit_item item;
    uint64_t first = submit_keyed(f, 1, "k", "{\"a\":1}", &item);
    assert_int_equal(item.result, 0);
    assert_false(item.existing);

    assert_int_equal(submit_keyed(f, 1, "k", "{\"a\":1}", &item), first);
    assert_int_equal(item.result, 0);
    assert_true(item.existing);

    submit_keyed(f, 1, "k", "{\"a\":2}", &item);
    assert_int_equal(item.result, -EEXIST);
    assert_false(item.existing);

    assert_int_equal(submit_keyed(f, 2, "k", "{\"a\":2}", &item), first + 1);
    assert_int_equal(item.result, 0);
    assert_false(item.existing);

    /* A key outlives its job's end. */
    assert_int_equal(finish(f, first, 0, JOB_CANCELLED), 0);
    assert_int_equal(submit_keyed(f, 1, "k", "{\"a\":1}", &item), first);
    assert_true(item.existing);

    struct store_counts counts;
    f->store->engine->counts(f->store, &counts);
    assert_int_equal(counts.by_state[JOB_QUEUED], 1);
    assert_int_equal(counts.last_id, 2);
}

static void a_batch_may_repeat_and_contradict_itself(void **state)
{
    struct fixture *f = *state;
    struct store_job jobs[5];
    struct store_submit_item items[5];
    for (int i = 0; i < 5; i++) {
        jobs[i] = job_for("h");
        items[i] = (struct store_submit_item){.job = &jobs[i]};
    }
    jobs[1].key = jobs[2].key = jobs[3].key = (char *)(uintptr_t) "same";
    jobs[3].spec = (char *)(uintptr_t) "{}";
    struct store_submit call = {.items = items, .count = 5};
    assert_int_equal(CALL(f, submit, &call), 0);
    static const int results[5] = {0, 0, 0, -EEXIST, 0};
    static const bool existing[5] = {false, false, true, false, false};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(items[i].result, results[i]);
        assert_int_equal(items[i].existing, existing[i]);
    }
    assert_int_equal(jobs[2].id, jobs[1].id);
    assert_true(jobs[0].id < jobs[1].id && jobs[1].id < jobs[4].id);
    struct store_list list = {.select = any, .limit = 10};
    assert_string_equal(list_ids(f, &list), "3 2 1");
}

static void a_thousand_at_once(void **state)
{
    struct fixture *f = *state;
    enum { N = 1000 };
    static struct store_job jobs[N];
    static struct store_submit_item items[N];
    static char hosts[N][16];
    for (int i = 0; i < N; i++) {
        snprintf(hosts[i], sizeof hosts[i], "h%d", i % 10);
        jobs[i] = job_for(hosts[i]);
        items[i] = (struct store_submit_item){.job = &jobs[i]};
    }
    struct store_submit call = {.items = items, .count = N};
    assert_int_equal(CALL(f, submit, &call), 0);
    for (int i = 0; i < N; i++)
        assert_int_equal(jobs[i].id, i + 1);
    struct store_hosts hosts_call = {.count = 0};
    assert_int_equal(CALL(f, hosts, &hosts_call), 0);
    assert_int_equal(hosts_call.count, 10);
    for (size_t i = 0; i < hosts_call.count; i++) {
        assert_int_equal(hosts_call.hosts[i].pending, N / 10);
        free(hosts_call.hosts[i].host);
    }
    free(hosts_call.hosts);
    struct store_window window = {.host = "h3", .now = 1, .limit = 3};
    assert_string_equal(window_ids(f, &window), "4 14 24");
}

static void a_full_queue_takes_all_or_nothing(void **state)
{
    struct fixture *f = *state;
    struct store_submit_item item;
    struct store_counts before, after;
    fixture_close(f);
    fixture_open(f, &(struct store_config){.max_jobs = 3});
    uint64_t keyed = submit_keyed(f, 1, "k", "{}", &item);
    uint64_t ran = submit_to(f, "h");
    claim(f, ran); /* running counts, too */

    struct store_job jobs[3] = {job_for("new"), job_for("h"), job_for("h")};
    jobs[0].key = (char *)(uintptr_t) "fresh";
    struct store_submit_item items[3] = {{.job = &jobs[0]}, {.job = &jobs[1]}, {.job = &jobs[2]}};
    struct store_submit call = {.items = items, .count = 2};
    f->store->engine->counts(f->store, &before);
    assert_int_equal(CALL(f, submit, &call), -EDQUOT);
    f->store->engine->counts(f->store, &after);
    assert_memory_equal(before.by_state, after.by_state, sizeof before.by_state);
    struct store_window window = {.host = "new", .now = 1, .limit = 3};
    assert_string_equal(window_ids(f, &window), "");

    /* A known key takes no room; a refused one has left nothing behind. */
    assert_int_equal(submit_keyed(f, 1, "k", "{}", &item), keyed);
    assert_true(item.existing);
    submit_keyed(f, 1000, "fresh", "{\"other\":1}", &item);
    assert_int_equal(item.result, 0);
    assert_false(item.existing);
    call.count = 1;
    assert_int_equal(CALL(f, submit, &call), 0);
    assert_int_equal(items[0].result, -EEXIST);
    items[0].job = &jobs[1];
    assert_int_equal(CALL(f, submit, &call), -EDQUOT);

    /* What has ended gives its room back. */
    assert_int_equal(finish(f, ran, 1, JOB_DONE), 0);
    assert_int_equal(CALL(f, submit, &call), 0);
    assert_true(jobs[1].id > ran + 1);
}

/* --- a job's way ----------------------------------------------------------------------------- */

static void claims_are_epochs(void **state)
{
    struct fixture *f = *state;
    uint64_t id = submit_to(f, "h");
    struct store_claim again = {.id = id}, unknown = {.id = 99};
    assert_int_equal(claim(f, id), 1);
    assert_int_equal(state_of(f, id), JOB_RUNNING);
    assert_int_equal(CALL(f, claim, &again), -ESTALE);
    assert_int_equal(CALL(f, claim, &unknown), -ENOENT);

    assert_int_equal(postpone(f, id, 1, 1000), 0);
    assert_int_equal(state_of(f, id), JOB_WAITING);
    assert_int_equal(postpone(f, id, 1, 2000), -ESTALE); /* it does not run */
    assert_int_equal(claim(f, id), 2);
    assert_int_equal(postpone(f, id, 1, 1000), -ESTALE);
    assert_int_equal(postpone(f, id, 2, 0), 0);
    assert_int_equal(state_of(f, id), JOB_QUEUED);
    assert_int_equal(claim(f, id), 3);
    struct store_job *row = get(f, id);
    assert_int_equal(row->attempt, 3);
    assert_int_equal(row->due, 0);
    store_job_free(row);
    assert_int_equal(postpone(f, 99, 1, 0), -ENOENT);
}

static void a_verdict_is_stored_once_and_never_by_a_ghost(void **state)
{
    struct fixture *f = *state;
    uint64_t id = submit_to(f, "h");
    claim(f, id);
    assert_int_equal(postpone(f, id, 1, 1), 0);
    claim(f, id);
    assert_int_equal(finish(f, id, 1, JOB_DONE), -ESTALE);
    assert_int_equal(finish(f, id, 3, JOB_DONE), -ESTALE);
    assert_int_equal(finish(f, id, 2, JOB_RUNNING), -EINVAL);
    assert_int_equal(state_of(f, id), JOB_RUNNING);
    assert_int_equal(finish_at(f, id, 2, JOB_FAILED, 123456789012345678), 0);
    assert_int_equal(finish(f, id, 2, JOB_DONE), -ESTALE);
    assert_int_equal(postpone(f, id, 2, 5), -ESTALE);
    assert_int_equal(finish(f, 99, 0, JOB_DONE), -ENOENT);
    struct store_claim late = {.id = id};
    assert_int_equal(CALL(f, claim, &late), -ESTALE);

    struct store_job *row = get(f, id);
    assert_int_equal(row->state, JOB_FAILED);
    assert_int_equal(row->error, KIND_TRUNCATED);
    assert_int_equal(row->finished, 123456789012345678);
    assert_int_equal(row->finish_seq, 1);
    assert_int_equal(row->attempt, 2);
    assert_string_equal(row->verdict, "{\"event\":\"verdict\"}");
    store_job_free(row);
}

static void a_job_that_does_not_run_can_end(void **state)
{
    struct fixture *f = *state;
    uint64_t queued = submit_to(f, "h"), waiting = submit_to(f, "h");
    claim(f, waiting);
    assert_int_equal(postpone(f, waiting, 1, 1000), 0);
    assert_int_equal(finish(f, queued, 0, JOB_CANCELLED), 0);
    assert_int_equal(finish(f, waiting, 1, JOB_CANCELLED), 0);
    struct store_window window = {.host = "h", .now = INT64_MAX, .limit = 5};
    assert_string_equal(window_ids(f, &window), "");
    assert_int_equal(window.next_due, 0);
}

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

    struct store_window all = {.host = "h", .now = 500, .limit = 10};
    assert_string_equal(window_ids(f, &all), "2 1 3 4");
    assert_int_equal(all.next_due, 1000);
    all.now = 1000;
    assert_string_equal(window_ids(f, &all), "2 6 1 3 4");
    assert_int_equal(all.next_due, 2000);
    all.now = 3000;
    assert_string_equal(window_ids(f, &all), "5 2 6 1 3 4");
    assert_int_equal(all.next_due, 0);
    all.limit = 2;
    assert_string_equal(window_ids(f, &all), "5 2");

    static const uint64_t skip[] = {2, 5, 1, 42};
    struct store_window some = {
        .host = "h", .now = 3000, .skip = skip, .skip_count = 4, .limit = 2};
    assert_string_equal(window_ids(f, &some), "6 3");
    some.skip_count = 0;
    assert_string_equal(window_ids(f, &some), "5 2");
    struct store_window nobody = {.host = "nobody", .now = 3000, .limit = 2};
    assert_string_equal(window_ids(f, &nobody), "");
    assert_int_equal(nobody.next_due, 0);
}

static void what_runs_is_in_no_window_and_comes_back_in_its_place(void **state)
{
    struct fixture *f = *state;
    uint64_t first = submit_with(f, 0, 0);
    submit_with(f, 0, 0);
    submit_with(f, 0, 0);
    struct store_window window = {.host = "h", .now = 10, .limit = 10};
    claim(f, first);
    assert_string_equal(window_ids(f, &window), "2 3");
    assert_int_equal(postpone(f, first, 1, 5000), 0);
    assert_string_equal(window_ids(f, &window), "2 3");
    assert_int_equal(window.next_due, 5000);
    window.now = 5000;
    assert_string_equal(window_ids(f, &window), "1 2 3");
    assert_int_equal(claim(f, first), 2);
    assert_int_equal(postpone(f, first, 2, 0), 0);
    window.now = 10;
    assert_string_equal(window_ids(f, &window), "1 2 3");
    static const uint64_t skip[] = {1};
    claim(f, 1);
    assert_int_equal(postpone(f, 1, 3, 7000), 0);
    window.skip = skip;
    window.skip_count = 1;
    assert_string_equal(window_ids(f, &window), "2 3");
    assert_int_equal(window.next_due, 0); /* of the skipped one the caller knows */
}

static void window_rows_are_whole(void **state)
{
    struct fixture *f = *state;
    submit_to(f, "h");
    struct store_window window = {.host = "h", .now = 1, .limit = 1};
    assert_int_equal(CALL(f, window, &window), 0);
    assert_int_equal(window.count, 1);
    assert_string_equal(window.jobs[0]->spec, "{\"url\":\"http://x/\"}");
    assert_string_equal(window.jobs[0]->host, "h");
    assert_string_equal(window.jobs[0]->parser, "count");
    store_jobs_free(window.jobs, window.count);
}

static void hosts_are_those_with_work(void **state)
{
    struct fixture *f = *state;
    uint64_t a = submit_to(f, "a.example"), b = submit_to(f, "b.example");
    submit_to(f, "b.example");
    claim(f, b);
    assert_int_equal(finish(f, a, 0, JOB_CANCELLED), 0);
    struct store_hosts call = {.count = 0};
    assert_int_equal(CALL(f, hosts, &call), 0);
    assert_int_equal(call.count, 1);
    assert_string_equal(call.hosts[0].host, "b.example");
    assert_int_equal(call.hosts[0].pending, 2);
    free(call.hosts[0].host);
    free(call.hosts);
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

/* --- ends ------------------------------------------------------------------------------------ */

static const char *ended_ids(struct fixture *f, struct store_ended *call)
{
    assert_int_equal(CALL(f, ended, call), 0);
    return ids_of(call->jobs, call->count);
}

static void ends_are_read_in_their_order(void **state)
{
    struct fixture *f = *state;
    static const uint64_t order[] = {3, 1, 5, 2};
    for (int i = 0; i < 5; i++)
        submit_to(f, "h");
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(finish(f, order[i], 0, i % 2 ? JOB_DONE : JOB_CANCELLED), 0);
    struct store_ended call = {.after = 0, .limit = 2};
    assert_string_equal(ended_ids(f, &call), "3 1");
    call.after = 2;
    assert_string_equal(ended_ids(f, &call), "5 2");
    call.after = 4;
    assert_string_equal(ended_ids(f, &call), "");
    call = (struct store_ended){.after = 1, .limit = 1};
    assert_int_equal(CALL(f, ended, &call), 0);
    assert_int_equal(call.jobs[0]->finish_seq, 2);
    store_jobs_free(call.jobs, call.count);
    struct store_counts counts;
    f->store->engine->counts(f->store, &counts);
    assert_int_equal(counts.last_finish_seq, 4);
}

static void counts_follow_each_change(void **state)
{
    struct fixture *f = *state;
    struct store_counts counts;
    for (int i = 0; i < 6; i++)
        submit_to(f, "h");
    for (uint64_t id = 1; id <= 5; id++)
        claim(f, id);
    assert_int_equal(postpone(f, 2, 1, 99), 0);
    assert_int_equal(finish(f, 3, 1, JOB_DONE), 0);
    assert_int_equal(finish(f, 4, 1, JOB_FAILED), 0);
    assert_int_equal(finish(f, 5, 1, JOB_CANCELLED), 0);
    f->store->engine->counts(f->store, &counts);
    for (int i = 0; i < JOB_STATE_COUNT_; i++)
        assert_int_equal(counts.by_state[i], 1);
    assert_int_equal(counts.last_id, 6);
    assert_int_equal(counts.last_finish_seq, 3);
}

/* Forgetting may lag behind: later calls bring it about. */
static bool forgotten(struct fixture *f, uint64_t id)
{
    for (int i = 0; i < 50; i++) {
        struct store_job *row = get(f, id);
        if (!row)
            return true;
        store_job_free(row);
        assert_int_equal(finish(f, submit_to(f, "h"), 0, JOB_DONE), 0);
    }
    return false;
}

static void the_oldest_ends_are_forgotten_by_count(void **state)
{
    struct fixture *f = *state;
    struct store_submit_item item;
    fixture_close(f);
    fixture_open(f, &(struct store_config){.keep_finished_count = 3});
    uint64_t open = submit_to(f, "h");
    uint64_t first = submit_keyed(f, 1, "k", "{}", &item);
    assert_int_equal(finish(f, first, 0, JOB_DONE), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(finish(f, submit_to(f, "h"), 0, JOB_DONE), 0);
    assert_int_equal(state_of(f, first), JOB_DONE);
    assert_true(forgotten(f, first));
    assert_int_equal(state_of(f, open), JOB_QUEUED); /* what has not ended stays */

    /* Its key is free again, its id is not. */
    uint64_t again = submit_keyed(f, 1, "k", "{\"new\":1}", &item);
    assert_int_equal(item.result, 0);
    assert_false(item.existing);
    assert_true(again > first);
    struct store_ended ended = {.after = 0, .limit = 100};
    assert_int_equal(CALL(f, ended, &ended), 0);
    assert_int_equal(ended.count, 3);
    store_jobs_free(ended.jobs, ended.count);
}

static void the_oldest_ends_are_forgotten_by_age(void **state)
{
    struct fixture *f = *state;
    fixture_close(f);
    fixture_open(f, &(struct store_config){.keep_finished_us = INT64_C(3600) * 1000000});
    uint64_t old = submit_to(f, "h"), young = submit_to(f, "h");
    int64_t now = clock_real_us();
    assert_int_equal(finish_at(f, old, 0, JOB_DONE, now - INT64_C(7200) * 1000000), 0);
    assert_int_equal(finish_at(f, young, 0, JOB_DONE, now), 0);
    assert_true(forgotten(f, old));
    assert_int_equal(state_of(f, young), JOB_DONE);
}

/* --- order ----------------------------------------------------------------------------------- */

static void calls_are_carried_out_and_come_back_in_order(void **state)
{
    struct fixture *f = *state;
    enum { N = 100 };
    static struct store_claim claims[N];
    static struct store_finish finishes[N];
    static struct store_get gets[N];
    static struct store_job jobs[N];
    static struct store_submit_item items[N];
    static struct store_submit submits[N];
    for (int i = 0; i < N; i++) {
        uint64_t id = (uint64_t)i + 1;
        jobs[i] = job_for("h");
        items[i] = (struct store_submit_item){.job = &jobs[i]};
        submits[i] = (struct store_submit){.items = &items[i], .count = 1};
        claims[i] = (struct store_claim){.id = id};
        finishes[i] = (struct store_finish){.id = id,
                                            .attempt = 1,
                                            .state = JOB_DONE,
                                            .verdict = "{}",
                                            .finished = clock_real_us()};
        gets[i] = (struct store_get){.id = id};
        expect_call(&submits[i].call);
        expect_call(&claims[i].call);
        expect_call(&finishes[i].call);
        expect_call(&gets[i].call);
        f->store->engine->submit(f->store, &submits[i]);
        f->store->engine->claim(f->store, &claims[i]);
        f->store->engine->finish(f->store, &finishes[i]);
        f->store->engine->get(f->store, &gets[i]);
    }
    wait_calls(f, 4 * N);
    for (int i = 0; i < N; i++) {
        assert_ptr_equal(delivered[4 * i], &submits[i].call.mail);
        assert_ptr_equal(delivered[4 * i + 1], &claims[i].call.mail);
        assert_ptr_equal(delivered[4 * i + 2], &finishes[i].call.mail);
        assert_ptr_equal(delivered[4 * i + 3], &gets[i].call.mail);
        assert_int_equal(gets[i].job->state, JOB_DONE);
        assert_int_equal(gets[i].job->finish_seq, i + 1);
        store_job_free(gets[i].job);
    }
}

/* --- running them ---------------------------------------------------------------------------- */

static store_opener *conformance_opener;

static int conformance_setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){.open = conformance_opener};
    fixture_open(&f, &(struct store_config){.max_jobs = 0});
    *state = &f;
    return 0;
}

static int conformance_teardown(void **state)
{
    fixture_close(*state);
    return 0;
}

#define CONFORMANCE_TEST(name) \
    cmocka_unit_test_setup_teardown(name, conformance_setup, conformance_teardown)

static int store_conformance(const char *engine, store_opener *open)
{
    const struct CMUnitTest tests[] = {
        CONFORMANCE_TEST(a_job_comes_back_as_it_was_given),
        CONFORMANCE_TEST(a_key_is_one_job_for_its_uid),
        CONFORMANCE_TEST(a_batch_may_repeat_and_contradict_itself),
        CONFORMANCE_TEST(a_thousand_at_once),
        CONFORMANCE_TEST(a_full_queue_takes_all_or_nothing),
        CONFORMANCE_TEST(claims_are_epochs),
        CONFORMANCE_TEST(a_verdict_is_stored_once_and_never_by_a_ghost),
        CONFORMANCE_TEST(a_job_that_does_not_run_can_end),
        CONFORMANCE_TEST(a_window_is_in_the_order_to_run),
        CONFORMANCE_TEST(what_runs_is_in_no_window_and_comes_back_in_its_place),
        CONFORMANCE_TEST(window_rows_are_whole),
        CONFORMANCE_TEST(hosts_are_those_with_work),
        CONFORMANCE_TEST(pages_hold_still_while_rows_are_added),
        CONFORMANCE_TEST(selection_takes_each_condition),
        CONFORMANCE_TEST(a_rare_row_is_found_among_many),
        CONFORMANCE_TEST(ends_are_read_in_their_order),
        CONFORMANCE_TEST(counts_follow_each_change),
        CONFORMANCE_TEST(the_oldest_ends_are_forgotten_by_count),
        CONFORMANCE_TEST(the_oldest_ends_are_forgotten_by_age),
        CONFORMANCE_TEST(calls_are_carried_out_and_come_back_in_order),
    };
    conformance_opener = open;
    return cmocka_run_group_tests_name(engine, tests, NULL, NULL);
}

#endif
