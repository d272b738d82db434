/* The control socket without memory: allocation 1, 2, 3 … of the loop's or of the helper's fails,
 * in a run each. A request has its answer, in its turn and whole, or an error that says why not, or
 * the connection ends; a client that comes afterwards is served as ever; nothing is left, and no
 * descriptor. */
#include "support/exhaust.h"

#include "base/reserve.h"
#include "control/session.h"
#include "world.h"

#define DENSE 200

static long failing; /* the allocation that fails */

/* The test's own allocations are spared. */
static void around(bool inside)
{
    exhaust_spares = !inside;
}

/* --- what a client may hear ------------------------------------------------------------------- */

static bool begins(const char *line, const char *head)
{
    return strncmp(line, head, strlen(head)) == 0;
}

/* The next line says this, or that there is no memory. False: the connection has ended. */
static bool hears(struct client *c, const char *head)
{
    const char *line = client_line(c);
    if (!line)
        return false;
    json_t *json = json_loads(line, 0, NULL);
    if (!json)
        fail_msg("allocation %ld: a torn line: %.300s", failing, line);
    const json_t *one = json_is_array(json) ? json_array_get(json, 0) : json;
    json_int_t code = json_integer_value(json_object_get(json_object_get(one, "error"), "code"));
    json_decref(json);
    if (!begins(line, head) && code != API_INTERNAL)
        fail_msg("allocation %ld: %.300s in place of %s", failing, line, head);
    return true;
}

static bool hears_answer(struct client *c, int id)
{
    char head[64];
    snprintf(head, sizeof head, "{\"jsonrpc\":\"2.0\",\"id\":%d,\"result\":", id);
    return hears(c, head);
}

/* --- scenarios -------------------------------------------------------------------------------- */

/* Requests of all forms, and lines that are none. */
static void talk(struct client *c)
{
    client_ask(c, 1, "show", "{\"id\":1}");
    client_say(c, "{\"jsonrpc\":\"2.0\",\"id\":2\n");
    client_ask(c, 3, "no-such-method", "{}");
    client_ask(c, 4, "submit", "[{\"url\":\"http://a.test/\"},{\"no\":1}]");
    client_say(c, "[{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"list\"},"
                  "{\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"stats\"}]\n");
    client_ask(c, 7, "ping", "{}");
    bool there = hears_answer(c, 1) && hears(c, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":") &&
                 hears(c, "{\"jsonrpc\":\"2.0\",\"id\":3,\"error\":") && hears_answer(c, 4);
    if (there && hears(c, "[{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":"))
        hears_answer(c, 7);
}

/* A long request, read on the helper's thread, and an answer as long. */
static void talk_at_length(struct client *c)
{
    struct buf params = BUF_INIT;
    buf_puts(&params, "{\"pad\":\"");
    for (int i = 0; i < 200000; i++)
        buf_putc(&params, 'x');
    buf_puts(&params, "\"}");
    buf_putc(&params, '\0');
    client_ask(c, 1, "show", params.data);
    client_ask(c, 2, "list", "{}");
    if (hears_answer(c, 1))
        hears_answer(c, 2);
    buf_deinit(&params);
}

static void pass_descriptor(struct client *c)
{
    char text[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n";
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec iov = {.iov_base = text, .iov_len = sizeof text - 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &fds[1], sizeof(int));
    assert_int_equal(sendmsg(c->fd, &msg, 0), sizeof text - 1);
    close(fds[1]);
    hears_answer(c, 1);
    close(fds[0]);
}

/* All the verdicts that it follows, in order, or an end. */
static void follow(struct client *c)
{
    struct api *api = &c->world->api;
    client_ask(c, 1, "follow", "{}");
    if (!hears_answer(c, 1) || !api->follower)
        return;
    unsigned gone = (unsigned)fake_unfollowed;
    for (unsigned i = 1; i <= 40 && fake_unfollowed == gone; i++) {
        char line[4096];
        snprintf(line, sizeof line, "{\"event\":\"verdict\",\"job\":%u,\"pad\":\"%03000d\"}\n", i,
                 0);
        around(true);
        fake_line(api, EVENT_VERDICT, i, line);
        around(false);
    }
    for (unsigned i = 1; i <= 40; i++) {
        const char *line = client_line(c);
        if (!line || strstr(line, "\"method\":\"overflow\""))
            return;
        char job[32];
        snprintf(job, sizeof job, "\"job\":%u,", i);
        if (!strstr(line, job))
            fail_msg("allocation %ld: %.100s in place of verdict %u", failing, line, i);
    }
}

/* --- sweeps ----------------------------------------------------------------------------------- */

/* Only what happens once the client is there. */
static bool run_once(void (*scenario)(struct client *), long n)
{
    struct world w;
    struct client first, second;
    world_init(&w, 0);
    w.around = around;
    client_init(&w, &first);
    client_ask(&first, 0, "ping", "{}");
    expect_id(&first, 0);
    if (!exhaust_counts) /* the helper's thread must be there */
        talk_at_length(&first);
    failing = n;
    atomic_store(&exhaust_at, n);
    scenario(&first);
    bool all = atomic_exchange(&exhaust_at, 0) > 0;
    client_init(&w, &second);
    client_ask(&second, 9, "ping", "{}");
    expect_id(&second, 9);
    client_deinit(&first);
    client_deinit(&second);
    world_deinit(&w);
    return all;
}

static void sweep(void (*scenario)(struct client *))
{
    long n = 0, runs = 0;
    if (!exhaust_possible)
        skip();
    for (int i = 0; i < 2; i++) /* what libraries keep for good is made now */
        run_once(scenario, 1000000);
    for (bool all = false; !all; runs++) {
        long before = atomic_load(&exhaust_live);
        n = exhaust_next(n, DENSE);
        all = run_once(scenario, n);
        /* Is it kept, as for a thread that is about to end, or lost each time? */
        for (int again = 0; again < 5 && atomic_load(&exhaust_live) > before; again++) {
            before = atomic_load(&exhaust_live);
            run_once(scenario, n);
        }
        if (atomic_load(&exhaust_live) > before)
            fail_msg("allocation %ld: %ld blocks were left", n,
                     atomic_load(&exhaust_live) - before);
        assert_true(n < 10000);
    }
    assert_true(runs > 3);
    print_message("%ld runs, up to allocation %ld\n", runs - 1, n - 1);
}

static void test_talk(void **state)
{
    sweep(talk);
}

static void test_talk_at_length(void **state)
{
    sweep(talk_at_length);
}

static void test_passed_descriptor(void **state)
{
    sweep(pass_descriptor);
}

static void test_follow(void **state)
{
    sweep(follow);
}

/* A connection for which there was no memory waits for a second, or ends. */
static void test_connect(void **state)
{
    bool all = false;
    long n = 0;
    if (!exhaust_counts)
        skip();
    while (!all) {
        struct world w;
        struct client c;
        long before = atomic_load(&exhaust_live);
        world_init(&w, 0);
        w.around = around;
        failing = ++n;
        atomic_store(&exhaust_at, n);
        client_init(&w, &c);
        client_ask(&c, 1, "ping", "{}");
        hears_answer(&c, 1);
        all = atomic_exchange(&exhaust_at, 0) > 0;
        client_deinit(&c);
        world_deinit(&w);
        assert_true(n == 1 || atomic_load(&exhaust_live) <= before);
    }
    assert_true(n > 2);
    print_message("%ld allocations\n", n - 1);
}

/* The listener itself: it is there, or nothing of it is. */
static void test_listen(void **state)
{
    bool all = false;
    long n = 0;
    if (!exhaust_counts)
        skip();
    while (!all) {
        struct world w;
        struct error err;
        struct control *second = NULL;
        long before = atomic_load(&exhaust_live);
        world_init(&w, 0);
        char path[sizeof w.path];
        snprintf(path, sizeof path, "%.90s2", w.path);
        struct control_config config = world_config(&w);
        config.path = path;
        atomic_store(&exhaust_at, ++n);
        around(true);
        int r = control_new(&config, &second, &err);
        around(false);
        all = atomic_exchange(&exhaust_at, 0) > 0;
        assert_true(r == 0 || (r == -ENOMEM && !all));
        if (r == 0) {
            control_free(second, on_closed, &w);
            while (!w.closed)
                turn(&w);
            w.closed = false;
        }
        world_deinit(&w);
        assert_true(n == 1 || atomic_load(&exhaust_live) <= before);
    }
    assert_true(n > 2);
    print_message("%ld allocations\n", n - 1);
}

static void ignore(struct stream *stream)
{
    (void)stream;
}

/* A line for which there is no memory when it comes goes out once there is; but if a job waits for
 * it to be taken the client goes instead, and the job goes on. */
static void test_lines(void **state)
{
    static struct api api;
    struct stream stream;
    struct buf out = BUF_INIT;
    struct error err;
    (void)state;
    if (!exhaust_possible)
        skip();
    stream_init(&stream, &api, ignore);
    fake_let_go = 0;
    assert_int_equal(stream_submit(&stream, EVENT_ALL, true, &err), 0);
    api.follower = &stream.follower;
    atomic_store(&exhaust_at, 1);
    exhaust_spares = false;
    fake_line(&api, EVENT_VERDICT, 1, "{\"v\":1}\n");
    exhaust_spares = true;
    assert_int_equal(atomic_load(&exhaust_at), 0);
    assert_false(stream_pending(&stream));
    stream_take(&stream, &out);
    assert_non_null(out.data);
    assert_non_null(strstr(out.data, "{\"v\":1}"));
    buf_deinit(&out);
    buf_deinit(&stream.lines);
    atomic_store(&exhaust_at, 1);
    exhaust_spares = false;
    fake_owed(&api, 1, "{\"r\":1}\n");
    exhaust_spares = true;
    assert_int_equal(atomic_load(&exhaust_at), 0);
    assert_int_equal(fake_let_go, 1);
    stream_take(&stream, &out);
    assert_non_null(out.data);
    assert_non_null(strstr(out.data, "\"method\":\"overflow\""));
    stream.submits = 0;
    stream_deinit(&stream);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),          cmocka_unit_test(test_talk),
        cmocka_unit_test(test_talk_at_length), cmocka_unit_test(test_passed_descriptor),
        cmocka_unit_test(test_follow),         cmocka_unit_test(test_connect),
        cmocka_unit_test(test_listen),
    };
    exhaust_spares = true;
    if (reserve_for_libuv() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
