/* In what order a batch's calls become statements: groups are told as "F1,3 C2", a letter for the
 * kind and the ids in their order. */
#include "pg_inside.h"
#include "store/postgresql/pg_plan.h"

struct any_call {
    union {
        struct store_call call;
        struct store_submit submit;
        struct store_claim claim;
        struct store_finish finish;
        struct store_postpone postpone;
        struct store_close_torn torn;
        struct store_cancel cancel;
        struct store_park park;
        struct store_void voided;
        struct store_schedule_put put;
        struct store_schedule_pass pass;
        struct store_get get;
        struct store_window window;
        struct store_ended ended;
    };
    unsigned number; /* what the plan is told by */
};

static struct pg *pg;
static struct any_call calls[BATCH_CALLS];
static size_t call_count;
static struct store_schedule_run run;
static const struct store_schedule_end end;

/* Upper case: as usual. Lower case, of S and F: of a schedule's run. */
static void set_op(struct any_call *c, char letter, uint64_t id)
{
    switch (letter) {
    case 'S':
    case 's':
        c->call.op = OP_SUBMIT;
        c->submit.run = letter == 's' ? &run : NULL;
        return;
    case 'C':
        c->call.op = OP_CLAIM;
        c->claim.id = id;
        return;
    case 'F':
    case 'f':
        c->call.op = OP_FINISH;
        c->finish.id = id;
        c->finish.end = letter == 'f' ? &end : NULL;
        return;
    case 'P':
        c->call.op = OP_POSTPONE;
        c->postpone.id = id;
        return;
    case 'T':
        c->call.op = OP_CLOSE_TORN;
        c->torn.id = id;
        return;
    case 'X':
        c->call.op = OP_CANCEL;
        c->cancel.id = id;
        return;
    case 'K':
        c->call.op = OP_PARK;
        c->park.id = id;
        return;
    default:
        c->call.op = letter == 'V'   ? OP_VOIDED
                     : letter == 'H' ? OP_PAUSE
                     : letter == 'U' ? OP_SCHEDULE_PUT
                     : letter == 'A' ? OP_SCHEDULE_PASS
                     : letter == 'G' ? OP_GET
                     : letter == 'W' ? OP_WINDOW
                                     : OP_ENDED;
        return;
    }
}

static void add(char letter, unsigned id, int result)
{
    struct any_call *c = &calls[call_count++];
    memset(c, 0, sizeof *c);
    c->number = id;
    c->call.result = result;
    set_op(c, letter, id);
    list_add_tail(&pg->batch.calls, &c->call.link);
}

static char letter_of(const struct store_call *call)
{
    static const char letters[] = "SCFPTXKVHUAGWE";
    return letters[call->op];
}

static const char *planned(void)
{
    static char text[8192];
    size_t len = 0, seen = 0;
    plan_make(pg);
    text[0] = '\0';
    for (size_t i = 0; i < pg->batch.group_count; i++) {
        const struct group *g = &pg->batch.groups[i];
        assert_int_equal(g->first, seen);
        assert_ptr_equal(g->pg, pg);
        assert_ptr_equal(g->batch, &pg->batch);
        for (size_t k = 0; k < g->count; k++, seen++) {
            const struct store_call *call = pg->batch.order[seen];
            unsigned number = container_of(call, struct any_call, call)->number;
            assert_int_equal(call->op, g->op);
            if (k == 0)
                len += (size_t)snprintf(text + len, sizeof text - len, "%s%c", i ? " " : "",
                                        letter_of(call));
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%u", k ? "," : "", number);
        }
    }
    return text;
}

static void forget_calls(void)
{
    list_init(&pg->batch.calls);
    call_count = 0;
}

/* "C1 F2 s3": what is asked, in the order of its coming. */
static const char *plan_of(const char *asked)
{
    forget_calls();
    while (*asked) {
        char letter = *asked++, *after;
        add(letter, (unsigned)strtoul(asked, &after, 10), CALL_OPEN);
        asked = *after ? after + 1 : after;
    }
    return planned();
}

#define EXPECT(asked, expected) assert_string_equal(plan_of(asked), expected)

/* --- tests ------------------------------------------------------------------------------------ */

static void nothing_is_nothing(void **state)
{
    (void)state;
    EXPECT("", "");
}

static void what_is_of_one_kind_stands_together(void **state)
{
    (void)state;
    EXPECT("C1 C2 C3", "C1,2,3");
    EXPECT("F3 C1 F4 C2", "C1,2 F3,4");
    EXPECT("P5 F4 C3 S2 S1", "S2,1 C3 F4 P5");
}

/* What names one job keeps the order in which it was asked. */
static void a_jobs_changes_keep_their_order(void **state)
{
    (void)state;
    EXPECT("C1 F1", "C1 F1");
    EXPECT("C1 C1", "C1 C1"); /* the second is refused, so it has a statement of its own */
    EXPECT("C1 P1", "C1 P1");
    EXPECT("P1 C1", "P1 C1");
    EXPECT("F1 C1", "F1 C1");
    EXPECT("P1 C1 F1", "P1 C1 F1");
    EXPECT("P1 C1 P1 C1", "P1 C1 P1 C1");
    EXPECT("P1 F1", "P1 F1");
    EXPECT("T1 C1", "T1 C1");
    EXPECT("X1 F1", "X1 F1");
    EXPECT("K1 C1", "K1 C1");
    EXPECT("K1 X1", "K1 X1");
}

/* Those of other jobs that came in between go with the round that they came in. */
static void a_new_round_begins_once_for_all(void **state)
{
    (void)state;
    EXPECT("C2 P1 C1 C3", "C2 P1 C1,3");
    EXPECT("P1 C1 P2 C3", "P1 C1,3 P2");
    EXPECT("P1 P2 P3 C1 C2 C3", "P1,2,3 C1,2,3");
}

/* Jobs whose ids end alike only cost a round. */
static void ids_that_end_alike_are_taken_for_one(void **state)
{
    (void)state;
    EXPECT("P1 C4097", "P1 C4097");
    EXPECT("P1 C4098", "C4098 P1");
    EXPECT("C1 C4097", "C1 C4097");
    EXPECT("C1 C4098 C4097", "C1,4098 C4097");
}

static void a_question_is_answered_by_what_came_before_it(void **state)
{
    (void)state;
    EXPECT("F1 G1", "F1 G1");
    EXPECT("G1 F1", "G1 F1");
    EXPECT("G1 F2 G3", "G1 F2 G3");
    EXPECT("F1 G2 G3 W4", "F1 G2,3 W4");
    EXPECT("C1 W2 C3 E4 F5", "C1 W2 C3 E4 F5");
}

static void what_has_a_statement_of_its_own_stands_alone(void **state)
{
    (void)state;
    EXPECT("X1 X2", "X1 X2");
    EXPECT("K1 K2 K3", "K1 K2 K3");
    EXPECT("T1 T2", "T1 T2");
    EXPECT("V1 V2", "V1 V2");
    EXPECT("H1 H2", "H1 H2");
    EXPECT("F1 X2 F3", "F1,3 X2");
}

/* A schedule's row is changed by all of these, so none may go before another. */
static void changes_of_schedules_keep_their_order(void **state)
{
    (void)state;
    EXPECT("U1 A2", "U1 A2");
    EXPECT("A1 U2", "A1 U2");
    EXPECT("U1 s2", "U1 S2");
    EXPECT("f1 s2", "F1 S2");
    EXPECT("s1 f2", "S1 F2");
    EXPECT("s1 s2", "S1 S2");
    EXPECT("U1 U2", "U1 U2");
    EXPECT("A1 f2", "A1 F2");
    EXPECT("C1 s2", "C1 S2");
    EXPECT("F1 S2", "S2 F1"); /* no schedule's */
    EXPECT("f1 S2 s3", "S2 F1 S3");
}

/* A run has a statement of its own; the others go together, in the order of their coming. */
static void a_run_parts_the_submissions(void **state)
{
    (void)state;
    EXPECT("S1 s2 S3 S4", "S1 S2 S3,4");
}

/* What was refused already has no statement, but keeps its place in the batch. */
static void what_is_refused_is_left_out(void **state)
{
    (void)state;
    forget_calls();
    add('C', 1, CALL_OPEN);
    add('P', 2, -EIO);
    add('C', 2, CALL_OPEN);
    add('C', 3, 0);
    add('C', 4, CALL_OPEN);
    assert_string_equal(planned(), "C1,2,4");
    assert_string_equal(planned(), "C1,2,4"); /* as often as it is asked */
}

static void a_full_batch_is_one_group(void **state)
{
    (void)state;
    forget_calls();
    for (unsigned i = 0; i < BATCH_CALLS; i++)
        add('C', BATCH_CALLS - i, CALL_OPEN);
    plan_make(pg);
    assert_int_equal(pg->batch.group_count, 1);
    assert_int_equal(pg->batch.groups[0].count, BATCH_CALLS);
    for (unsigned i = 0; i < BATCH_CALLS; i++)
        assert_ptr_equal(pg->batch.order[i], &calls[i].call);
}

/* As many rounds as calls: each change of the one job is behind the one before it. */
static void a_full_batch_of_one_job_is_in_order(void **state)
{
    (void)state;
    forget_calls();
    for (unsigned i = 0; i < BATCH_CALLS; i++)
        add(i % 2 ? 'C' : 'P', 1, CALL_OPEN);
    plan_make(pg);
    assert_int_equal(pg->batch.group_count, BATCH_CALLS);
    for (unsigned i = 0; i < BATCH_CALLS; i++)
        assert_ptr_equal(pg->batch.order[i], &calls[i].call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_nothing),
        cmocka_unit_test(what_is_of_one_kind_stands_together),
        cmocka_unit_test(a_jobs_changes_keep_their_order),
        cmocka_unit_test(a_new_round_begins_once_for_all),
        cmocka_unit_test(ids_that_end_alike_are_taken_for_one),
        cmocka_unit_test(a_question_is_answered_by_what_came_before_it),
        cmocka_unit_test(what_has_a_statement_of_its_own_stands_alone),
        cmocka_unit_test(changes_of_schedules_keep_their_order),
        cmocka_unit_test(a_run_parts_the_submissions),
        cmocka_unit_test(what_is_refused_is_left_out),
        cmocka_unit_test(a_full_batch_is_one_group),
        cmocka_unit_test(a_full_batch_of_one_job_is_in_order),
    };
    pg = calloc(1, sizeof *pg);
    if (!pg)
        return 1;
    list_init(&pg->batch.calls);
    int failed = cmocka_run_group_tests_name("the plan", tests, NULL, NULL);
    free(pg);
    return failed;
}
