/* The test library looks, waits, runs and cleans up as its header says. */
#include "support/testlib.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void files_come_back(void **state)
{
    struct buf text = BUF_INIT;
    const char *path = test_path("a-%d", 1);
    assert_false(test_read_file(path, &text));
    test_write_file(path, "x\0y", 3);
    assert_true(test_read_file(path, &text));
    assert_int_equal(text.len, 3);
    assert_memory_equal(text.data, "x\0y", 3);
    buf_deinit(&text);
}

static void a_tree_is_removed(void **state)
{
    struct stat st;
    const char *tree = test_path("tree"), *inner = test_path("tree/inner");
    assert_int_equal(mkdir(tree, 0700), 0);
    assert_int_equal(mkdir(inner, 0700), 0);
    test_write_file(test_path("tree/inner/file"), "x", 1);
    assert_int_equal(symlink("/etc", test_path("tree/link")), 0);
    assert_int_equal(test_remove_tree(tree), 0);
    assert_int_equal(stat(tree, &st), -1);
    assert_int_equal(stat("/etc/passwd", &st), 0);
}

static void descriptors_and_memory_are_counted(void **state)
{
    int before = test_fd_count(0), fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(test_fd_count(0), before + 2);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(test_fd_count(0), before);
    assert_true(test_thread_count(0) >= 1);
    if (test_sanitized())
        return; /* whose shadow memory counts too */
    uint64_t bytes = test_private_bytes(0);
    size_t size = 8 << 20;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    memset(memory, 1, size);
    assert_in_range(test_private_bytes(0) - bytes, size - (1 << 20), size + (4 << 20));
    assert_true(test_rss_bytes(0) >= size);
    munmap(memory, size);
}

static void programs_run_and_are_stopped(void **state)
{
    struct buf out = BUF_INIT, err = BUF_INIT, line = BUF_INIT;
    struct test_child child;
    assert_int_equal(test_run((const char *[]){"sh", "-c", "cat; echo bad >&2; exit 7", NULL},
                              "in\n", 10000, &out, &err),
                     7);
    assert_string_equal(out.data, "in\n");
    assert_string_equal(err.data, "bad\n");
    test_start(&child,
               (const char *[]){"sh", "-c", "echo first; echo ready now; exec sleep 600", NULL});
    test_wait_line(child.out, "ready", 10000, &line);
    assert_string_equal(line.data, "ready now");
    test_signal(&child, SIGTERM);
    assert_int_equal(test_finish(&child, 10000), 128 + SIGTERM);
    test_start(&child, (const char *[]){"sleep", "600", NULL});
    assert_int_equal(test_finish(&child, 10), -1);
    assert_true(child.timed_out);
    /* A program that does not read its input does not kill the test. */
    assert_int_equal(test_run((const char *[]){"true", NULL}, "unread", 10000, NULL, NULL), 0);
    buf_deinit(&out);
    buf_deinit(&err);
    buf_deinit(&line);
}

static void digests_are_right(void **state)
{
    char hex[TEST_SHA256_SIZE];
    const char *path = test_path("abc");
    test_sha256("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    test_write_file(path, "", 0);
    test_sha256_file(path, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* How a connection attempt stands after 200 ms: 0, EINPROGRESS or why it failed. */
static int try_connect(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    int r = connect(fd, (struct sockaddr *)&address, sizeof address) < 0 ? errno : 0;
    struct pollfd pfd = {.fd = fd, .events = POLLOUT};
    socklen_t size = sizeof r;
    if (r == EINPROGRESS && poll(&pfd, 1, 200) > 0)
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &r, &size);
    close(fd);
    return r;
}

static void ports_do_not_answer(void **state)
{
    struct test_deaf deaf;
    test_deaf_open(&deaf);
    assert_int_equal(try_connect(deaf.port), EINPROGRESS);
    test_deaf_close(&deaf);
    assert_int_equal(try_connect(test_closed_port()), ECONNREFUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_come_back),
        cmocka_unit_test(a_tree_is_removed),
        cmocka_unit_test(descriptors_and_memory_are_counted),
        cmocka_unit_test(programs_run_and_are_stopped),
        cmocka_unit_test(digests_are_right),
        cmocka_unit_test(ports_do_not_answer),
    };
    return cmocka_run_group_tests_name("testlib", tests, NULL, NULL);
}
