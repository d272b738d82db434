/* Walks over the rows of the store: every row once, page by page, with a bound on what is under way
 * at a time, and a word at the end. */
#include "job/walk.h"

#include "jobs_world.h"

#define ROWS     600 /* more than two pages */
#define FAR_AWAY "\"not_before\":\"+1h\""

struct trip {
    struct walk walk;
    struct world *world;
    uint64_t seen[ROWS + 1]; /* how often each id came */
    size_t rows, ends;
    int result;
    size_t keep_at; /* keeps the row of this number; 0: none */
    size_t enough_at;
};

static bool on_row(struct walk *walk, struct store_job *row)
{
    struct trip *t = container_of(walk, struct trip, walk);
    assert_true(row->id >= 1 && row->id <= ROWS);
    t->seen[row->id]++;
    t->rows++;
    store_job_free(row);
    return t->rows != t->keep_at;
}

static bool on_page(struct walk *walk)
{
    struct trip *t = container_of(walk, struct trip, walk);
    return t->enough_at > 0 && t->rows >= t->enough_at;
}

static void on_end(struct walk *walk, const struct store_call *failed)
{
    struct trip *t = container_of(walk, struct trip, walk);
    t->ends++;
    t->result = failed ? failed->result : 0;
}

static void trip_begin(struct trip *t, struct world *w)
{
    memset(t, 0, sizeof *t);
    t->world = w;
    t->walk = (struct walk){.jobs = w->jobs,
                            .select = {.state = -1, .error = -1},
                            .row = on_row,
                            .enough = on_page,
                            .end = on_end};
}

static void trip_run(struct trip *t)
{
    walk_start(&t->walk);
    WORLD_WAIT(t->world, t->ends == 1);
    assert_int_equal(t->world->jobs->walks.paging, 0);
}

static void assert_each_once(const struct trip *t)
{
    assert_int_equal(t->rows, ROWS);
    for (size_t id = 1; id <= ROWS; id++)
        assert_int_equal(t->seen[id], 1);
}

static struct world *w;

static int begin(void **state)
{
    w = world_new("", true);
    char text[128];
    for (int i = 0; i < ROWS; i++) {
        snprintf(text, sizeof text, "{\"url\":\"http://h%d.test/\"," FAR_AWAY "}", i % 7);
        world_submit_json(w, text);
    }
    return 0;
}

static int end(void **state)
{
    world_free(w);
    return 0;
}

static void test_all(void **state)
{
    struct trip t;
    trip_begin(&t, w);
    unsigned lists = w->gate.made[GATE_LIST];
    trip_run(&t);
    assert_each_once(&t);
    assert_true(w->gate.made[GATE_LIST] - lists >= 3); /* bounded pages */
    assert_true(w->gate.made[GATE_LIST] - lists <= 4);
}

static void test_fresh(void **state)
{
    struct trip t;
    trip_begin(&t, w);
    t.walk.fresh = true;
    unsigned gets = w->gate.made[GATE_GET];
    trip_run(&t);
    assert_each_once(&t);
    assert_int_equal(w->gate.made[GATE_GET] - gets, ROWS);
}

/* Nothing of the selection's: it ends as well. */
static void test_none(void **state)
{
    struct trip t;
    trip_begin(&t, w);
    t.walk.select.state = JOB_DONE;
    trip_run(&t);
    assert_int_equal(t.rows, 0);
    assert_int_equal(t.result, 0);
}

/* It stops after the page in which there were enough. */
static void test_enough(void **state)
{
    struct trip t;
    trip_begin(&t, w);
    t.enough_at = 10;
    trip_run(&t);
    assert_true(t.rows >= 10 && t.rows <= 256);
}

/* It goes on where it was when whoever kept a row says so. */
static void test_kept(void **state)
{
    struct trip t;
    trip_begin(&t, w);
    t.keep_at = 5;
    walk_start(&t.walk);
    WORLD_WAIT(w, t.rows == 5);
    for (int i = 0; i < 20; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_int_equal(t.rows, 5);
    walk_go_on(&t.walk);
    WORLD_WAIT(w, t.ends == 1);
    assert_each_once(&t);
}

/* Without a word. */
static void test_abandoned(void **state)
{
    struct trip t;
    trip_begin(&t, w);
    t.keep_at = 5;
    walk_start(&t.walk);
    WORLD_WAIT(w, t.rows == 5);
    walk_abandon(&t.walk);
    assert_null(t.walk.page);
    for (int i = 0; i < 20; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_int_equal(t.ends, 0);
    assert_int_equal(w->jobs->walks.paging, 0);
}

static void test_store_fails(void **state)
{
    struct trip t;
    for (int kind = 0; kind < 2; kind++) {
        enum gate_call call = kind == 0 ? GATE_LIST : GATE_GET;
        trip_begin(&t, w);
        t.walk.fresh = true;
        w->gate.refuse[call] = -EIO;
        trip_run(&t);
        w->gate.refuse[call] = 0;
        assert_int_equal(t.result, -EIO);
        assert_int_equal(t.rows, 0);
    }
}

/* A row that has gone meanwhile is no failure, and is left out. */
static void test_gone(void **state)
{
    struct trip t;
    trip_begin(&t, w);
    t.walk.fresh = true;
    w->gate.refuse[GATE_GET] = -ENOENT;
    trip_run(&t);
    w->gate.refuse[GATE_GET] = 0;
    assert_int_equal(t.result, 0);
    assert_int_equal(t.rows, 0);
}

/* Few have a page at a time; the others come to their turns. */
static void test_many(void **state)
{
    enum { MANY = 30 };
    struct trip *t = calloc(MANY, sizeof *t);
    size_t ends = 0;
    assert_non_null(t);
    w->gate.hold[GATE_LIST] = true;
    for (size_t i = 0; i < MANY; i++) {
        trip_begin(&t[i], w);
        walk_start(&t[i].walk);
    }
    assert_int_equal(w->jobs->walks.paging, 8);
    assert_int_equal(w->gate.held_count, 8);
    gate_release(&w->gate);
    while (ends < MANY) {
        size_t i = ends;
        WORLD_WAIT(w, t[i].ends == 1);
        assert_true(w->jobs->walks.paging <= 8);
        ends++;
    }
    for (size_t i = 0; i < MANY; i++)
        assert_each_once(&t[i]);
    assert_int_equal(w->jobs->walks.paging, 0);
    free(t);
}

/* While very many jobs are ending no page is asked for. */
static void test_behind(void **state)
{
    struct trip t;
    trip_begin(&t, w);
    w->jobs->ending_count += 600;
    unsigned lists = w->gate.made[GATE_LIST];
    walk_start(&t.walk);
    assert_int_equal(w->gate.made[GATE_LIST], lists);
    watch_tell_room(w->jobs); /* not enough of it yet */
    assert_int_equal(w->gate.made[GATE_LIST], lists);
    w->jobs->ending_count -= 600;
    watch_tell_room(w->jobs);
    WORLD_WAIT(w, t.ends == 1);
    assert_each_once(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),         cmocka_unit_test(test_fresh),
        cmocka_unit_test(test_none),        cmocka_unit_test(test_enough),
        cmocka_unit_test(test_kept),        cmocka_unit_test(test_abandoned),
        cmocka_unit_test(test_store_fails), cmocka_unit_test(test_gone),
        cmocka_unit_test(test_many),        cmocka_unit_test(test_behind),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
