/* Conversations over a real socket. */
#include "control/session.h"

#include "world.h"

#include <poll.h>

static void test_byte_by_byte(void **state)
{
    struct world w;
    struct client c;
    world_init(&w, 0);
    client_init(&w, &c);
    const char *text = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n\r\n"
                       "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"list\"}\r\n";
    for (const char *p = text; *p; p++) {
        client_send(&c, p, 1);
        turn(&w);
    }
    expect_id(&c, 1);
    expect_id(&c, 2);
    client_deinit(&c);
    world_deinit(&w);
}

/* A request of exactly `size` bytes with its newline not counted. */
static char *request_of(size_t size, int id)
{
    struct buf b = BUF_INIT;
    buf_printf(&b, "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"show\",\"params\":{\"pad\":\"", id);
    while (b.len < size - 3)
        buf_putc(&b, 'x');
    buf_puts(&b, "\"}}\n");
    assert_int_equal(b.len, size + 1);
    return buf_steal(&b);
}

static void test_longest_line(void **state)
{
    struct world w;
    struct client c;
    world_init(&w, 0);
    client_init(&w, &c);
    char *fits = request_of(SESSION_MAX_LINE, 1), *over = request_of(SESSION_MAX_LINE + 1, 2);
    client_say(&c, fits);
    client_say(&c, over);
    client_ask(&c, 3, "ping", "{}");
    expect_id(&c, 1);
    const char *line = client_line(&c);
    assert_non_null(strstr(line, "\"id\":null,\"error\":{\"code\":-32600"));
    assert_non_null(strstr(line, "1 MiB"));
    expect_id(&c, 3);
    assert_int_equal(w.api.made, 1);
    free(fits);
    free(over);
    client_deinit(&c);
    world_deinit(&w);
}

/* The jobs answer each turn's calls last one first. */
static void test_pipelined(void **state)
{
    struct world w;
    struct client c;
    struct buf b = BUF_INIT;
    world_init(&w, 0);
    client_init(&w, &c);
    for (int i = 0; i < 2000; i++)
        buf_printf(&b, "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"%s\",\"params\":{\"id\":%d}}\n",
                   i, i % 7 ? "show" : "list", i);
    client_send(&c, b.data, b.len);
    for (int i = 0; i < 2000; i++)
        expect_id(&c, i);
    buf_deinit(&b);
    client_deinit(&c);
    world_deinit(&w);
}

static void test_half_closed(void **state)
{
    struct world w;
    struct client c;
    world_init(&w, 0);
    client_init(&w, &c);
    w.api.hold = true;
    client_ask(&c, 1, "show", "{\"id\":1}");
    client_ask(&c, 2, "show", "{\"id\":2}");
    client_say(&c, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"list\"}"); /* no newline */
    shutdown(c.fd, SHUT_WR);
    while (w.api.count < 3)
        turn(&w);
    for (int i = 0; i < 20; i++)
        turn(&w);
    assert_int_equal(control_clients(w.control), 1);
    w.api.hold = false;
    for (int i = 1; i <= 3; i++)
        expect_id(&c, i);
    assert_null(client_line(&c));
    assert_int_equal(w.api.abandoned, 0);
    client_deinit(&c);
    world_deinit(&w);
}

static void test_vanishes_in_a_call(void **state)
{
    struct world w;
    struct client c;
    world_init(&w, 0);
    client_init(&w, &c);
    client_ask(&c, 1, "wait", "{\"ids\":[1]}");
    while (w.api.count < 1)
        turn(&w);
    client_deinit(&c);
    while (control_clients(w.control) > 0)
        turn(&w);
    assert_int_equal(w.api.abandoned, 1);
    /* the session waits for the call, and is freed by its answer: ASan watches */
    fake_default(&w.api, 0);
    turn(&w);
    world_deinit(&w);
}

/* Nothing is read from one with too much under way; that it has gone is noticed all the same. */
static void test_vanishes_unread(void **state)
{
    struct world w;
    struct client c;
    world_init(&w, 0);
    client_init(&w, &c);
    char line[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"wait\",\"params\":{\"ids\":[1]}}\n";
    size_t sent = 0;
    for (int idle = 0; idle < 100; turn(&w)) {
        idle++;
        while (send(c.fd, line, sizeof line - 1, MSG_NOSIGNAL) == sizeof line - 1) {
            sent++;
            idle = 0;
        }
    }
    assert_true(sent > w.api.made);
    assert_true(w.api.made <= RPC_CALLS);
    client_deinit(&c);
    while (control_clients(w.control) > 0)
        turn(&w);
    assert_int_equal(w.api.abandoned, w.api.made);
    world_deinit(&w);
}

/* A client may ask for something and go (`run`, which says how its command ended): that is begun,
 * though it has left an answer unread, which the kernel tells as an error. */
static void test_asks_and_goes_without_reading(void **state)
{
    struct world w;
    struct client c;
    struct pollfd answered = {.events = POLLIN};
    world_init(&w, 0);
    client_init(&w, &c);
    client_ask(&c, 1, "ping", "{}");
    answered.fd = c.fd;
    while (poll(&answered, 1, 0) == 0)
        turn(&w);
    w.api.takes = 2 * SESSION_PUMP_NS; /* each call waits for a turn of its own */
    client_ask(&c, 2, "list", "{}");
    client_ask(&c, 3, "list", "{}");
    client_say(&c, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"list\"}"); /* no newline */
    client_deinit(&c);
    while (control_clients(w.control) > 0)
        turn(&w);
    assert_int_equal(w.api.made, 3);
    world_deinit(&w);
}

/* The same of one that an answer meets before its last request is read. */
static void test_asks_and_goes_before_an_answer(void **state)
{
    struct world w;
    struct client c;
    world_init(&w, 0);
    client_init(&w, &c);
    w.api.hold = true;
    client_ask(&c, 1, "show", "{\"id\":1}");
    while (w.api.count < 1)
        turn(&w);
    client_ask(&c, 2, "list", "{}");
    client_deinit(&c);
    fake_default(&w.api, 0); /* is sent before the loop looks for input */
    while (control_clients(w.control) > 0)
        turn(&w);
    assert_int_equal(w.api.made, 2);
    world_deinit(&w);
}

/* What a turn has no time to begin begins in the next ones, though the client reads nothing. */
static void test_what_a_turn_leaves_begins_in_the_next(void **state)
{
    struct world w;
    struct client c;
    world_init(&w, 0);
    client_init(&w, &c);
    w.api.hold = true;
    client_ask(&c, 1, "show", "{\"id\":1}");
    while (w.api.made < 1)
        turn(&w);
    char *text = malloc(1 << 20); /* more than the socket takes */
    memset(text, 'x', 1 << 20);
    fake_answer(&w.api, 0, json_stringn(text, 1 << 20));
    free(text);
    turn(&w);
    w.api.takes = 2 * SESSION_PUMP_NS;
    client_say(&c, "[{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"list\"},"
                   "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"list\"},"
                   "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"list\"}]\n");
    while (w.api.made < 4)
        turn(&w);
    w.api.hold = false;
    expect_id(&c, 1);
    assert_non_null(strstr(client_line(&c), "{\"jsonrpc\":\"2.0\",\"id\":4,\"result\":"));
    client_deinit(&c);
    world_deinit(&w);
}

/* A client that asks and does not read holds up itself alone. */
static void test_slow_reader(void **state)
{
    struct world w;
    struct client c, other;
    world_init(&w, 0);
    client_init(&w, &c);
    client_init(&w, &other);
    char *line = request_of(100000, 5);
    size_t len = strlen(line), asked = 0, at = 0;
    /* Long lines are parsed by a thread, which may have to wait for a processor: that is not yet
     * the end of what is read. */
    for (int idle = 0; idle < 50 || w.api.made < 40; turn(&w)) {
        ssize_t n = send(c.fd, line + at, len - at, MSG_NOSIGNAL);
        idle = n > 0 ? 0 : idle + 1;
        at += n > 0 ? (size_t)n : 0;
        asked += at == len;
        at = at == len ? 0 : at;
        assert_true(asked < 1000);
    }
    /* answers are as long as requests: 4 MiB of them and what the sockets hold */
    assert_true(w.api.made < 70);
    client_ask(&other, 1, "ping", "{}");
    expect_id(&other, 1);
    for (size_t i = 0; i < asked; i++)
        expect_id(&c, 5);
    free(line);
    client_deinit(&c);
    client_deinit(&other);
    world_deinit(&w);
}

static void test_follows(void **state)
{
    struct world w;
    struct client c;
    world_init(&w, 0);
    client_init(&w, &c);
    client_ask(&c, 1, "follow", "{\"ids\":[1,2]}");
    shutdown(c.fd, SHUT_WR);
    while (!w.api.follower)
        turn(&w);
    fake_line(&w.api, EVENT_RECORD, 1, "{\"data\":1}\n");
    expect_id(&c, 1);
    assert_string_equal(client_line(&c),
                        "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"data\":1}}");
    fake_line(&w.api, EVENT_VERDICT, 1, "{\"v\":1}\n");
    assert_non_null(client_line(&c));
    for (int i = 0; i < 20; i++)
        turn(&w);
    assert_int_equal(control_clients(w.control), 1); /* it sends no more, and still listens */
    fake_line(&w.api, EVENT_VERDICT, 2, "{\"v\":2}\n");
    assert_non_null(strstr(client_line(&c), "{\"v\":2}"));
    assert_non_null(strstr(client_line(&c), "\"method\":\"end\""));
    assert_null(client_line(&c));
    client_deinit(&c);
    world_deinit(&w);
}

static void test_follower_stays_after_the_end(void **state)
{
    struct world w;
    struct client c;
    world_init(&w, 0);
    client_init(&w, &c);
    client_ask(&c, 1, "submit", "{\"jobs\":[{\"url\":\"u\"},{}],\"follow\":true}");
    expect_id(&c, 1);
    fake_line(&w.api, EVENT_VERDICT, 1, "{\"v\":1}\n");
    assert_non_null(strstr(client_line(&c), "{\"v\":1}"));
    assert_non_null(strstr(client_line(&c), "\"method\":\"end\""));
    client_ask(&c, 2, "submit", "{\"url\":\"u\",\"follow\":true}");
    expect_id(&c, 2);
    fake_line(&w.api, EVENT_VERDICT, 2, "{\"v\":2}\n");
    assert_non_null(strstr(client_line(&c), "{\"v\":2}"));
    assert_non_null(strstr(client_line(&c), "\"method\":\"end\""));
    client_ask(&c, 3, "ping", "{}");
    expect_id(&c, 3);
    client_deinit(&c);
    world_deinit(&w);
}

/* Twenty times what is kept for it: nobody waits, the verdict comes, and the count is right. */
static void test_slow_follower(void **state)
{
    struct world w;
    struct client c, other;
    world_init(&w, 0);
    client_init(&w, &c);
    client_init(&w, &other);
    client_ask(&c, 1, "follow", "{}");
    expect_id(&c, 1);
    char *line = request_of(100000, 5);
    size_t emitted = 0;
    for (; emitted < 800; emitted++) {
        fake_line(&w.api, EVENT_RECORD, 1, line);
        if (emitted % 50 == 0)
            turn(&w);
    }
    fake_line(&w.api, EVENT_VERDICT, 1, "{\"the\":\"verdict\"}\n");
    client_ask(&other, 1, "ping", "{}");
    expect_id(&other, 1);
    size_t records = 0, missed = 0;
    const char *got;
    while (!strstr(got = client_line(&c), "{\"the\":\"verdict\"}")) {
        const char *m = strstr(got, "\"method\":\"missed\",\"params\":{\"lines\":");
        if (m)
            missed += strtoull(strrchr(m, ':') + 1, NULL, 10);
        else
            records++;
    }
    assert_true(missed > 600);
    assert_int_equal(records + missed, emitted);
    free(line);
    client_deinit(&c);
    client_deinit(&other);
    world_deinit(&w);
}

static void test_follower_vanishes(void **state)
{
    struct world w;
    struct client c;
    world_init(&w, 0);
    client_init(&w, &c);
    client_ask(&c, 1, "follow", "{}");
    expect_id(&c, 1);
    fake_unfollowed = 0;
    client_deinit(&c);
    while (fake_unfollowed == 0)
        turn(&w);
    assert_int_equal(control_clients(w.control), 0);
    world_deinit(&w);
}

/* Descriptors that a client passes are closed: the reader of the pipe sees its end. */
static void test_passed_descriptor(void **state)
{
    struct world w;
    struct client c;
    int fds[2];
    world_init(&w, 0);
    client_init(&w, &c);
    assert_int_equal(pipe2(fds, 0), 0);
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
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &fds[1], sizeof(int));
    assert_int_equal(sendmsg(c.fd, &msg, 0), sizeof text - 1);
    close(fds[1]);
    expect_id(&c, 1);
    close(fds[0]);
    client_deinit(&c);
    world_deinit(&w); /* counts: what waited for a `run` has gone with the connection */
}

static void test_peer(void **state)
{
    struct world w;
    struct client c;
    world_init(&w, 0);
    client_init(&w, &c);
    w.api.hold = true;
    client_ask(&c, 1, "list", "{}");
    while (w.api.count < 1)
        turn(&w);
    assert_int_equal(w.api.pending[0]->peer.uid, getuid());
    assert_int_equal(w.api.pending[0]->peer.gid, getgid());
    assert_int_equal(w.api.pending[0]->peer.pid, getpid());
    client_deinit(&c);
    world_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_longest_line),
        cmocka_unit_test(test_pipelined),
        cmocka_unit_test(test_half_closed),
        cmocka_unit_test(test_vanishes_in_a_call),
        cmocka_unit_test(test_vanishes_unread),
        cmocka_unit_test(test_asks_and_goes_without_reading),
        cmocka_unit_test(test_asks_and_goes_before_an_answer),
        cmocka_unit_test(test_what_a_turn_leaves_begins_in_the_next),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_follows),
        cmocka_unit_test(test_follower_stays_after_the_end),
        cmocka_unit_test(test_slow_follower),
        cmocka_unit_test(test_follower_vanishes),
        cmocka_unit_test(test_passed_descriptor),
        cmocka_unit_test(test_peer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
