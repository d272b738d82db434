/* What the server refuses: each kind of change, by each kind of fault. One that passes is said
 * again; one that is about the call fails it alone; where the server takes nothing just now, what
 * would begin is refused, and what has happened waits. */
#include "base/log.h"
#include "pg_support.h"
#include "schedule_support.h"

enum { DEADLOCK, WRONG, FULL }; /* faults */
static const char *const codes[] = {"40P01", "22003", "53100"};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->open = open_new;
    fixture_open(f, &(struct store_config){.retry_ns = 2 * NS_PER_MS});
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

/* --- changes ---------------------------------------------------------------------------------- */

static int submit_one(struct fixture *f)
{
    struct store_job job = job_for("h");
    struct store_submit_item item = {.job = &job};
    struct store_submit call = {.items = &item, .count = 1};
    int r = CALL(f, submit, &call);
    assert_int_equal(job.id != 0, r == 0); /* what is not stored has no id */
    return r;
}

static int claim_first(struct fixture *f)
{
    struct store_claim call = {.id = 1};
    return CALL(f, claim, &call);
}

static int put_first(struct fixture *f)
{
    struct store_schedule a = schedule_for("a");
    struct store_schedule *const rows[] = {&a};
    struct store_schedule_put call = {.rows = rows, .count = 1};
    return CALL(f, schedule_put, &call);
}

static int pass_first(struct fixture *f)
{
    struct store_schedule *a = get_schedule(f, "a");
    struct store_schedule_pass call = {
        .name = "a", .version = a->version, .expected = 1000, .next_at = 2000};
    int r = CALL(f, schedule_pass, &call);
    store_schedule_free(a);
    return r;
}

static int finish_first(struct fixture *f)
{
    return finish(f, 1, 1, JOB_DONE);
}

static int postpone_first(struct fixture *f)
{
    return postpone(f, 1, 1, 5000);
}

static void nothing_before(struct fixture *f)
{
    (void)f;
}

static void queued_before(struct fixture *f)
{
    assert_int_equal(submit_to(f, "h"), 1);
}

static void running_before(struct fixture *f)
{
    queued_before(f);
    claim(f, 1);
}

static void schedule_before(struct fixture *f)
{
    assert_int_equal(put_first(f), 0);
}

static const struct change {
    const char *event; /* of which table */
    void (*before)(struct fixture *f);
    int (*make)(struct fixture *f);
    const char *count; /* 1 once it stands */
} changes[] = {
    {"INSERT ON %s.jobs", nothing_before, submit_one, "SELECT count(*) FROM %s.jobs"},
    {"UPDATE ON %s.jobs", queued_before, claim_first, "SELECT sum(attempt) FROM %s.jobs"},
    {"INSERT ON %s.schedules", nothing_before, put_first, "SELECT count(*) FROM %s.schedules"},
    {"UPDATE ON %s.schedules", schedule_before, pass_first,
     "SELECT count(*) FROM %s.schedules WHERE next_at=2000"},
    {"INSERT ON %s.ended", running_before, finish_first, "SELECT count(*) FROM %s.ended"},
    {"UPDATE ON %s.jobs", running_before, postpone_first,
     "SELECT count(*) FROM %s.jobs WHERE due=5000"},
};
#define CHANGES (sizeof changes / sizeof changes[0])
#define BEGINS  4 /* so many would begin something; the others have happened */

/* --- faults ----------------------------------------------------------------------------------- */

/* The first `times` statements of the kind fail; they are counted, whatever is rolled back. */
static void begin_fault(const char *event, int fault, int times)
{
    char sql[400];
    ask("CREATE SEQUENCE %s.faults");
    snprintf(sql, sizeof sql,
             "CREATE FUNCTION %%s.fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF "
             "nextval('%%s.faults')<=%d THEN RAISE EXCEPTION 'refused' USING ERRCODE='%s'; END IF; "
             "RETURN NULL; END $$",
             times, codes[fault]);
    ask(sql);
    snprintf(sql, sizeof sql,
             "CREATE TRIGGER fault BEFORE %s FOR EACH STATEMENT EXECUTE FUNCTION %%s.fault()",
             event);
    ask(sql);
}

static void end_fault(void)
{
    ask("DROP FUNCTION %s.fault() CASCADE");
    ask("DROP SEQUENCE %s.faults");
}

static int tries(void)
{
    return atoi(ask("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM %s.faults"));
}

static void clear(struct fixture *f)
{
    teardown((void *[]){f});
}

static struct fixture *fresh(const struct change *change)
{
    void *f;
    setup(&f);
    change->before(f);
    return f;
}

/* --- tests ------------------------------------------------------------------------------------ */

/* Two at once were in each other's way: nobody is told of it. */
static void what_passes_is_said_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < CHANGES; i++) {
        struct fixture *f = fresh(&changes[i]);
        begin_fault(changes[i].event, DEADLOCK, 2);
        assert_int_equal(changes[i].make(f), 0);
        assert_int_equal(tries(), 3);
        assert_string_equal(ask(changes[i].count), "1");
        assert_false(store_failing(f->store));
        end_fault();
        clear(f);
    }
}

/* It would be refused for ever: whoever asked is told, and the store goes on. */
static void what_is_wrong_fails_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < CHANGES; i++) {
        struct fixture *f = fresh(&changes[i]);
        begin_fault(changes[i].event, WRONG, 1000000);
        assert_int_equal(changes[i].make(f), -EINVAL);
        assert_int_equal(tries(), 1);
        assert_false(store_failing(f->store));
        end_fault();
        assert_int_equal(changes[i].make(f), 0);
        assert_string_equal(ask(changes[i].count), "1");
        clear(f);
    }
}

/* Nothing of it was acknowledged: it is refused with the server's own reason. */
static void what_would_begin_is_refused_for_now(void **state)
{
    (void)state;
    for (size_t i = 0; i < BEGINS; i++) {
        struct fixture *f = fresh(&changes[i]);
        char before[32];
        snprintf(before, sizeof before, "%.31s", ask(changes[i].count));
        begin_fault(changes[i].event, FULL, 1000000);
        assert_int_equal(changes[i].make(f), -EIO);
        assert_string_equal(ask(changes[i].count), before);
        end_fault();
        int r;
        while ((r = changes[i].make(f)) == -EIO)
            ; /* until the store has seen that the server takes changes again */
        assert_int_equal(r, 0);
        assert_string_equal(ask(changes[i].count), "1");
        clear(f);
    }
}

/* What has happened is said again and again until it stands, and then it stands once. */
static void what_has_happened_waits(void **state)
{
    (void)state;
    for (size_t i = BEGINS; i < CHANGES; i++) {
        struct fixture *f = fresh(&changes[i]);
        begin_fault(changes[i].event, FULL, 5);
        assert_int_equal(changes[i].make(f), 0);
        assert_true(tries() > 5);
        assert_string_equal(ask(changes[i].count), "1");
        end_fault();
        clear(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_passes_is_said_again),
        cmocka_unit_test(what_is_wrong_fails_alone),
        cmocka_unit_test(what_would_begin_is_refused_for_now),
        cmocka_unit_test(what_has_happened_waits),
    };
    log_set_level(LOG_LEVEL_ERROR);
    int r = pg_begin();
    if (r != 0)
        return r;
    int failed = cmocka_run_group_tests_name("postgresql, refused", tests, NULL, NULL);
    pg_end();
    return failed;
}
