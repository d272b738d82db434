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

/* Nothing is looked at for what there is none of: the answer is there with the first turn. */
static void a_state_that_no_row_is_in_is_not_looked_for(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 20000; i++)
        submit_to(f, "h");
    struct store_list call = {.select = any, .limit = 20};
    call.select.state = JOB_DONE;
    expect_call(&call.call);
    f->store->engine->list(f->store, &call);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(delivered_count, 1);
    assert_int_equal(call.count, 0);
    assert_int_equal(call.next, 0);
    delivered_count = 0;
}

int main(void)
{
    const struct CMUnitTest own[] = {
        CONFORMANCE_TEST(memory_comes_back_as_rows_go),
        CONFORMANCE_TEST(a_state_that_no_row_is_in_is_not_looked_for),
    };
    int failed = store_conformance("memory", store_memory_new);
    return failed + cmocka_run_group_tests_name("memory, its own", own, NULL, NULL);
}
