/* Calls between the loop and a batch: what is held, refused, put back and given back; and the
 * counts that the loop sees. */
#include "pg_back.h"
#include "store/postgresql/pg_calls.h"
#include "store/schedule_row.h"

static int refuse(struct store_call *call, int code)
{
    return call->result = error_set(&call->error, code, "refused");
}

/* --- counts ----------------------------------------------------------------------------------- */

static struct store_counts counts_of(struct inside *in)
{
    return in->pg.visible;
}

static void counts_are_ours_and_the_others(void **state)
{
    struct inside *in = *state;
    PGresult *result = ROWS(16, "99", "1", "2", "3", "4", "5", "6", "70", "10", "20", "30", "40",
                            "50", "60", "700", "88");
    assert_int_equal(calls_read_counts(&in->pg, result), 99);
    PQclear(result);
    assert_int_equal(in->pg.copied_there, 88);
    struct store_counts counts = counts_of(in);
    for (int i = 0; i < JOB_STATE_COUNT_; i++)
        assert_int_equal(counts.by_state[i], 11 * (i + 1));
    assert_int_equal(counts.pending_bytes, 770);
}

static void without_a_row_the_counts_stay(void **state)
{
    struct inside *in = *state;
    PGresult *none = NO_ROWS;
    in->pg.mine[JOB_DONE] = 5;
    assert_int_equal(calls_read_counts(&in->pg, none), -1);
    assert_int_equal(calls_count(&in->pg, JOB_DONE), 5);
    PQclear(none);
}

/* One of ours that was declared dead may have been counted by another: no count is below 0. */
static void no_count_is_below_nothing(void **state)
{
    struct inside *in = *state;
    in->pg.mine[JOB_RUNNING] = -3;
    in->pg.others[JOB_RUNNING] = 1;
    assert_int_equal(calls_count(&in->pg, JOB_RUNNING), 0);
    calls_apply_delta(&in->pg, &(struct delta){.by_state = {[JOB_RUNNING] = 5}});
    assert_int_equal(counts_of(in).by_state[JOB_RUNNING], 3);
}

static void a_batch_changes_ours(void **state)
{
    struct inside *in = *state;
    struct delta delta = {.by_state = {[JOB_QUEUED] = -2, [JOB_DONE] = 2},
                          .bytes = -100,
                          .schedules = 3,
                          .failing = 1,
                          .paused = 2,
                          .seen = NOW};
    in->pg.mine[JOB_QUEUED] = 10;
    in->pg.mine[JOB_STATE_COUNT_] = 500;
    in->pg.last_id = 77;
    calls_apply_delta(&in->pg, &delta);
    struct store_counts counts = counts_of(in);
    assert_int_equal(counts.by_state[JOB_QUEUED], 8);
    assert_int_equal(counts.by_state[JOB_DONE], 2);
    assert_int_equal(counts.pending_bytes, 400);
    assert_int_equal(counts.schedules, 3);
    assert_int_equal(counts.schedules_failing, 1);
    assert_int_equal(counts.schedules_paused, 2);
    assert_int_equal(counts.last_id, 77);
    assert_true(counts.seen == NOW);
}

/* It is known to a minute; but a clock that was set back by more is seen. */
static void the_last_run_is_known_to_a_minute(void **state)
{
    struct inside *in = *state;
    calls_apply_delta(&in->pg, &(struct delta){.seen = NOW});
    calls_apply_delta(&in->pg, &(struct delta){.seen = NOW + STORE_SEEN_US});
    assert_true(counts_of(in).seen == NOW);
    calls_apply_delta(&in->pg, &(struct delta){.seen = NOW + STORE_SEEN_US + 1});
    assert_true(counts_of(in).seen == NOW + STORE_SEEN_US + 1);
    calls_apply_delta(&in->pg, &(struct delta){.seen = NOW - 10 * STORE_SEEN_US});
    assert_true(counts_of(in).seen == NOW - 10 * STORE_SEEN_US);
    calls_apply_delta(&in->pg, &(struct delta){.seen = 0});
    assert_true(counts_of(in).seen == NOW - 10 * STORE_SEEN_US);
}

/* A beat brings the others' counts: the thread is woken for what is new. */
static void news_of_others_are_taken_once(void **state)
{
    struct inside *in = *state;
    int64_t others[JOB_STATE_COUNT_ + 1] = {[JOB_DONE] = 9, [JOB_STATE_COUNT_] = 50};
    in->pg.mine[JOB_DONE] = 1;
    calls_bring_others(&in->pg, others);
    assert_true(was_woken(in->pg.wake_fd));
    assert_int_equal(counts_of(in).by_state[JOB_DONE], 0); /* the thread has not seen it */
    calls_take_others(&in->pg);
    assert_int_equal(counts_of(in).by_state[JOB_DONE], 10);
    assert_int_equal(counts_of(in).pending_bytes, 50);
    calls_bring_others(&in->pg, others);
    assert_false(was_woken(in->pg.wake_fd));
    in->pg.others[JOB_DONE] = 3; /* as read by a new connection */
    calls_take_others(&in->pg);
    assert_int_equal(in->pg.others[JOB_DONE], 3);
}

static void news_of_schedules_are_taken(void **state)
{
    struct inside *in = *state;
    static const int64_t schedules[4] = {10, 3, 2, NOW};
    calls_bring_schedules(&in->pg, schedules);
    assert_true(was_woken(in->pg.wake_fd));
    calls_take_others(&in->pg);
    assert_int_equal(counts_of(in).schedules, 10);
    assert_int_equal(counts_of(in).schedules_failing, 3);
    assert_int_equal(counts_of(in).schedules_paused, 2);
    assert_true(counts_of(in).seen == NOW);
    in->pg.schedules = 11;
    calls_take_others(&in->pg); /* there are no news */
    assert_int_equal(in->pg.schedules, 11);
}

/* What we counted as the member before stands with that of those that are gone: the sum stays. */
static void a_new_member_begins_at_nothing(void **state)
{
    struct inside *in = *state;
    int64_t others[JOB_STATE_COUNT_ + 1] = {[JOB_DONE] = 9};
    in->pg.mine[JOB_DONE] = 4;
    in->pg.mine[JOB_STATE_COUNT_] = 30;
    calls_bring_others(&in->pg, others);
    calls_take_others(&in->pg);
    calls_become_others(&in->pg);
    assert_int_equal(in->pg.mine[JOB_DONE], 0);
    assert_int_equal(counts_of(in).by_state[JOB_DONE], 13);
    assert_int_equal(counts_of(in).pending_bytes, 30);
    (void)was_woken(in->pg.wake_fd);
    calls_bring_others(&in->pg, others); /* the same as before is news to this member */
    assert_true(was_woken(in->pg.wake_fd));
}

/* --- failing ---------------------------------------------------------------------------------- */

static void each_change_is_told_once(void **state)
{
    struct inside *in = *state;
    struct error first = {"first"}, second = {"second"};
    uint64_t before = clock_now();
    calls_set_working(&in->pg);
    assert_string_equal(in->told, "");
    calls_set_failing(&in->pg, &first);
    calls_set_failing(&in->pg, &second); /* still: the reason is the last one */
    assert_string_equal(in->told, "first;");
    assert_string_equal(in->pg.why.text, "second");
    assert_true(in->pg.retry_at >= before + NS_PER_SEC);
    calls_set_working(&in->pg);
    calls_set_working(&in->pg);
    assert_string_equal(in->told, "first;works;");
}

/* As long as records cannot be stored the store does not work, whatever else does. */
static void records_that_fail_keep_it_failing(void **state)
{
    struct inside *in = *state;
    uint64_t before = clock_now();
    in->pg.records_failing = true;
    calls_set_failing(&in->pg, &(struct error){"full"});
    calls_set_working(&in->pg);
    assert_true(atomic_load(&in->pg.failing));
    assert_true(in->pg.retry_at >= before + NS_PER_SEC);
    in->pg.records_failing = false;
    calls_set_working(&in->pg);
    assert_false(atomic_load(&in->pg.failing));
    assert_string_equal(in->told, "full;works;");
}

/* What has happened waits; what would begin, and what is only asked, is refused. */
static void ends_wait_for_a_store_that_fails(void **state)
{
    struct inside *in = *state;
    struct store_finish finish = {.id = 1};
    struct store_postpone postpone = {.id = 2};
    struct store_claim claim = {.id = 3};
    struct store_get get = {.id = 4};
    struct store_list list = {.limit = 5};
    wait_in(&in->pg.waiting, &finish.call, OP_FINISH, CALL_OPEN);
    wait_in(&in->pg.waiting, &claim.call, OP_CLAIM, CALL_OPEN);
    wait_in(&in->pg.waiting, &postpone.call, OP_POSTPONE, CALL_OPEN);
    wait_in(&in->pg.waiting, &get.call, OP_GET, CALL_OPEN);
    wait_in(&in->pg.reading, &list.call, OP_LIST, CALL_OPEN);
    calls_set_failing(&in->pg, &(struct error){"the disk is full"});
    calls_refuse_waiting(&in->pg);
    assert_int_equal(given_back(in), 3);
    assert_ptr_equal(back[0], &claim.call);
    assert_ptr_equal(back[1], &get.call);
    assert_ptr_equal(back[2], &list.call);
    assert_int_equal(claim.call.result, -EIO);
    assert_string_equal(claim.call.error.text, "the disk is full");
    assert_int_equal(finish.call.result, CALL_OPEN);
    assert_ptr_equal(calls_pop(&in->pg.waiting), &finish.call);
    assert_ptr_equal(calls_pop(&in->pg.waiting), &postpone.call);
    assert_null(calls_pop(&in->pg.waiting));
}

/* A list that is under way is answered by its own connection. */
static void a_list_under_way_is_left_to_its_connection(void **state)
{
    struct inside *in = *state;
    struct store_list list = {.limit = 5};
    wait_in(&in->pg.reading, &list.call, OP_LIST, CALL_OPEN);
    in->pg.r.state = CHANNEL_BUSY;
    calls_refuse_waiting(&in->pg);
    assert_int_equal(given_back(in), 0);
    in->pg.r.state = CHANNEL_DOWN;
    calls_refuse_waiting(&in->pg);
    assert_int_equal(given_back(in), 1);
}

/* Where records alone fail, and the connection for changes stands, questions are answered. */
static void questions_wait_where_records_alone_fail(void **state)
{
    struct inside *in = *state;
    struct store_get get = {.id = 4};
    struct store_claim claim = {.id = 3};
    wait_in(&in->pg.waiting, &get.call, OP_GET, CALL_OPEN);
    wait_in(&in->pg.waiting, &claim.call, OP_CLAIM, CALL_OPEN);
    in->pg.records_failing = true;
    in->pg.w.state = CHANNEL_IDLE;
    calls_refuse_waiting(&in->pg);
    assert_int_equal(given_back(in), 1);
    assert_ptr_equal(back[0], &claim.call);
    in->pg.w.state = CHANNEL_DOWN;
    calls_refuse_waiting(&in->pg);
    assert_int_equal(given_back(in), 1);
}

static void nothing_waits_once_it_was_given_up(void **state)
{
    struct inside *in = *state;
    struct store_finish finish = {.id = 1};
    wait_in(&in->pg.waiting, &finish.call, OP_FINISH, CALL_OPEN);
    in->pg.gave_up = true;
    calls_set_failing(&in->pg, &(struct error){"gone"});
    calls_refuse_waiting(&in->pg);
    assert_int_equal(given_back(in), 1);
    assert_int_equal(finish.call.result, -EIO);
}

/* --- a batch's calls -------------------------------------------------------------------------- */

/* They come before what came later, as if nothing had been asked; what was refused before anything
 * was sent stays refused. */
static void a_batch_is_put_back_before_all_others(void **state)
{
    struct inside *in = *state;
    struct store_claim claim = {.id = 1, .definition = calloc(1, sizeof *claim.definition)};
    struct store_finish refused = {.id = 2};
    struct store_get get = {.id = 3, .job = calloc(1, sizeof *get.job)};
    struct store_claim later = {.id = 4};
    wait_in(&in->pg.batch.calls, &claim.call, OP_CLAIM, 0);
    wait_in(&in->pg.batch.calls, &refused.call, OP_FINISH, CALL_OPEN);
    refuse(&refused.call, -ESTALE);
    wait_in(&in->pg.batch.calls, &get.call, OP_GET, -ENOENT);
    wait_in(&in->pg.waiting, &later.call, OP_CLAIM, CALL_OPEN);
    in->pg.batch.count = 3;
    in->pg.batch.writes = in->pg.batch.sent = true;
    in->pg.stage = STAGE_RUN;
    calls_put_back(&in->pg);
    assert_int_equal(claim.call.result, CALL_OPEN);
    assert_null(claim.definition); /* freed: it was of a claim that does not stand */
    assert_null(get.job);
    assert_int_equal(get.call.result, CALL_OPEN); /* a question is asked anew */
    assert_int_equal(refused.call.result, -ESTALE);
    assert_ptr_equal(calls_pop(&in->pg.waiting), &claim.call);
    assert_ptr_equal(calls_pop(&in->pg.waiting), &refused.call);
    assert_ptr_equal(calls_pop(&in->pg.waiting), &get.call);
    assert_ptr_equal(calls_pop(&in->pg.waiting), &later.call);
    assert_int_equal(in->pg.batch.count, 0);
    assert_false(in->pg.batch.writes);
    assert_false(in->pg.batch.sent);
    assert_int_equal(in->pg.stage, STAGE_NONE);
}

/* A submission that does not stand has no ids, and claimed nothing. */
static void a_submission_is_put_back_as_it_came(void **state)
{
    struct inside *in = *state;
    struct store_job jobs[2] = {{.id = 5, .state = JOB_RUNNING, .attempt = 1}, {.id = 6}};
    struct store_submit_item items[2] = {{.job = &jobs[0], .claim = true, .existing = true},
                                         {.job = &jobs[1], .result = -EEXIST}};
    struct store_submit submit = {.items = items, .count = 2};
    wait_in(&in->pg.batch.calls, &submit.call, OP_SUBMIT, 0);
    calls_put_back(&in->pg);
    assert_int_equal(submit.call.result, CALL_OPEN);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(jobs[i].id, 0);
        assert_int_equal(items[i].result, CALL_OPEN);
        assert_false(items[i].existing);
    }
    assert_int_equal(jobs[0].state, JOB_QUEUED);
    assert_int_equal(jobs[0].attempt, 0);
    assert_int_equal(calls_open_items(&submit), 2);
    items[0].result = 0;
    assert_int_equal(calls_open_items(&submit), 1);
    list_init(&in->pg.waiting);
}

static void what_is_open_waits_again_and_the_rest_goes_back(void **state)
{
    struct inside *in = *state;
    struct store_claim first = {.id = 1}, open = {.id = 2}, last = {.id = 3}, later = {.id = 4};
    wait_in(&in->pg.batch.calls, &first.call, OP_CLAIM, 0);
    wait_in(&in->pg.batch.calls, &open.call, OP_CLAIM, CALL_OPEN);
    wait_in(&in->pg.batch.calls, &last.call, OP_CLAIM, -ENOENT);
    wait_in(&in->pg.waiting, &later.call, OP_CLAIM, CALL_OPEN);
    calls_deliver(&in->pg);
    assert_int_equal(given_back(in), 2);
    assert_ptr_equal(back[0], &first.call);
    assert_ptr_equal(back[1], &last.call);
    assert_ptr_equal(calls_pop(&in->pg.waiting), &open.call);
    assert_ptr_equal(calls_pop(&in->pg.waiting), &later.call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALONE(counts_are_ours_and_the_others),
        ALONE(without_a_row_the_counts_stay),
        ALONE(no_count_is_below_nothing),
        ALONE(a_batch_changes_ours),
        ALONE(the_last_run_is_known_to_a_minute),
        ALONE(news_of_others_are_taken_once),
        ALONE(news_of_schedules_are_taken),
        ALONE(a_new_member_begins_at_nothing),
        ALONE(each_change_is_told_once),
        ALONE(records_that_fail_keep_it_failing),
        ALONE(ends_wait_for_a_store_that_fails),
        ALONE(a_list_under_way_is_left_to_its_connection),
        ALONE(questions_wait_where_records_alone_fail),
        ALONE(nothing_waits_once_it_was_given_up),
        ALONE(a_batch_is_put_back_before_all_others),
        ALONE(a_submission_is_put_back_as_it_came),
        ALONE(what_is_open_waits_again_and_the_rest_goes_back),
    };
    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests_name("calls", tests, NULL, NULL);
}
