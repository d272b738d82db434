/* Clients who want more than their share: the others are served all the same, and in time. Time is
 * CPU time of the loop's thread, which is the test's. */
#include "control/control.h"

#include "base/fd.h"
#include "world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <time.h>

#define MIB   ((size_t)1 << 20)
#define CROWD 20

static void start_still(struct world *w, unsigned max_clients, int reserve, size_t memory_max,
                        uint64_t still_ns)
{
    struct error err = {""};
    world_init(w, 1);
    control_free(w->control, on_closed, w);
    while (!w->closed)
        turn(w);
    w->closed = false;
    struct control_config config = world_config(w);
    config.max_clients = max_clients;
    config.reserve = reserve;
    config.memory_max = memory_max;
    config.still_ns = still_ns;
    if (control_new(&config, &w->control, &err) < 0)
        fail_msg("%s", err.text);
}

static void start(struct world *w, unsigned max_clients, int reserve, size_t memory_max)
{
    start_still(w, max_clients, reserve, memory_max, 0);
}

static uint64_t cpu_ns(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
    return (uint64_t)now.tv_sec * NS_PER_SEC + (uint64_t)now.tv_nsec;
}

static json_int_t figure(struct client *c, const char *name)
{
    client_ask(c, 77, "stats", "{}");
    json_t *answer = json_loads(client_line(c), 0, NULL);
    json_t *control = json_object_get(json_object_get(answer, "result"), "control");
    json_int_t n = json_integer_value(json_object_get(control, name));
    json_decref(answer);
    return n;
}

/* The test is of the daemon's own user, and may be root. */
static void test_some_are_kept_for_who_must_mend_things(void **state)
{
    struct world w;
    struct client clients[6];
    unsigned most = geteuid() == 0 ? 4 : 3;
    (void)state;
    start(&w, 2, 1, 0);
    for (unsigned i = 0; i < most; i++) {
        client_init(&w, &clients[i]);
        client_ask(&clients[i], (int)i, "ping", "{}");
        expect_id(&clients[i], (int)i);
    }
    client_init(&w, &clients[most]);
    assert_non_null(strstr(client_line(&clients[most]), "control.max_clients"));
    for (unsigned i = 0; i <= most; i++)
        client_deinit(&clients[i]);
    world_deinit(&w);
}

/* As long as a line may be, and full of values. */
static void put_long_line(struct buf *b)
{
    buf_puts(b, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"show\",\"params\":{\"id\":[0");
    for (int i = 0; i < 90000; i++)
        buf_printf(b, ",%d", 10000 + i % 90000);
    buf_puts(b, "]}}\n");
}

/* Sends what the socket takes. */
static void push(struct client *c, const struct buf *line, size_t *sent)
{
    ssize_t n =
        *sent == line->len ? 0 : send(c->fd, line->data + *sent, line->len - *sent, MSG_NOSIGNAL);
    if (n > 0)
        *sent += (size_t)n;
}

static void test_long_lines_hold_nobody_up(void **state)
{
    struct world w;
    static struct client crowd[CROWD];
    static size_t sent[CROWD];
    struct client small;
    struct buf line = BUF_INIT;
    uint64_t worst = 0;
    (void)state;
    put_long_line(&line);
    start(&w, 1000, -1, 0);
    for (int i = 0; i < CROWD; i++)
        client_init(&w, &crowd[i]);
    client_init(&w, &small);
    w.api.hold = true; /* what answers cost is not what is measured */
    while (w.api.made < CROWD) {
        for (int i = 0; i < CROWD; i++)
            push(&crowd[i], &line, &sent[i]);
        uint64_t before = cpu_ns();
        turn(&w);
        uint64_t took = cpu_ns() - before;
        worst = took > worst ? took : worst;
    }
    client_ask(&small, 7, "ping", "{}");
    expect_id(&small, 7);
    while (w.api.count > 0)
        fake_answer(&w.api, 0, json_true());
    for (int i = 0; i < CROWD; i++) {
        expect_id(&crowd[i], 1);
        client_deinit(&crowd[i]);
    }
    /* Some 15 ms for each of the crowd's lines; a turn has two for all of them. */
    if (worst >
        200 * NS_PER_MS) /* a sanitizer's, or a slow machine's; without turns it is seconds */
        fail_msg("a turn took %llu us", (unsigned long long)(worst / 1000));
    client_deinit(&small);
    buf_deinit(&line);
    world_deinit(&w);
}

/* Answers of 256 KiB that nobody reads. */
static void fatten(struct world *w, struct client *c, int count)
{
    char *text = malloc(MIB / 4);
    memset(text, 'x', MIB / 4);
    for (int i = 0; i < count; i++) {
        size_t made = w->api.made;
        client_ask(c, i, "show", "{\"id\":1}");
        while (w->api.made == made)
            turn(w);
        fake_answer(&w->api, 0, json_stringn(text, MIB / 4));
    }
    free(text);
}

static void test_who_holds_most_must_go(void **state)
{
    struct world w;
    static struct client crowd[12];
    struct client small;
    size_t cut = 0;
    (void)state;
    start(&w, 1000, -1, 4 * MIB);
    w.api.hold = true;
    client_init(&w, &small);
    for (int i = 0; i < 12; i++) {
        client_init(&w, &crowd[i]);
        fatten(&w, &crowd[i], 2);
    }
    w.api.hold = false;
    cut = (size_t)figure(&small, "cut");
    assert_in_range(cut, 4, 12); /* of 6 MiB, and more with what the buffers have in store */
    assert_true(figure(&small, "memory") <= (json_int_t)(4 * MIB));
    client_ask(&small, 1, "ping", "{}");
    expect_id(&small, 1);
    for (int i = 0; i < 12; i++)
        client_deinit(&crowd[i]);
    while (control_clients(w.control) > 1)
        turn(&w);
    assert_true(figure(&small, "memory") < (json_int_t)(MIB / 4));
    client_deinit(&small);
    world_deinit(&w);
}

/* One who follows can be told, and is once it reads. */
static void test_a_follower_is_told(void **state)
{
    struct world w;
    struct client greedy, other;
    static char line[32 << 10];
    (void)state;
    memset(line, ' ', sizeof line);
    memcpy(line, "{}", 2);
    start(&w, 1000, -1, 4 * MIB);
    client_init(&w, &greedy);
    client_ask(&greedy, 1, "follow", "{}");
    expect_id(&greedy, 1);
    struct follower *follower = w.api.follower;
    for (int i = 0; i < 256; i++) { /* 8 MiB: verdicts are kept, whatever the allowance */
        follower->line(follower, EVENT_VERDICT, 1, line, sizeof line, false);
        turn(&w);
    }
    client_init(&w, &other);
    assert_int_equal(figure(&other, "cut"), 1);
    const char *next;
    bool told = false;
    while ((next = client_line(&greedy)))
        told = strstr(next, "\"method\":\"overflow\"") && strstr(next, "control.memory_max");
    assert_true(told); /* by the last line */
    client_deinit(&greedy);
    client_deinit(&other);
    world_deinit(&w);
}

/* Who reads nothing of the jobs that wait for it goes once others wait for what these have, and not
 * before; its jobs go on, and it is told. */
static void test_who_keeps_others_waiting_must_go(void **state)
{
    struct world w;
    struct client still, other;
    static char line[32 << 10];
    (void)state;
    memset(line, ' ', sizeof line);
    memcpy(line, "{}", 2);
    start_still(&w, 1000, -1, 0, 1);
    fake_held_up = false;
    fake_let_go = fake_asked = 0;
    client_init(&w, &still);
    client_init(&w, &other);
    client_ask(&still, 1, "submit", "{\"url\":\"u\",\"follow\":true,\"backpressure\":true}");
    expect_id(&still, 1);
    struct follower *follower = w.api.follower;
    for (int i = 0; i < 64; i++) { /* 2 MiB: more than its socket takes */
        follower->line(follower, EVENT_RECORD, 1, line, sizeof line, true);
        turn(&w);
    }
    while (fake_asked < 2)
        turn(&w);
    assert_int_equal(fake_let_go, 0);
    fake_held_up = true;
    while (fake_let_go == 0)
        turn(&w);
    fake_held_up = false;
    client_ask(&other, 1, "ping", "{}");
    expect_id(&other, 1);
    const char *next;
    bool told = false;
    while ((next = client_line(&still)))
        told = strstr(next, "\"method\":\"overflow\"") && strstr(next, "nothing for a minute");
    assert_true(told); /* by the last line */
    client_deinit(&still);
    client_deinit(&other);
    world_deinit(&w);
}

/* A connection that lingers: its last close waits until its peer has read everything. */
static int lingering(int *ret_peer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    struct linger linger = {.l_onoff = 1, .l_linger = 20};
    static char data[1 << 16];
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, len), 0);
    *ret_peer = accept(listener, NULL, NULL);
    close(listener);
    while (send(fd, data, sizeof data, MSG_DONTWAIT) > 0)
        ;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    return fd;
}

#define PASS_MAX 253

/* `fd` comes last of `count`, the others are a pipe. */
static void pass(int to, int fd, size_t count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * PASS_MAX)];
    } control;
    struct iovec iov = {.iov_base = (char[]){"\n"}, .iov_len = 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = CMSG_SPACE(sizeof(int) * count)};
    int fds[PASS_MAX], ends[2];
    assert_int_equal(pipe(ends), 0);
    for (size_t i = 0; i < count; i++)
        fds[i] = i + 1 < count ? ends[1] : fd;
    struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(head), fds, sizeof(int) * count);
    assert_int_equal(sendmsg(to, &msg, 0), 1);
    close(ends[0]);
    close(ends[1]);
}

/* In a message, as the last of many, or within a socket that is given away. */
static void give(struct client *c, int way, int fd)
{
    int pair[2];
    if (way < 2) {
        pass(c->fd, fd, way == 0 ? 1 : PASS_MAX);
        return;
    }
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    pass(pair[0], fd, 1);
    pass(c->fd, pair[1], 1);
    close(pair[0]);
    close(pair[1]);
}

/* What a client gives away may be anything, and to close it may take long. */
static void test_a_descriptor_that_lingers_holds_nobody_up(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        struct world w;
        struct client giver, other;
        int peer;
        start(&w, 1000, -1, 0);
        client_init(&w, &giver);
        client_init(&w, &other);
        int fd = lingering(&peer);
        give(&giver, way, fd);
        close(fd); /* the daemon has the last one */
        client_ask(&giver, 1, "ping", "{}");
        uint64_t before = clock_now();
        expect_id(&giver, 1);
        client_deinit(&giver);
        while (control_clients(w.control) > 1)
            turn(&w);
        client_ask(&other, 1, "ping", "{}");
        expect_id(&other, 1);
        assert_true(clock_now() - before < 10 * NS_PER_SEC);
        close(peer); /* which ends the waiting as well */
        while (fd_closing() > 0)
            turn(&w);
        client_deinit(&other);
        world_deinit(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_some_are_kept_for_who_must_mend_things),
        cmocka_unit_test(test_long_lines_hold_nobody_up),
        cmocka_unit_test(test_who_holds_most_must_go),
        cmocka_unit_test(test_a_follower_is_told),
        cmocka_unit_test(test_who_keeps_others_waiting_must_go),
        cmocka_unit_test(test_a_descriptor_that_lingers_holds_nobody_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
