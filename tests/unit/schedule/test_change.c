/* Changes of schedules: the store and the agenda follow, or neither. */
#include "schedules_world.h"

static void test_change(void **state)
{
    (void)state;
    made("b", "/bytes?n=1");
    made("a", "/bytes?n=1");
    assert_int_equal(count(), 2);
    assert_non_null(agenda_find(&schedules->agenda, "a"));
    assert_string_equal(agenda_first(&schedules->agenda)->row->name, "b");
    remove_one("b");
    assert_null(look("b"));
    assert_null(agenda_find(&schedules->agenda, "b"));
}

static void test_a_change_with_nothing_in_it(void **state)
{
    (void)state;
    struct changed c = {.done = false};
    assert_int_equal(schedule_change_init(&c.change, schedules, 0), 0);
    assert_int_equal(schedule_change_store(&c.change), -ENOENT);
    schedule_change_deinit(&c.change);
}

static void test_a_change_that_is_not_stored(void **state)
{
    (void)state;
    w->gate.refuse[GATE_SCHEDULE_PUT] = -EIO;
    assert_int_equal(put("a", "/bytes?n=1", "\"every\":\"1h\"", LATER), -EIO);
    assert_null(look("a"));
    assert_null(agenda_first(&schedules->agenda));
}

/* A time that stays is the one that is known. */
static void test_a_schedule_that_is_redefined(void **state)
{
    (void)state;
    made("a", "/bytes?n=1");
    int64_t due = look("a")->next_at;
    assert_int_equal(put("a", "/bytes?n=2", "\"every\":\"1h\"", 0), 0);
    const struct agenda_entry *entry = agenda_find(&schedules->agenda, "a");
    assert_non_null(entry);
    assert_int_equal(entry->due, due);
    assert_non_null(strstr(entry->row->spec, "/bytes?n=2"));
    assert_int_equal(entry->row->version, look("a")->version);
    assert_int_equal(seen->next_at, due);
}

/* However many there are, no more than AGENDA_MAX of them are in memory, those that are due
 * first; and all run. */
static void test_more_than_the_agenda_holds(void **state)
{
    char name[32];
    (void)state;
    for (int i = 0; i < AGENDA_MAX + 300; i++) { /* the last one is due first */
        snprintf(name, sizeof name, "s%04d", i);
        assert_int_equal(put(name, "/bytes?n=1", "\"every\":\"1h\"", LATER * 2 - i * 1000000), 0);
        assert_true(schedules->agenda.count <= AGENDA_MAX);
    }
    assert_int_equal(count(), AGENDA_MAX + 300);
    assert_string_equal(agenda_first(&schedules->agenda)->row->name, name);
    assert_null(agenda_find(&schedules->agenda, "s0000"));
    /* All of them are gone but the ones that are in the store alone: these are read. */
    for (int i = 0; i < AGENDA_MAX + 300; i++) {
        snprintf(name, sizeof name, "s%04d", i);
        if (i != 7)
            agenda_drop(&schedules->agenda, name);
    }
    assert_null(agenda_find(&schedules->agenda, "s0007"));
    schedules_look(schedules);
    WORLD_WAIT(w, agenda_find(&schedules->agenda, "s0007"));
    assert_true(schedules->agenda.count <= AGENDA_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(test_change),
        EACH(test_a_change_with_nothing_in_it),
        EACH(test_a_change_that_is_not_stored),
        EACH(test_a_schedule_that_is_redefined),
        EACH(test_more_than_the_agenda_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
