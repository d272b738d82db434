/* Conversations over a real socket. */
#include "control/session.h"

#include "world.h"

#include <poll.h>

/* A control socket, and a client that is connected. */
struct talk {
    struct world w;
    struct client c;
    bool left;
};

static int talk_begin(void **state)
{
    struct talk *t = calloc(1, sizeof *t);
    assert_non_null(t);
    world_init(&t->w, 0);
    client_init(&t->w, &t->c);
    *state = t;
    return 0;
}

/* The client goes. */
static void talk_leave(struct talk *t)
{
    client_deinit(&t->c);
    t->left = true;
}

static int talk_end(void **state)
{
    struct talk *t = *state;
    if (!t->left)
        talk_leave(t);
    world_deinit(&t->w);
    free(t);
    return 0;
}

/* Asks for what is not answered before somebody says so. */
static void talk_ask_held(struct talk *t)
{
    t->w.api.hold = true;
    client_ask(&t->c, 1, "show", "{\"id\":1}");
    while (t->w.api.count < 1)
        turn(&t->w);
}

#define TALK(name) cmocka_unit_test_setup_teardown(name, talk_begin, talk_end)

static void test_byte_by_byte(void **state)
{
    struct talk *t = *state;
    const char *text = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n\r\n"
                       "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"list\"}\r\n";
    for (const char *p = text; *p; p++) {
        client_send(&t->c, p, 1);
        turn(&t->w);
    }
    expect_id(&t->c, 1);
    expect_id(&t->c, 2);
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
    struct talk *t = *state;
    char *fits = request_of(SESSION_MAX_LINE, 1), *over = request_of(SESSION_MAX_LINE + 1, 2);
    client_say(&t->c, fits);
    client_say(&t->c, over);
    client_ask(&t->c, 3, "ping", "{}");
    expect_id(&t->c, 1);
    const char *line = client_line(&t->c);
    assert_non_null(strstr(line, "\"id\":null,\"error\":{\"code\":-32600"));
    assert_non_null(strstr(line, "1 MiB"));
    expect_id(&t->c, 3);
    assert_int_equal(t->w.api.made, 1);
    free(fits);
    free(over);
}

/* The jobs answer each turn's calls last one first. */
static void test_pipelined(void **state)
{
    struct talk *t = *state;
    struct buf b = BUF_INIT;
    for (int i = 0; i < 2000; i++)
        buf_printf(&b, "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"%s\",\"params\":{\"id\":%d}}\n",
                   i, i % 7 ? "show" : "list", i);
    client_send(&t->c, b.data, b.len);
    for (int i = 0; i < 2000; i++)
        expect_id(&t->c, i);
    buf_deinit(&b);
}

static void test_half_closed(void **state)
{
    struct talk *t = *state;
    t->w.api.hold = true;
    client_ask(&t->c, 1, "show", "{\"id\":1}");
    client_ask(&t->c, 2, "show", "{\"id\":2}");
    client_say(&t->c, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"list\"}"); /* no newline */
    shutdown(t->c.fd, SHUT_WR);
    while (t->w.api.count < 3)
        turn(&t->w);
    for (int i = 0; i < 20; i++)
        turn(&t->w);
    assert_int_equal(control_clients(t->w.control), 1);
    t->w.api.hold = false;
    for (int i = 1; i <= 3; i++)
        expect_id(&t->c, i);
    assert_null(client_line(&t->c));
    assert_int_equal(t->w.api.abandoned, 0);
}

static void test_vanishes_in_a_call(void **state)
{
    struct talk *t = *state;
    client_ask(&t->c, 1, "wait", "{\"ids\":[1]}");
    while (t->w.api.count < 1)
        turn(&t->w);
    talk_leave(t);
    while (control_clients(t->w.control) > 0)
        turn(&t->w);
    assert_int_equal(t->w.api.abandoned, 1);
    /* the session waits for the call, and is freed by its answer: ASan watches */
    fake_default(&t->w.api, 0);
    turn(&t->w);
}

/* Nothing is read from one with too much under way; that it has gone is noticed all the same. */
static void test_vanishes_unread(void **state)
{
    struct talk *t = *state;
    char line[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"wait\",\"params\":{\"ids\":[1]}}\n";
    size_t sent = 0;
    for (int idle = 0; idle < 100; turn(&t->w)) {
        idle++;
        while (send(t->c.fd, line, sizeof line - 1, MSG_NOSIGNAL) == sizeof line - 1) {
            sent++;
            idle = 0;
        }
    }
    assert_true(sent > t->w.api.made);
    assert_true(t->w.api.made <= RPC_CALLS);
    talk_leave(t);
    while (control_clients(t->w.control) > 0)
        turn(&t->w);
    assert_int_equal(t->w.api.abandoned, t->w.api.made);
}

/* A client may ask for something and go (`run`, which says how its command ended): that is begun,
 * though it has left an answer unread, which the kernel tells as an error. */
static void test_asks_and_goes_without_reading(void **state)
{
    struct talk *t = *state;
    struct pollfd answered = {.events = POLLIN};
    client_ask(&t->c, 1, "ping", "{}");
    answered.fd = t->c.fd;
    while (poll(&answered, 1, 0) == 0)
        turn(&t->w);
    t->w.api.takes = 2 * SESSION_PUMP_NS; /* each call waits for a turn of its own */
    client_ask(&t->c, 2, "list", "{}");
    client_ask(&t->c, 3, "list", "{}");
    client_say(&t->c, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"list\"}"); /* no newline */
    talk_leave(t);
    while (control_clients(t->w.control) > 0)
        turn(&t->w);
    assert_int_equal(t->w.api.made, 3);
}

/* The same of one that an answer meets before its last request is read. */
static void test_asks_and_goes_before_an_answer(void **state)
{
    struct talk *t = *state;
    talk_ask_held(t);
    client_ask(&t->c, 2, "list", "{}");
    talk_leave(t);
    fake_default(&t->w.api, 0); /* is sent before the loop looks for input */
    while (control_clients(t->w.control) > 0)
        turn(&t->w);
    assert_int_equal(t->w.api.made, 2);
}

/* What a turn has no time to begin begins in the next ones, though the client reads nothing. */
static void test_what_a_turn_leaves_begins_in_the_next(void **state)
{
    struct talk *t = *state;
    talk_ask_held(t);
    char *text = malloc(1 << 20); /* more than the socket takes */
    memset(text, 'x', 1 << 20);
    fake_answer(&t->w.api, 0, json_stringn(text, 1 << 20));
    free(text);
    turn(&t->w);
    t->w.api.takes = 2 * SESSION_PUMP_NS;
    client_say(&t->c, "[{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"list\"},"
                      "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"list\"},"
                      "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"list\"}]\n");
    while (t->w.api.made < 4)
        turn(&t->w);
    t->w.api.hold = false;
    expect_id(&t->c, 1);
    assert_non_null(strstr(client_line(&t->c), "{\"jsonrpc\":\"2.0\",\"id\":4,\"result\":"));
}

/* A client that asks and does not read holds up itself alone. */
static void test_slow_reader(void **state)
{
    struct talk *t = *state;
    struct client other;
    client_init(&t->w, &other);
    char *line = request_of(100000, 5);
    size_t len = strlen(line), asked = 0, at = 0;
    /* Long lines are parsed by a thread, which may have to wait for a processor: that is not yet
     * the end of what is read. */
    for (int idle = 0; idle < 50 || t->w.api.made < 40; turn(&t->w)) {
        ssize_t n = send(t->c.fd, line + at, len - at, MSG_NOSIGNAL);
        idle = n > 0 ? 0 : idle + 1;
        at += n > 0 ? (size_t)n : 0;
        asked += at == len;
        at = at == len ? 0 : at;
        assert_true(asked < 1000);
    }
    /* answers are as long as requests: 4 MiB of them and what the sockets hold */
    assert_true(t->w.api.made < 70);
    client_ask(&other, 1, "ping", "{}");
    expect_id(&other, 1);
    for (size_t i = 0; i < asked; i++)
        expect_id(&t->c, 5);
    free(line);
    client_deinit(&other);
}

static void test_follows(void **state)
{
    struct talk *t = *state;
    client_ask(&t->c, 1, "follow", "{\"ids\":[1,2]}");
    shutdown(t->c.fd, SHUT_WR);
    while (!t->w.api.follower)
        turn(&t->w);
    fake_line(&t->w.api, EVENT_RECORD, 1, "{\"data\":1}\n");
    expect_id(&t->c, 1);
    assert_string_equal(client_line(&t->c),
                        "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"data\":1}}");
    fake_line(&t->w.api, EVENT_VERDICT, 1, "{\"v\":1}\n");
    assert_non_null(client_line(&t->c));
    for (int i = 0; i < 20; i++)
        turn(&t->w);
    assert_int_equal(control_clients(t->w.control), 1); /* it sends no more, and still listens */
    fake_line(&t->w.api, EVENT_VERDICT, 2, "{\"v\":2}\n");
    assert_non_null(strstr(client_line(&t->c), "{\"v\":2}"));
    assert_non_null(strstr(client_line(&t->c), "\"method\":\"end\""));
    assert_null(client_line(&t->c));
}

static void test_follower_stays_after_the_end(void **state)
{
    struct talk *t = *state;
    client_ask(&t->c, 1, "submit", "{\"jobs\":[{\"url\":\"u\"},{}],\"follow\":true}");
    expect_id(&t->c, 1);
    fake_line(&t->w.api, EVENT_VERDICT, 1, "{\"v\":1}\n");
    assert_non_null(strstr(client_line(&t->c), "{\"v\":1}"));
    assert_non_null(strstr(client_line(&t->c), "\"method\":\"end\""));
    client_ask(&t->c, 2, "submit", "{\"url\":\"u\",\"follow\":true}");
    expect_id(&t->c, 2);
    fake_line(&t->w.api, EVENT_VERDICT, 2, "{\"v\":2}\n");
    assert_non_null(strstr(client_line(&t->c), "{\"v\":2}"));
    assert_non_null(strstr(client_line(&t->c), "\"method\":\"end\""));
    client_ask(&t->c, 3, "ping", "{}");
    expect_id(&t->c, 3);
}

/* Twenty times what is kept for it: nobody waits, the verdict comes, and the count is right. */
static void test_slow_follower(void **state)
{
    struct talk *t = *state;
    struct client other;
    client_init(&t->w, &other);
    client_ask(&t->c, 1, "follow", "{}");
    expect_id(&t->c, 1);
    char *line = request_of(100000, 5);
    size_t emitted = 0;
    for (; emitted < 800; emitted++) {
        fake_line(&t->w.api, EVENT_RECORD, 1, line);
        if (emitted % 50 == 0)
            turn(&t->w);
    }
    fake_line(&t->w.api, EVENT_VERDICT, 1, "{\"the\":\"verdict\"}\n");
    client_ask(&other, 1, "ping", "{}");
    expect_id(&other, 1);
    size_t records = 0, missed = 0;
    const char *got;
    while (!strstr(got = client_line(&t->c), "{\"the\":\"verdict\"}")) {
        const char *m = strstr(got, "\"method\":\"missed\",\"params\":{\"lines\":");
        if (m)
            missed += strtoull(strrchr(m, ':') + 1, NULL, 10);
        else
            records++;
    }
    assert_true(missed > 600);
    assert_int_equal(records + missed, emitted);
    free(line);
    client_deinit(&other);
}

static void test_follower_vanishes(void **state)
{
    struct talk *t = *state;
    client_ask(&t->c, 1, "follow", "{}");
    expect_id(&t->c, 1);
    fake_unfollowed = 0;
    talk_leave(t);
    while (fake_unfollowed == 0)
        turn(&t->w);
    assert_int_equal(control_clients(t->w.control), 0);
}

/* Descriptors that a client passes are closed: the reader of the pipe sees its end. What waited for
 * a `run` has gone with the connection, as the fixture's end counts. */
static void test_passed_descriptor(void **state)
{
    struct talk *t = *state;
    int fds[2];
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
    assert_int_equal(sendmsg(t->c.fd, &msg, 0), sizeof text - 1);
    close(fds[1]);
    expect_id(&t->c, 1);
    close(fds[0]);
}

static void test_peer(void **state)
{
    struct talk *t = *state;
    t->w.api.hold = true;
    client_ask(&t->c, 1, "list", "{}");
    while (t->w.api.count < 1)
        turn(&t->w);
    assert_int_equal(t->w.api.pending[0]->peer.uid, getuid());
    assert_int_equal(t->w.api.pending[0]->peer.gid, getgid());
    assert_int_equal(t->w.api.pending[0]->peer.pid, getpid());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TALK(test_byte_by_byte),
        TALK(test_longest_line),
        TALK(test_pipelined),
        TALK(test_half_closed),
        TALK(test_vanishes_in_a_call),
        TALK(test_vanishes_unread),
        TALK(test_asks_and_goes_without_reading),
        TALK(test_asks_and_goes_before_an_answer),
        TALK(test_what_a_turn_leaves_begins_in_the_next),
        TALK(test_slow_reader),
        TALK(test_follows),
        TALK(test_follower_stays_after_the_end),
        TALK(test_slow_follower),
        TALK(test_follower_vanishes),
        TALK(test_passed_descriptor),
        TALK(test_peer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
