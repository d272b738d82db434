/* A parser that is held, and a user who may not have many running: his jobs for others go on. */
#include "job/hold.h"

#include "jobs_world.h"

enum { ANNA = 61001 };

static uint64_t submit(struct world *w, const char *host, const char *parser, const char *path)
{
    char text[512];
    snprintf(text, sizeof text, "{\"url\":\"http://%s:%u%s\",\"parser\":\"%s\"}", host,
             (unsigned)origin_port(w->origin), path, parser);
    return world_submit_as(w, ANNA, text);
}

/* So many of the held parser's wait at the host, in front of one of another's. */
static void held_in_front(unsigned count)
{
    struct world *w = world_new("[user \"61001\"]\nmax_running = 1\n", false);
    assert_int_equal(hold_set(w->jobs, NULL, "lines", true), 0);
    uint64_t first = submit(w, "127.0.0.1", "count", "/bytes?n=1&hold=first");
    world_wait_running(w, first);
    for (unsigned i = 0; i < count; i++)
        submit(w, "localhost", "lines", "/lines?n=1");
    uint64_t other = submit(w, "localhost", "count", "/bytes?n=1");
    origin_release(w->origin, "first");
    world_wait_end(w, other, JOB_DONE);
    assert_int_equal(w->end_count, 2);
    assert_int_equal(hold_set(w->jobs, NULL, "lines", false), 0);
    WORLD_WAIT(w, w->end_count == 2 + count);
    world_free(w);
}

static void test_one_in_front(void **state)
{
    (void)state;
    held_in_front(1);
}

static void test_many_in_front(void **state)
{
    (void)state;
    held_in_front(40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_in_front),
        cmocka_unit_test(test_many_in_front),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
