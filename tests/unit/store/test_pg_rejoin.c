/* What a member that was believed dead asks, and when it joins anew. */
#include "pg_back.h"
#include "store/postgresql/pg_calls.h"
#include "store/postgresql/pg_rejoin.h"
#include "store/schedule_row.h"

/* --- members of old --------------------------------------------------------------------------- */

/* A claim that comes back behind the news that this member is fenced would start something that
 * nobody believes in. */
static void a_fenced_member_claims_nothing(void **state)
{
    struct inside *in = *state;
    struct store_claim claim = {.id = 1, .definition = calloc(1, sizeof *claim.definition)};
    struct store_job job = {.id = 5, .state = JOB_RUNNING, .attempt = 1};
    struct store_submit_item item = {.job = &job, .claim = true};
    struct store_submit submit = {.items = &item, .count = 1};
    struct store_finish finish = {.id = 2};
    fleet_end_lease(in->pg.fleet, &(struct error){"gone"});
    wait_in(&in->pg.batch.calls, &claim.call, OP_CLAIM, 0);
    wait_in(&in->pg.batch.calls, &submit.call, OP_SUBMIT, 0);
    wait_in(&in->pg.batch.calls, &finish.call, OP_FINISH, 0);
    calls_deliver(&in->pg);
    assert_int_equal(given_back(in), 3);
    assert_int_equal(claim.call.result, -EIO);
    assert_non_null(strstr(claim.call.error.text, "does not believe alive"));
    assert_null(claim.definition);
    assert_int_equal(submit.call.result, 0); /* it stands, and waits for whoever claims it */
    assert_int_equal(job.id, 5);
    assert_int_equal(job.state, JOB_QUEUED);
    assert_int_equal(finish.call.result, 0);
}

static void a_claim_of_the_member_before_starts_nothing(void **state)
{
    struct inside *in = *state;
    struct store_claim old = {.id = 1}, current = {.id = 2};
    in->pg.epoch = 1;
    wait_in(&in->pg.batch.calls, &old.call, OP_CLAIM, 0);
    wait_in(&in->pg.batch.calls, &current.call, OP_CLAIM, 0);
    current.call.epoch = 1;
    calls_deliver(&in->pg);
    assert_int_equal(given_back(in), 2);
    assert_int_equal(old.call.result, -EIO);
    assert_int_equal(current.call.result, 0);
}

/* --- what is not sent at all ------------------------------------------------------------------ */

static int screened(struct inside *in, struct store_call *call, enum op op)
{
    call->op = (int)op;
    call->result = CALL_OPEN;
    rejoin_screen(&in->pg, call);
    return call->result;
}

static void what_a_member_of_old_asks_is_refused(void **state)
{
    struct inside *in = *state;
    struct store_finish ran = {.running = true}, waited = {.running = false};
    struct store_postpone postpone = {.id = 1};
    struct store_claim claim = {.id = 1};
    struct store_get get = {.id = 1};
    in->pg.epoch = 1;
    assert_int_equal(screened(in, &ran.call, OP_FINISH), -ESTALE);
    assert_non_null(strstr(ran.call.error.text, "believed dead"));
    assert_int_equal(screened(in, &postpone.call, OP_POSTPONE), -ESTALE);
    assert_int_equal(screened(in, &waited.call, OP_FINISH), CALL_OPEN); /* nobody ran it */
    assert_int_equal(screened(in, &claim.call, OP_CLAIM), -EIO);
    assert_string_equal(claim.call.error.text, "this member has joined the fleet anew meanwhile");
    assert_int_equal(screened(in, &get.call, OP_GET), CALL_OPEN);
}

static void while_it_is_fenced_nothing_is_started(void **state)
{
    struct inside *in = *state;
    struct store_finish ran = {.running = true};
    struct store_claim claim = {.id = 1};
    struct store_job jobs[2] = {{.id = 0}, {.id = 0}};
    struct store_submit_item items[2] = {{.job = &jobs[0]}, {.job = &jobs[1]}};
    struct store_submit submit = {.items = items, .count = 2};
    assert_int_equal(screened(in, &claim.call, OP_CLAIM), CALL_OPEN);
    fleet_end_lease(in->pg.fleet, &(struct error){"no beat"});
    assert_int_equal(screened(in, &claim.call, OP_CLAIM), -EIO);
    assert_string_equal(claim.call.error.text, "no beat");
    assert_int_equal(screened(in, &ran.call, OP_FINISH), CALL_OPEN); /* it may still stand */
    assert_int_equal(screened(in, &submit.call, OP_SUBMIT), CALL_OPEN);
    items[1].claim = true; /* one of them would start */
    assert_int_equal(screened(in, &submit.call, OP_SUBMIT), -EIO);
}

static void a_member_joins_anew_when_it_has_said_its_ends(void **state)
{
    struct inside *in = *state;
    struct store_finish ran = {.running = true};
    struct store_claim claim = {.id = 1};
    in->pg.records_failing = true;     /* no records are under way that it could wait for */
    assert_false(rejoin_due(&in->pg)); /* it is believed alive */
    fleet_end_lease(in->pg.fleet, &(struct error){"no beat"});
    assert_true(rejoin_due(&in->pg));
    wait_in(&in->pg.waiting, &claim.call, OP_CLAIM, CALL_OPEN);
    assert_true(rejoin_due(&in->pg));
    wait_in(&in->pg.waiting, &ran.call, OP_FINISH, CALL_OPEN);
    assert_false(rejoin_due(&in->pg));
    in->pg.epoch = 1; /* the end is of the member before, and refused anyway */
    assert_true(rejoin_due(&in->pg));
    in->pg.epoch = 0;
    rejoin_told(&in->pg, &(struct error){"dead"}); /* the server says so: nothing more stands */
    assert_true(rejoin_due(&in->pg));
    assert_true(in->pg.gone);
    assert_true(in->pg.fenced);
    list_init(&in->pg.waiting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLEET(a_fenced_member_claims_nothing),
        FLEET(a_claim_of_the_member_before_starts_nothing),
        FLEET(what_a_member_of_old_asks_is_refused),
        FLEET(while_it_is_fenced_nothing_is_started),
        FLEET(a_member_joins_anew_when_it_has_said_its_ends),
    };
    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests_name("joining anew", tests, NULL, NULL);
}
