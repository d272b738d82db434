/* The listener at work: crowds, want of descriptors, and the end. */
#include "control/control.h"

#include "control/session.h"
#include "world.h"

#include <sys/resource.h>

#define CROWD 300

static void test_hundreds_of_clients(void **state)
{
    struct world w;
    static struct client clients[CROWD];
    world_init(&w, 0);
    for (int i = 0; i < CROWD; i++)
        client_init(&w, &clients[i]);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < CROWD; i++)
            client_ask(&clients[i], i, "show", "{\"id\":1}");
        for (int i = CROWD - 1; i >= 0; i--)
            expect_id(&clients[i], i);
    }
    assert_int_equal(control_clients(w.control), CROWD);
    for (int i = 0; i < CROWD; i++)
        client_deinit(&clients[i]);
    while (control_clients(w.control) > 0)
        turn(&w);
    world_deinit(&w);
}

static void test_max_clients(void **state)
{
    struct world w;
    struct client a, b, c;
    world_init(&w, 2);
    client_init(&w, &a);
    client_init(&w, &b);
    client_init(&w, &c);
    const char *line = client_line(&c);
    assert_non_null(strstr(line, "\"id\":null,\"error\":{\"code\":-32006"));
    assert_non_null(strstr(line, "control.max_clients"));
    assert_null(client_line(&c));
    client_deinit(&c);
    client_ask(&a, 1, "stats", "{}");
    line = client_line(&a);
    assert_non_null(strstr(line, "\"control\":{\"clients\":2,\"max_clients\":2,\"refused\":1,"));
    client_deinit(&b);
    while (control_clients(w.control) > 1)
        turn(&w);
    client_init(&w, &c);
    client_ask(&c, 2, "ping", "{}");
    expect_id(&c, 2);
    client_deinit(&a);
    client_deinit(&c);
    world_deinit(&w);
}

/* The soft limit such that no descriptor is free; the old one. */
static struct rlimit exhaust(void)
{
    struct rlimit old, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    return old;
}

/* Two wait in the kernel's queue for want of descriptors; who is there is served on. */
static struct rlimit start_starved(struct world *w, struct client *served, struct client waiting[2])
{
    world_init(w, 0);
    client_init(w, served);
    client_ask(served, 1, "ping", "{}");
    expect_id(served, 1);
    client_socket(w, &waiting[0]);
    client_socket(w, &waiting[1]);
    struct rlimit old = exhaust();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(client_try(&waiting[i]), 0);
        client_ask(&waiting[i], 2, "ping", "{}");
    }
    for (int i = 0; i < 10; i++)
        turn(w);
    assert_int_equal(control_clients(w->control), 1);
    client_ask(served, 3, "ping", "{}");
    expect_id(served, 3);
    return old;
}

static uint64_t resume_on_close(void)
{
    struct world w;
    struct client served, waiting[2];
    struct rlimit old = start_starved(&w, &served, waiting);
    uint64_t before = clock_now();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    client_deinit(&served);
    expect_id(&waiting[0], 2);
    expect_id(&waiting[1], 2);
    uint64_t took = clock_now() - before;
    client_deinit(&waiting[0]);
    client_deinit(&waiting[1]);
    world_deinit(&w);
    return took;
}

/* It would try again after a second anyway; a machine under load may look like that once, not
 * always. */
static void test_starved_resumes_on_close(void **state)
{
    for (int tries = 0; tries < 5; tries++)
        if (resume_on_close() < 500 * NS_PER_MS)
            return;
    fail_msg("no client was accepted before the second was over");
}

static void test_starved_resumes_by_itself(void **state)
{
    struct world w;
    struct client served, waiting[2];
    struct rlimit old = start_starved(&w, &served, waiting);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    expect_id(&waiting[0], 2);
    expect_id(&waiting[1], 2);
    client_deinit(&served);
    client_deinit(&waiting[0]);
    client_deinit(&waiting[1]);
    world_deinit(&w);
}

static void test_ends_while_starved(void **state)
{
    struct world w;
    struct client served, waiting[2];
    struct rlimit old = start_starved(&w, &served, waiting);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    control_free(w.control, on_closed, &w);
    while (!w.closed)
        turn(&w);
    w.control = NULL;
    client_deinit(&served);
    client_deinit(&waiting[0]);
    client_deinit(&waiting[1]);
    world_deinit(&w);
}

static void test_stops_accepting(void **state)
{
    struct world w;
    struct client a, b;
    struct control *second;
    struct error err;
    world_init(&w, 0);
    client_init(&w, &a);
    client_ask(&a, 1, "ping", "{}");
    expect_id(&a, 1);
    control_stop_accepting(w.control);
    control_stop_accepting(w.control);
    client_socket(&w, &b);
    assert_int_equal(client_try(&b), -ENOENT);
    client_ask(&a, 2, "ping", "{}");
    expect_id(&a, 2);
    /* the lock is held to the end */
    struct control_config config = world_config(&w);
    assert_int_equal(control_new(&config, &second, &err), -EADDRINUSE);
    client_deinit(&a);
    client_deinit(&b);
    world_deinit(&w);
}

static void test_refusal_leaves_nothing(void **state)
{
    struct world w;
    struct control *second;
    struct error err;
    world_init(&w, 0);
    struct control_config config = world_config(&w);
    assert_int_equal(control_new(&config, &second, &err), -EADDRINUSE);
    assert_non_null(strstr(err.text, w.path));
    world_deinit(&w);
}

/* What has been answered and said is still delivered at the end, however much the sockets hold
 * up. */
static void test_last_lines_are_delivered(void **state)
{
    struct world w;
    struct client c;
    world_init(&w, 0);
    client_init(&w, &c);
    client_ask(&c, 1, "follow", "{}");
    expect_id(&c, 1);
    for (int i = 0; i < 30000; i++)
        fake_line(&w.api, EVENT_RECORD, 1, "{\"event\":\"record\",\"data\":\"0123456789\"}\n");
    fake_line(&w.api, EVENT_VERDICT, 1, "{\"the\":\"verdict\"}\n");
    control_free(w.control, on_closed, &w);
    w.control = NULL;
    int lines = 0;
    bool verdict = false;
    for (const char *line; (line = client_line(&c)); lines++)
        verdict = strstr(line, "verdict") != NULL;
    assert_int_equal(lines, 30001);
    assert_true(verdict);
    while (!w.closed)
        turn(&w);
    client_deinit(&c);
    world_deinit(&w);
}

/* In five parts, the last more than a second after the end: whoever goes on taking is not cut
 * off. */
static void test_one_who_reads_slowly_is_not_left(void **state)
{
    struct world w;
    struct client c;
    world_init(&w, 0);
    client_init(&w, &c);
    client_ask(&c, 1, "follow", "{}");
    expect_id(&c, 1);
    for (int i = 0; i < 30000; i++)
        fake_line(&w.api, EVENT_RECORD, 1, "{\"event\":\"record\",\"data\":\"0123456789\"}\n");
    control_free(w.control, on_closed, &w);
    w.control = NULL;
    int lines = 0;
    for (; client_line(&c); lines++) {
        uint64_t until = clock_now() + (lines % 6000 == 5999 ? 300 * NS_PER_MS : 0);
        while (clock_now() < until)
            turn(&w);
    }
    assert_int_equal(lines, 30000);
    while (!w.closed)
        turn(&w);
    client_deinit(&c);
    world_deinit(&w);
}

static void test_one_who_never_reads_is_left(void **state)
{
    struct world w;
    struct client c;
    world_init(&w, 0);
    client_init(&w, &c);
    client_ask(&c, 1, "follow", "{}");
    expect_id(&c, 1);
    for (int i = 0; i < 30000; i++)
        fake_line(&w.api, EVENT_RECORD, 1, "{\"event\":\"record\",\"data\":\"0123456789\"}\n");
    uint64_t before = clock_now();
    control_free(w.control, on_closed, &w);
    w.control = NULL;
    while (!w.closed)
        turn(&w);
    assert_true(clock_now() - before >= 900 * NS_PER_MS);
    client_deinit(&c);
    world_deinit(&w);
}

/* The calls of those who are cut off come back after control_free, and only then it is over. */
static void test_ends_after_the_last_call(void **state)
{
    struct world w;
    struct client c;
    world_init(&w, 0);
    client_init(&w, &c);
    w.api.hold = true;
    client_ask(&c, 1, "wait", "{\"ids\":[1]}");
    client_ask(&c, 2, "submit", "{\"url\":\"u\",\"follow\":true}");
    while (w.api.count < 2)
        turn(&w);
    control_free(w.control, on_closed, &w);
    w.control = NULL;
    assert_null(client_line(&c));
    for (int i = 0; i < 20; i++)
        turn(&w);
    assert_false(w.closed);
    assert_int_equal(w.api.abandoned, 2);
    fake_default(&w.api, 1);
    fake_default(&w.api, 0);
    while (!w.closed)
        turn(&w);
    client_deinit(&c);
    world_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hundreds_of_clients),
        cmocka_unit_test(test_max_clients),
        cmocka_unit_test(test_starved_resumes_on_close),
        cmocka_unit_test(test_starved_resumes_by_itself),
        cmocka_unit_test(test_ends_while_starved),
        cmocka_unit_test(test_stops_accepting),
        cmocka_unit_test(test_refusal_leaves_nothing),
        cmocka_unit_test(test_last_lines_are_delivered),
        cmocka_unit_test(test_one_who_reads_slowly_is_not_left),
        cmocka_unit_test(test_one_who_never_reads_is_left),
        cmocka_unit_test(test_ends_after_the_last_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
