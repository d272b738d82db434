/* The agenda: which schedules are in memory, as far as it has been read, and that none is lost at
 * its edge. */
#include "schedule/agenda.h"

#include "store/schedule_row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct store_schedule *row_new(const char *name, int64_t next_at)
{
    struct store_schedule *row = calloc(1, sizeof *row);
    assert_non_null(row);
    row->name = strdup(name);
    row->spec = strdup("{}");
    row->next_at = next_at;
    assert_true(row->name && row->spec);
    return row;
}

static void read_up_to(struct agenda *agenda, const char *name, int64_t next_at)
{
    struct store_schedule *last = row_new(name, next_at);
    agenda_set_read(agenda, last);
    store_schedule_free(last);
}

/* What is due at the same time as the last one that was read is known up to that one's name. */
static void the_edge_is_known_and_what_is_behind_it_is_not(void **state)
{
    struct agenda agenda;
    (void)state;
    agenda_init(&agenda);
    read_up_to(&agenda, "m", 100);
    agenda_take(&agenda, row_new("m", 100));
    agenda_take(&agenda, row_new("a", 100));
    agenda_take(&agenda, row_new("n", 100));
    agenda_take(&agenda, row_new("z", 99));
    agenda_take(&agenda, row_new("b", 101));
    assert_non_null(agenda_find(&agenda, "m"));
    assert_non_null(agenda_find(&agenda, "a"));
    assert_non_null(agenda_find(&agenda, "z"));
    assert_null(agenda_find(&agenda, "n"));
    assert_null(agenda_find(&agenda, "b"));
    assert_string_equal(agenda_first(&agenda)->row->name, "z");
    assert_int_equal(agenda.count, 3);
    agenda_deinit(&agenda);
}

/* One that is tried again later has its time in the store as before: it stays known. */
static void what_waits_longer_than_its_row_says_stays(void **state)
{
    struct agenda agenda;
    (void)state;
    agenda_init(&agenda);
    read_up_to(&agenda, "m", 100);
    agenda_take(&agenda, row_new("m", 100));
    struct agenda_entry *entry = agenda_find(&agenda, "m");
    agenda_begin(&agenda, entry);
    assert_null(agenda_find(&agenda, "m"));
    assert_null(agenda_first(&agenda));
    agenda_put_back(&agenda, entry, 5000);
    assert_ptr_equal(agenda_find(&agenda, "m"), entry);
    assert_int_equal(agenda_first(&agenda)->due, 5000);
    agenda_deinit(&agenda);
}

/* With too many the last ones go, and are read again: the edge is then before them. */
static void what_has_no_room_is_read_again(void **state)
{
    struct agenda agenda;
    char name[16];
    (void)state;
    agenda_init(&agenda);
    agenda_set_read(&agenda, NULL);
    for (int i = 0; i <= AGENDA_MAX; i++) {
        snprintf(name, sizeof name, "s%06d", i);
        agenda_take(&agenda, row_new(name, 1000 + i));
    }
    assert_int_equal(agenda.count, AGENDA_MAX);
    assert_null(agenda_find(&agenda, name));
    agenda_take(&agenda, row_new(name, 1000 + AGENDA_MAX)); /* behind the edge */
    assert_null(agenda_find(&agenda, name));
    while (agenda.count > AGENDA_MAX / 4)
        agenda_free_entry(&agenda, agenda_first(&agenda));
    assert_true(agenda_wants_more(&agenda));
    agenda_set_read(&agenda, NULL);
    agenda_take(&agenda, row_new(name, 1000 + AGENDA_MAX));
    assert_non_null(agenda_find(&agenda, name));
    agenda_deinit(&agenda);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_edge_is_known_and_what_is_behind_it_is_not),
        cmocka_unit_test(what_waits_longer_than_its_row_says_stays),
        cmocka_unit_test(what_has_no_room_is_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
