/* The connection to the control socket: requests out, lines in, and what its errors mean. */
#include "client/wire.h"
#include "base/json_read.h"
#include "paper_daemon.h"

#include <errno.h>
#include <fcntl.h>

static struct fake fake;
static struct talk talk;
static struct wire wire;
static struct error err;

static int begin(void **state)
{
    fake_listen(&fake, test_path("socket"));
    assert_int_equal(wire_open(&wire, fake.path, &err), 0);
    fake_accept(&fake, &talk);
    return 0;
}

static int end(void **state)
{
    wire_close(&wire);
    wire_close(&wire); /* twice is as once */
    assert_int_equal(wire.fd, -1);
    talk_end(&talk);
    fake_close(&fake);
    return 0;
}

static uint64_t queue(const char *method, json_t *params)
{
    uint64_t id = 0;
    assert_int_equal(wire_send(&wire, method, params, &id, &err), 0);
    return id;
}

/* The next line, once it is there. */
static const char *next_line(void)
{
    char *line;
    size_t len;
    int r;
    while ((r = wire_line(&wire, &line, &len)) == 0) {
        fake_wait(wire.fd, POLLIN);
        assert_int_equal(wire_receive(&wire), 0);
        if (wire.closed)
            return NULL;
    }
    assert_int_equal(r, 1);
    assert_int_equal(strlen(line), len);
    return line;
}

/* --- out -------------------------------------------------------------------------------------- */

static void requests(void **state)
{
    assert_string_equal(wire.path, fake.path);
    assert_int_equal(queue("stats", NULL), 1);
    assert_int_equal(queue("show", json_pack("{s:i}", "id", 7)), 2);
    assert_int_equal(wire_flush(&wire), 0);
    assert_int_equal(wire.out.len, 0);
    assert_int_equal(wire_flush(&wire), 0); /* of nothing */
    talk_expect(&talk, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"stats\"}");
    talk_expect(&talk, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"show\",\"params\":{\"id\":7}}");
}

/* A line has 1 MiB at most; one that has more is not sent, and its number is not used. */
static void the_longest_line(void **state)
{
    static const char frame[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":[\"\"]}";
    size_t most = WIRE_MAX_LINE - (sizeof frame - 1);
    char *text = malloc(most + 2);
    uint64_t id = 77;
    assert_non_null(text);
    memset(text, 'x', most + 1);
    text[most + 1] = '\0';
    assert_int_equal(wire_send(&wire, "m", json_pack("[s]", text), &id, &err), -EMSGSIZE);
    assert_non_null(strstr(err.text, "1048577 bytes; a line may have 1 MiB"));
    assert_int_equal(id, 77);
    assert_int_equal(wire.out.len, 0);
    text[most] = '\0';
    assert_int_equal(queue("m", json_pack("[s]", text)), 1);
    assert_int_equal(wire.out.len, WIRE_MAX_LINE + 1);
    free(text);
}

/* What the socket does not take waits, and goes out in order once there is room. */
static void more_than_the_socket_takes(void **state)
{
    enum { REQUESTS = 2000, LARGE = 4000 };
    static char pad[LARGE + 1];
    memset(pad, 'p', LARGE);
    for (unsigned i = 1; i <= REQUESTS; i++)
        assert_int_equal(queue("m", json_pack("[s]", pad)), i);
    assert_int_equal(wire_flush(&wire), 0);
    assert_true(wire.out.len > 0);
    for (unsigned i = 1; i <= REQUESTS; i++) {
        json_t *request = talk_hear_json(&talk);
        assert_int_equal(json_integer_value(json_object_get(request, "id")), i);
        json_decref(request);
        assert_int_equal(wire_flush(&wire), 0);
    }
    assert_int_equal(wire.out.len, 0);
}

/* The descriptor goes with what is queued so far, and stays the caller's. */
static void a_descriptor(void **state)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    char line[256], byte;
    int ends[2], got;
    struct iovec iov = {.iov_base = line, .iov_len = sizeof line};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    queue("first", NULL);
    queue("run", NULL);
    assert_int_equal(wire_pass(&wire, ends[1], &err), 0);
    assert_int_equal(wire.out.len, 0);
    fake_wait(talk.fd, POLLIN);
    ssize_t n = recvmsg(talk.fd, &msg, MSG_CMSG_CLOEXEC);
    assert_true(n > 0 && line[n - 1] == '\n');
    assert_non_null(memmem(line, (size_t)n, "\"run\"", 5));
    const struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
    assert_true(head && head->cmsg_type == SCM_RIGHTS);
    memcpy(&got, CMSG_DATA(head), sizeof got);
    assert_int_equal(write(got, "x", 1), 1);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(write(ends[1], "y", 1), 1);
    close(got);
    close(ends[0]);
    close(ends[1]);
}

static void nobody_takes_it(void **state)
{
    talk_end(&talk);
    queue("run", NULL);
    assert_int_equal(wire_flush(&wire), -EPIPE);
    assert_int_equal(wire_pass(&wire, 0, &err), -EPIPE);
    assert_true(strncmp(err.text, fake.path, strlen(fake.path)) == 0);
}

/* --- in --------------------------------------------------------------------------------------- */

/* Lines come whole, however they arrive, and those before the end are there after it. */
static void lines(void **state)
{
    static const char *const pieces[] = {"{\"a", "\":1}\n{\"b\":", "2}\n\n{\"c\":3}\r\n", "{\"d"};
    char *line;
    size_t len;
    assert_int_equal(wire_receive(&wire), 0); /* there is nothing */
    assert_int_equal(wire_line(&wire, &line, &len), 0);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        assert_int_equal(fd_write_all(talk.fd, pieces[i], strlen(pieces[i])), 0);
        fake_wait(wire.fd, POLLIN);
        assert_int_equal(wire_receive(&wire), 0);
    }
    talk_end(&talk);
    assert_string_equal(next_line(), "{\"a\":1}");
    assert_string_equal(next_line(), "{\"b\":2}");
    assert_string_equal(next_line(), "");
    assert_string_equal(next_line(), "{\"c\":3}");
    assert_false(wire.closed);
    assert_null(next_line()); /* one that was cut is none */
    assert_true(wire.closed);
    assert_int_equal(wire_line(&wire, &line, &len), 0);
}

/* --- what goes wrong -------------------------------------------------------------------------- */

static void explained(void **state)
{
    static const struct {
        int code;
        const char *words;
    } cases[] = {{-EINTR, "interrupted"},
                 {-ECONNRESET, "has closed the connection"},
                 {-ETIMEDOUT, "has not answered within --timeout"},
                 {-EBADMSG, "does not speak penstock's protocol"},
                 {-EMSGSIZE, "does not speak penstock's protocol"},
                 {-EIO, "Input/output error"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(wire_explain(&wire, cases[i].code, &err), cases[i].code);
        if (!strstr(err.text, cases[i].words))
            fail_msg("%s", err.text);
        assert_int_equal(strstr(err.text, fake.path) != NULL, cases[i].code != -EINTR);
    }
}

/* Once this program has gone without memory a request may lack a part, so none is sent any more. */
static void without_memory(void **state)
{
    uint64_t id = 77;
    assert_int_equal(json_lost(), 0);
    json_note_lost();
    assert_int_equal(wire_send(&wire, "stats", NULL, &id, &err), -ENOMEM);
    assert_int_equal(id, 77);
    assert_int_equal(wire.out.len, 0);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        EACH(requests),     EACH(the_longest_line), EACH(more_than_the_socket_takes),
        EACH(a_descriptor), EACH(nobody_takes_it),  EACH(lines),
        EACH(explained),    EACH(without_memory), /* the last: it is for good */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
