/* What every store engine must do. A test program of an engine includes this and calls
 * store_conformance with the engine's opener; each test starts with an empty store. */
#ifndef TESTS_UNIT_STORE_CONFORMANCE_H
#define TESTS_UNIT_STORE_CONFORMANCE_H

#include "conformance_jobs.h"
#include "conformance_reads.h"
#include "conformance_runs.h"

/* --- ends ------------------------------------------------------------------------------------- */

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
    struct store_ended call = {.limit = 1};
    assert_string_equal(ended_ids(f, &call), "3");
    struct store_cursor first = call.after;
    call.limit = 2;
    assert_string_equal(ended_ids(f, &call), "1 5");
    assert_string_equal(ended_ids(f, &call), "2");
    struct store_cursor last = call.after;
    assert_string_equal(ended_ids(f, &call), "");
    assert_memory_equal(&call.after, &last, sizeof last);
    call = (struct store_ended){.after = first, .limit = 1};
    assert_string_equal(ended_ids(f, &call), "1");
    struct store_counts counts;
    f->store->engine->counts(f->store, &counts);
    assert_int_equal(counts.by_state[JOB_CANCELLED], 2);
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
    struct store_ended ended = {.limit = 100};
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

/* --- order ------------------------------------------------------------------------------------ */

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
                                            .running = true,
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
        assert_true(gets[i].job->finish_seq > 0);
        store_job_free(gets[i].job);
    }
}

/* --- running them ----------------------------------------------------------------------------- */

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
        CONFORMANCE_TEST(a_user_has_so_many_jobs),
        CONFORMANCE_TEST(a_refusal_leaves_a_users_number),
        CONFORMANCE_TEST(a_queue_can_be_full_of_bytes),
        CONFORMANCE_TEST(claims_are_epochs),
        CONFORMANCE_TEST(a_claim_by_an_old_row_is_refused),
        CONFORMANCE_TEST(interruptions_are_counted),
        CONFORMANCE_TEST(a_job_may_be_claimed_with_its_submission),
        CONFORMANCE_TEST(a_verdict_is_stored_once_and_never_by_a_ghost),
        CONFORMANCE_TEST(a_ghost_between_requeue_and_claim_is_refused),
        CONFORMANCE_TEST(a_job_that_does_not_run_can_end),
        CONFORMANCE_TEST(a_window_is_in_the_order_to_run),
        CONFORMANCE_TEST(none_starves),
        CONFORMANCE_TEST(what_runs_is_in_no_window_and_comes_back_in_its_place),
        CONFORMANCE_TEST(window_rows_are_whole),
        CONFORMANCE_TEST(a_window_begins_at_a_rank),
        CONFORMANCE_TEST(a_window_is_of_many_users),
        CONFORMANCE_TEST(a_window_leaves_users_out),
        CONFORMANCE_TEST(a_window_is_of_many_hosts),
        CONFORMANCE_TEST(hosts_are_those_with_work_page_by_page),
        CONFORMANCE_TEST(pages_hold_still_while_rows_are_added),
        CONFORMANCE_TEST(a_page_ends_when_it_has_bytes_enough),
        CONFORMANCE_TEST(selection_takes_each_condition),
        CONFORMANCE_TEST(a_rare_row_is_found_among_many),
        CONFORMANCE_TEST(ends_are_read_in_their_order),
        CONFORMANCE_TEST(counts_follow_each_change),
        CONFORMANCE_TEST(the_oldest_ends_are_forgotten_by_count),
        CONFORMANCE_TEST(the_oldest_ends_are_forgotten_by_age),
        CONFORMANCE_TEST(schedules_are_kept_by_name),
        CONFORMANCE_TEST(schedules_are_read_in_pages),
        CONFORMANCE_TEST(a_change_is_compared_with_what_is_there),
        CONFORMANCE_TEST(a_run_changes_its_schedule_with_it),
        CONFORMANCE_TEST(a_time_is_had_once),
        CONFORMANCE_TEST(a_time_is_passed_over_while_a_run_has_not_ended),
        CONFORMANCE_TEST(a_claim_brings_the_schedule),
        CONFORMANCE_TEST(a_problem_is_kept_until_a_run),
        CONFORMANCE_TEST(failing_schedules_are_counted),
        CONFORMANCE_TEST(a_run_that_is_refused_changes_nothing),
        CONFORMANCE_TEST(an_end_changes_its_schedule_with_it),
        CONFORMANCE_TEST(validators_are_of_one_revision),
        CONFORMANCE_TEST(jobs_are_found_by_schedule),
        CONFORMANCE_TEST(calls_are_carried_out_and_come_back_in_order),
    };
    conformance_opener = open;
    return cmocka_run_group_tests_name(engine, tests, NULL, NULL);
}

#endif
