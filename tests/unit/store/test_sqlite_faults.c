/* Every operation on the file system fails once, or from there on for good; whatever happens, what
 * was acknowledged stands when the store is opened again, nothing crashes, and each refusal has a
 * sentence. */
#include "fault_vfs.h"
#include "store/sqlite.h"
#include "store_support.h"

enum { JOBS = 6 };

struct promise {
    bool open;              /* the store could be opened */
    uint64_t ids[JOBS];     /* acknowledged; 0: refused */
    uint32_t claimed[JOBS]; /* attempt, 0: not */
    bool finished[JOBS], postponed[JOBS];
    uint64_t keyed;
};

static int trouble_count;

static void on_trouble(void *arg, const char *why)
{
    if (why) {
        assert_true(why[0] != '\0');
        trouble_count++;
    }
}

static int open_faulty(const struct store_config *config, struct mailbox *mailbox,
                       struct store **ret_store, struct error *err)
{
    struct store_config c = *config;
    c.vfs = fault_vfs();
    c.retry_ns = 1000000;
    c.trouble = on_trouble;
    return store_sqlite_new(&c, mailbox, ret_store, err);
}

static int open_plain(const struct store_config *config, struct mailbox *mailbox,
                      struct store **ret_store, struct error *err)
{
    return store_sqlite_new(config, mailbox, ret_store, err);
}

/* Once: the client tries again, as clients do. For good: it takes no for an answer. */
#define TRY(f, method, c)                               \
    ({                                                  \
        int r_;                                         \
        int left_ = fault_plan.for_good ? 1 : 200;      \
        do                                              \
            r_ = CALL(f, method, c);                    \
        while (r_ < 0 && r_ != -ESTALE && --left_ > 0); \
        r_;                                             \
    })

static void submit_all(struct fixture *f, struct promise *p)
{
    for (int i = 0; i < JOBS; i++) {
        struct store_job job = job_for("h");
        char key[8];
        snprintf(key, sizeof key, "k%d",
                 i); /* an answer that is lost is asked for again by its key */
        job.key = key;
        struct store_submit_item item = {.job = &job};
        struct store_submit call = {.items = &item, .count = 1};
        if (TRY(f, submit, &call) == 0)
            p->ids[i] = job.id;
        else
            assert_int_equal(job.id, 0);
    }
}

static void run_scenario(struct fixture *f, struct promise *p)
{
    submit_all(f, p);
    for (int i = 0; i < JOBS; i++) {
        struct store_claim claim_call = {.id = p->ids[i]};
        if (p->ids[i] && i < 4 && TRY(f, claim, &claim_call) == 0)
            p->claimed[i] = claim_call.attempt + 1;
    }
    struct store_postpone wait = {.id = p->ids[0], .attempt = p->claimed[0], .due = 5};
    if (p->claimed[0])
        p->postponed[0] = CALL(f, postpone, &wait) == 0;
    for (int i = 1; i < 3; i++)
        if (p->claimed[i])
            p->finished[i] =
                finish(f, p->ids[i], p->claimed[i], i == 1 ? JOB_DONE : JOB_FAILED) == 0;
    struct store_window_host window = rows_of("h", 10);
    struct store_window call = {.now = 10, .hosts = &window, .count = 1};
    if (TRY(f, window, &call) == 0)
        store_window_reset(&call);
    struct store_list list = {.select = any, .limit = 10};
    if (TRY(f, list, &list) == 0)
        store_jobs_free(list.jobs, list.count);
}

static void check_promise(struct fixture *f, const struct promise *p)
{
    struct store_counts counts;
    uint64_t rows = 0, counted = 0;
    for (int i = 0; i < JOBS; i++) {
        if (!p->ids[i])
            continue;
        struct store_job *row = get(f, p->ids[i]);
        if (!row)
            fail_msg("job %llu was acknowledged and is gone", (unsigned long long)p->ids[i]);
        assert_true(row->attempt >= p->claimed[i]);
        if (p->finished[i]) {
            assert_int_equal(row->state, i == 1 ? JOB_DONE : JOB_FAILED);
            assert_string_equal(row->verdict, "{\"event\":\"verdict\"}");
        }
        if (p->postponed[i])
            assert_int_equal(row->state, JOB_WAITING);
        for (int k = 0; k < i; k++)
            assert_true(p->ids[k] != p->ids[i]);
        store_job_free(row);
    }
    struct store_list list = {.select = any, .limit = 100};
    assert_int_equal(CALL(f, list, &list), 0);
    rows = list.count;
    store_jobs_free(list.jobs, list.count);
    f->store->engine->counts(f->store, &counts);
    for (int i = 0; i < JOB_STATE_COUNT_; i++)
        counted += counts.by_state[i];
    assert_int_equal(rows, counted);
    submit_to(f, "h"); /* and it works */
}

/* Opens, runs and closes under the fault, then looks. True if the fault was met. */
static bool one_round(enum fault kind, int nth, bool for_good)
{
    struct fixture f = {.open = open_faulty};
    struct promise p = {.open = false};
    struct error err = {""};
    fixture_prepare(&f);
    struct store_config config = {.path = f.path};
    fault_plan.kind = kind;
    fault_plan.for_good = for_good;
    atomic_store(&fault_plan.hit, false);
    atomic_store(&fault_plan.countdown, nth);
    int r = open_faulty(&config, &f.mailbox, &f.store, &err);
    if (r < 0) {
        assert_true(err.text[0] != '\0');
        assert_true(atomic_load(&fault_plan.hit));
        f.store = NULL;
    } else {
        if (for_good)
            f.store->engine->give_up(f.store);
        run_scenario(&f, &p);
        f.store->engine->free(f.store);
    }
    bool hit = atomic_load(&fault_plan.hit);
    atomic_store(&fault_plan.countdown, 0);
    r = open_plain(&config, &f.mailbox, &f.store, &err);
    if (r < 0)
        fail_msg("fault %d at %d: it cannot be opened again: %s", kind, nth, err.text);
    check_promise(&f, &p);
    fixture_close(&f);
    return hit;
}

/* PENSTOCK_SWEEP=few: each of the first, then one in some. */
static int next_fault(int nth)
{
    const char *sweep = getenv("PENSTOCK_SWEEP");
    return nth + (nth > 5 && sweep && strcmp(sweep, "few") == 0 ? 7 : 1);
}

static void exhaust(enum fault kind, bool for_good)
{
    int nth = 1;
    while (one_round(kind, nth, for_good))
        nth = next_fault(nth);
    assert_true(nth > 5); /* there was something to fail */
    assert_true(nth < 2000);
}

#define FAULT_TEST(name, kind)                \
    static void name##_once(void **state)     \
    {                                         \
        exhaust(kind, false);                 \
    }                                         \
    static void name##_for_good(void **state) \
    {                                         \
        exhaust(kind, true);                  \
    }

FAULT_TEST(disk_full, FAULT_FULL)
FAULT_TEST(io_error, FAULT_EIO)
FAULT_TEST(read_only, FAULT_EROFS)
FAULT_TEST(short_write, FAULT_SHORT)
FAULT_TEST(sync_fails, FAULT_SYNC)
FAULT_TEST(read_fails, FAULT_READ)

static void what_has_happened_is_held_until_it_can_be_stored(void **state)
{
    struct fixture f = {.open = open_faulty};
    trouble_count = 0;
    fixture_open(&f, &(struct store_config){.max_jobs = 0});
    uint64_t id = submit_to(&f, "h"), other = submit_to(&f, "h");
    claim(&f, id);
    fault_plan.kind = FAULT_FULL;
    fault_plan.for_good = true;
    atomic_store(&fault_plan.countdown, 1);
    struct store_finish end = {.id = id,
                               .attempt = 1,
                               .running = true,
                               .state = JOB_DONE,
                               .verdict = "{}",
                               .finished = clock_real_us()};
    expect_call(&end.call);
    f.store->engine->finish(f.store, &end);
    /* What comes after it is refused, with the reason; what is committed can be read. */
    struct store_claim refused = {.id = other};
    assert_int_equal(CALL(&f, claim, &refused), -ENOSPC);
    assert_non_null(strstr(refused.call.error.text, "disk is full"));
    assert_true(store_failing(f.store));
    assert_int_equal(state_of(&f, id), JOB_RUNNING);
    assert_int_equal(trouble_count, 1);
    atomic_store(&fault_plan.countdown, 0);
    wait_calls(&f, 1);
    assert_int_equal(end.call.result, 0);
    assert_false(store_failing(f.store));
    assert_int_equal(state_of(&f, id), JOB_DONE);
    claim(&f, other);
    fixture_close(&f);
}

static void giving_up_gives_back_what_is_held(void **state)
{
    struct fixture f = {.open = open_faulty};
    fixture_open(&f, &(struct store_config){.max_jobs = 0});
    uint64_t id = submit_to(&f, "h");
    claim(&f, id);
    fault_plan.kind = FAULT_FULL;
    fault_plan.for_good = true;
    atomic_store(&fault_plan.countdown, 1);
    struct store_finish end = {.id = id,
                               .attempt = 1,
                               .running = true,
                               .state = JOB_DONE,
                               .verdict = "{}",
                               .finished = clock_real_us()};
    expect_call(&end.call);
    f.store->engine->finish(f.store, &end);
    assert_int_equal(state_of(&f, id), JOB_RUNNING);
    f.store->engine->give_up(f.store);
    wait_calls(&f, 1);
    assert_int_equal(end.call.result, -ENOSPC);
    assert_true(end.call.error.text[0] != '\0');
    atomic_store(&fault_plan.countdown, 0);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(disk_full_once),
        cmocka_unit_test(disk_full_for_good),
        cmocka_unit_test(io_error_once),
        cmocka_unit_test(io_error_for_good),
        cmocka_unit_test(read_only_once),
        cmocka_unit_test(read_only_for_good),
        cmocka_unit_test(short_write_once),
        cmocka_unit_test(short_write_for_good),
        cmocka_unit_test(sync_fails_once),
        cmocka_unit_test(sync_fails_for_good),
        cmocka_unit_test(read_fails_once),
        cmocka_unit_test(read_fails_for_good),
        cmocka_unit_test(what_has_happened_is_held_until_it_can_be_stored),
        cmocka_unit_test(giving_up_gives_back_what_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
