#include "conformance.h"
#include "store/memory.h"

/* What is the memory engine's own: it gives back what it took. */
static void memory_comes_back_as_rows_go(void **state)
{
    struct fixture *f = *state;
    fixture_close(f);
    fixture_open(f, &(struct store_config){.keep_finished_count = 10});
    for (int i = 0; i < 40000; i++) {
        uint64_t id = submit_to(f, "h");
        assert_int_equal(finish(f, id, 0, JOB_DONE), 0);
    }
    struct store_list list = {.select = any, .limit = 20};
    assert_string_equal(list_ids(f, &list),
                        "40000 39999 39998 39997 39996 39995 39994 39993 39992 39991");
    assert_int_equal(list.next, 0);
    assert_string_equal(f->store->engine->name, "memory");
    assert_false(f->store->engine->keeps);
}

int main(void)
{
    const struct CMUnitTest own[] = {
        CONFORMANCE_TEST(memory_comes_back_as_rows_go),
    };
    int failed = store_conformance("memory", store_memory_new);
    return failed + cmocka_run_group_tests_name("memory, its own", own, NULL, NULL);
}
