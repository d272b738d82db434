/* The operations of schedules: many at once, and beside what others change. */
#include "api_world.h"
#include "store/schedule_row.h"

#define MANY 300

static json_t *schedule_json(const char *name, int n)
{
    return json_of("{'name':'%s','url':'http://127.0.0.1:1/%d','every':'365d'}", name, n);
}

static json_t *apply_json(int count)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%05d", i);
        json_array_append_new(list, schedule_json(name, i));
    }
    return json_pack("{s:o}", "schedules", list);
}

static size_t changes_of(const json_t *result, const char *what)
{
    size_t i, count = 0;
    json_t *change;
    json_array_foreach(json_object_get(result, "changes"), i, change)
    {
        const char *is = json_string_value(json_object_get(change, "change"));
        count += is && strcmp(is, what) == 0;
    }
    return count;
}

/* --- another daemon on the same store --------------------------------------------------------- */

struct other {
    struct store_schedule_put put;
    bool done;
};

static void on_put(struct mail *mail)
{
    container_of(mail, struct other, put.call.mail)->done = true;
}

static int other_puts(struct api_world *a, struct store_schedule *const *rows, size_t count)
{
    struct store *store = a->w->gate.inner;
    struct other o = {.put = {.rows = rows, .count = count}};
    mail_init(&o.put.call.mail, on_put);
    store->engine->schedule_put(store, &o.put);
    WORLD_WAIT(a->w, o.done);
    return o.put.call.result;
}

static struct store_schedule row_of(const char *name)
{
    return (struct store_schedule){.name = (char *)(uintptr_t)name,
                                   .spec = (char *)(uintptr_t) "{\"every\":\"365d\"}",
                                   .uid = getuid(),
                                   .gid = getgid(),
                                   .revision = 1,
                                   .created = 1,
                                   .next_at = INT64_MAX};
}

/* --- apply ------------------------------------------------------------------------------------ */

/* Who comes meanwhile is answered long before many schedules are read. */
static void test_apply_in_slices(void **state)
{
    (void)state;
    struct api_world *a = api_world_new("", false);
    struct asked *apply = ask_with(a, API_SCHEDULE_APPLY, apply_json(MANY), NULL);
    json_decref(ask_well(a, API_STATS, NULL));
    assert_false(apply->answered);
    assert_true(a->w->gate.made[GATE_SCHEDULE_GET] < MANY / 100);
    WORLD_WAIT(a->w, apply->answered);
    assert_int_equal(changes_of(apply->result, "created"), MANY);
    assert_true(a->w->gate.made[GATE_SCHEDULE_GET] >= MANY / 100);
    assert_int_equal(a->w->gate.made[GATE_SCHEDULE_PUT], 1); /* all or none */
    asked_free(apply);
    json_t *result = ask_well(a, API_SCHEDULE_APPLY, apply_json(MANY + 1));
    assert_int_equal(changes_of(result, "unchanged"), MANY);
    assert_int_equal(changes_of(result, "created"), 1);
    json_decref(result);
    api_world_free(a);
}

/* Changes come one after the other; a run that is asked for after one is of what it has left. */
static void test_turns(void **state)
{
    (void)state;
    struct api_world *a = api_world_new("", false);
    struct asked *first = ask_with(a, API_SCHEDULE_APPLY, apply_json(100), NULL);
    struct asked *again = ask_with(a, API_SCHEDULE_APPLY, apply_json(100), NULL);
    struct asked *add = ask_with(a, API_SCHEDULE_ADD, schedule_json("new", 1), NULL);
    struct asked *run = ask_with(a, API_SCHEDULE_RUN, json_of("{'name':'new'}"), NULL);
    struct asked *gone = ask_with(a, API_SCHEDULE_REMOVE, json_of("{'name':'new'}"), NULL);
    struct asked *none = ask_with(a, API_SCHEDULE_RUN, json_of("{'name':'new'}"), NULL);
    WORLD_WAIT(a->w, none->answered);
    assert_int_equal(changes_of(first->result, "created"), 100);
    assert_int_equal(changes_of(again->result, "unchanged"), 100);
    assert_int_equal(add->code, 0);
    assert_int_equal(run->code, 0);
    assert_int_equal(gone->code, 0);
    assert_int_equal(none->code, API_NOT_FOUND);
    struct asked *all[] = {first, again, add, run, gone, none};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        asked_free(all[i]);
    api_world_free(a);
}

/* What another changes between the look and the change is compared once more. */
static void test_changed_by_another(void **state)
{
    (void)state;
    struct api_world *a = api_world_new("", false);
    struct store_schedule row = row_of("s00001"), *rows = &row;
    a->w->gate.hold[GATE_SCHEDULE_PUT] = true;
    struct asked *apply = ask_with(a, API_SCHEDULE_APPLY, apply_json(3), NULL);
    WORLD_WAIT(a->w, a->w->gate.held_count == 1);
    assert_int_equal(other_puts(a, &rows, 1), 0);
    gate_release(&a->w->gate);
    WORLD_WAIT(a->w, apply->answered);
    assert_int_equal(apply->code, 0);
    assert_int_equal(changes_of(apply->result, "created"), 2);
    assert_int_equal(changes_of(apply->result, "updated"), 1);
    asked_free(apply);

    /* One that would be new is a conflict then. */
    row = row_of("x");
    a->w->gate.hold[GATE_SCHEDULE_PUT] = true;
    struct asked *add = ask_with(a, API_SCHEDULE_ADD, schedule_json("x", 1), NULL);
    WORLD_WAIT(a->w, a->w->gate.held_count == 1);
    assert_int_equal(other_puts(a, &rows, 1), 0);
    gate_release(&a->w->gate);
    WORLD_WAIT(a->w, add->answered);
    assert_int_equal(add->code, API_CONFLICT);
    asked_free(add);
    api_world_free(a);
}

/* A request removes some thousands, and says where to go on. */
static void test_prune_in_parts(void **state)
{
    enum { COUNT = 6000 };
    (void)state;
    struct api_world *a = api_world_new("", false);
    static char names[COUNT][16];
    static struct store_schedule rows[COUNT], *list[COUNT];
    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "s%05d", i);
        rows[i] = row_of(names[i]);
        list[i] = &rows[i];
    }
    assert_int_equal(other_puts(a, list, COUNT), 0);
    json_t *dry = ask_well(a, API_SCHEDULE_APPLY,
                           json_of("{'schedules':[],'prune':true,'keep':['s00003'],"
                                   "'dry_run':true}"));
    assert_in_range(changes_of(dry, "removed"), 5000, 5500);
    const char *next = json_string_value(json_object_get(dry, "next"));
    assert_non_null(next);
    json_decref(dry);
    json_t *result =
        ask_well(a, API_SCHEDULE_APPLY, json_of("{'schedules':[],'prune':true,'keep':['s00003']}"));
    size_t removed = changes_of(result, "removed");
    next = json_string_value(json_object_get(result, "next"));
    assert_non_null(next);
    json_t *rest =
        ask_well(a, API_SCHEDULE_APPLY,
                 json_of("{'schedules':[],'prune':true,'keep':['s00003'],'after':'%s'}", next));
    assert_null(json_object_get(rest, "next"));
    assert_int_equal(removed + changes_of(rest, "removed"), COUNT - 1);
    json_decref(result);
    json_decref(rest);
    json_t *left = ask_well(a, API_SCHEDULE_LIST, json_object());
    assert_int_equal(json_array_size(json_object_get(left, "schedules")), 1);
    json_decref(left);
    api_world_free(a);
}

/* --- the store fails -------------------------------------------------------------------------- */

static void test_the_store_fails(void **state)
{
    (void)state;
    struct api_world *a = api_world_new("", false);
    json_decref(ask_well(a, API_SCHEDULE_ADD, schedule_json("x", 1)));
    a->w->gate.refuse[GATE_SCHEDULES] = a->w->gate.refuse[GATE_SCHEDULE_GET] = -EIO;
    ask_ill(a, API_SCHEDULE_LIST, json_object(), API_UNAVAILABLE, "");
    ask_ill(a, API_SCHEDULE_RUN, json_of("{'name':'x'}"), API_UNAVAILABLE, "");
    ask_ill(a, API_SCHEDULE_REMOVE, json_of("{'name':'x'}"), API_UNAVAILABLE, "");
    ask_ill(a, API_PAUSE, json_of("{'schedule':'x'}"), API_UNAVAILABLE, "");
    ask_ill(a, API_SCHEDULE_APPLY, apply_json(3), API_UNAVAILABLE, "");
    ask_ill(a, API_SCHEDULE_APPLY, json_of("{'schedules':[],'prune':true}"), API_UNAVAILABLE, "");
    json_decref(ask_well(a, API_METRICS, json_object())); /* without their names */
    memset(a->w->gate.refuse, 0, sizeof a->w->gate.refuse);
    a->w->gate.refuse[GATE_SCHEDULE_PUT] = -EIO;
    ask_ill(a, API_SCHEDULE_REMOVE, json_of("{'name':'x'}"), API_UNAVAILABLE, "");
    ask_ill(a, API_PAUSE, json_of("{'schedule':'x'}"), API_UNAVAILABLE, "");
    a->w->gate.refuse[GATE_SCHEDULE_PUT] = 0;
    json_decref(ask_well(a, API_SCHEDULE_REMOVE, json_of("{'name':'x'}"))); /* nobody holds it up */
    api_world_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apply_in_slices),    cmocka_unit_test(test_turns),
        cmocka_unit_test(test_changed_by_another), cmocka_unit_test(test_prune_in_parts),
        cmocka_unit_test(test_the_store_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
