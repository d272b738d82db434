/* Rows that are left in the store: how many are known, and those that memory, or the store, failed
 * for. */
#include "fleet_world.h"
#include "job/park.h"
#include "job/skip.h"
#include "support/exhaust.h"

#include <malloc.h>

#define HOST "127.0.0.1"
#define MOST 1024

/* --- how many --------------------------------------------------------------------------------- */

static bool is_skipped(const struct host *host, uint64_t id)
{
    for (size_t i = 0; i < host->unread_count; i++)
        if (host->unread[i] == id)
            return true;
    return false;
}

/* A host with one costs little; one with very many stops there, and goes on once there is room. */
static void test_as_many_as_there_are(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("");
    struct host *host = host_get(f->w->jobs, HOST);
    assert_true(skip_add(host, 1));
    assert_true(malloc_usable_size(host->unread) < 256);
    host->more = true;
    for (uint64_t id = 2; id < MOST; id++)
        skip_add(host, id);
    assert_true(host->more);
    skip_add(host, MOST);
    assert_false(host->more);
    assert_true(skip_add(host, MOST + 1));
    assert_int_equal(host->unread_count, MOST);
    for (uint64_t id = 1; id <= MOST; id++)
        assert_true(is_skipped(host, id));
    assert_true(skip_remove(host, 5));
    assert_int_equal(host->unread_count, MOST - 1);
    assert_false(is_skipped(host, 5));
    assert_false(skip_remove(host, 6));
    skip_add(host, 6 + MOST);
    assert_true(is_skipped(host, 6 + MOST));
    skip_clear(host);
    fleet_world_free(f);
}

/* --- what has failed -------------------------------------------------------------------------- */

static struct store_park *asked; /* NULL: nothing was */

static void keep_park(struct store *s, struct store_park *call)
{
    (void)s;
    asked = call;
}

/* Parks a row while the n-th allocation fails; false: there was none such. Either the store is
 * asked, or the row is read again soon. */
static bool park_without(struct fleet_world *f, long n, unsigned *again)
{
    struct jobs *jobs = f->w->jobs;
    struct host *host = host_get(jobs, HOST);
    struct store_job row = {.id = 7,
                            .parser = (char *)(uintptr_t) "theirs",
                            .spec = (char *)(uintptr_t) "{\"url\":\"http://127.0.0.1/\"}"};
    asked = NULL;
    atomic_store(&exhaust_at, n);
    park_row(host, &row, "no such parser");
    bool failed = atomic_exchange(&exhaust_at, 0) == 0;
    if (asked)
        assert_string_equal(asked->needs, "parser theirs");
    else
        assert_true(host->unread_again && host->due.at != 0);
    *again += !asked;
    if (asked)
        fleet_reply(jobs->fleet->store, &asked->call, 0);
    WORLD_WAIT(f->w, jobs->fleet->orphans == 0);
    host = host_get(jobs, HOST);
    skip_clear(host);
    wake_stop(&jobs->wake, &host->due);
    host_put_if_idle(host);
    return failed;
}

static void test_what_memory_failed_for_is_read_again(void **state)
{
    (void)state;
    if (!exhaust_possible)
        return;
    struct fleet_world *f = fleet_world_new("");
    struct fleet *fleet = f->w->jobs->fleet;
    const struct store_shared *shared = fleet->shared;
    struct store_shared with = *shared;
    unsigned again = 0;
    with.park = keep_park;
    fleet->shared = &with;
    fleet_gain(f, HOST);
    /* The other threads have begun by then, and what they allocate for that is not what fails. */
    world_wait_end(f->w, world_submit(f->w, HOST, "/bytes?n=1"), JOB_DONE);
    WORLD_WAIT(f->w, atomic_load(&exhaust_begin) == 0);
    for (long n = 1; park_without(f, n, &again); n++)
        ;
    /* What it needs, and the call; and the host's name, where strdup's failure is ours to make. */
    assert_true(again >= (exhaust_counts ? 3 : 2));
    fleet->shared = shared;
    fleet_world_free(f);
}

/* Once the store takes it, it is parked without a word from anybody. */
static void test_what_the_store_failed_for_is_read_again(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("");
    struct world *w = f->w;
    fleet_row(w, HOST, "theirs", "{\"url\":\"http://127.0.0.1/\",\"parser\":\"theirs\"}");
    fleet_gain(f, HOST);
    WORLD_WAIT(w, f->park_count > 0);
    f->park_result = 0;
    size_t before = f->park_count;
    WORLD_WAIT(w, f->park_count > before && w->jobs->fleet->orphans == 0);
    const struct host *host = host_find(w->jobs, HOST);
    assert_int_equal(host ? host->unread_count : 0, 0);
    fleet_world_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_many_as_there_are),
        cmocka_unit_test(test_what_memory_failed_for_is_read_again),
        cmocka_unit_test(test_what_the_store_failed_for_is_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
