/* What the tests share. A function that cannot do its work fails the running test (or aborts, if
 * none is running): callers check nothing. Test's own thread, unless told otherwise. */
#ifndef TESTS_SUPPORT_TESTLIB_H
#define TESTS_SUPPORT_TESTLIB_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* --- files: a private directory of this process, made when first asked for, removed with all that
 * is in it when the process exits (not when it is killed; not by a forked child) */
const char *test_dir(void);
/* DIR/name as formatted; freed at exit. */
const char *test_path(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Writes or replaces a file. */
void test_write_file(const char *path, const void *data, size_t len);
/* The whole file; false if it does not exist. */
bool test_read_file(const char *path, struct buf *ret);
/* rm -rf. 0 or a negative errno. */
int test_remove_tree(const char *path);

/* --- waiting: looks every millisecond, fails the test after `ms`. */
#define TEST_WAIT(condition, ms)                                       \
    do {                                                               \
        uint64_t test_deadline_ = test_now_ms() + (ms);                \
        while (!(condition))                                           \
            test_nap_(test_deadline_, #condition, __FILE__, __LINE__); \
    } while (0)
uint64_t test_now_ms(void);
void test_nap_(uint64_t deadline, const char *what, const char *file, int line);
/* Factor for deadlines: 1, or 5 under a sanitizer, so that slow builds don't fail for slowness. */
unsigned test_patience(void);

/* --- looking at a process (0: this one) */
int test_fd_count(pid_t pid);
int test_thread_count(pid_t pid);
/* Private_Clean + Private_Dirty of smaps_rollup, and Rss; bytes. */
uint64_t test_private_bytes(pid_t pid);
uint64_t test_rss_bytes(pid_t pid);
/* True in builds where memory figures mean nothing (ASan, TSan). */
bool test_sanitized(void);

/* --- programs */
struct test_child {
    pid_t pid;       /* 0 once it was waited for */
    int in;          /* its standard input, -1 once closed */
    const char *out; /* the files that its stdout and stderr go to */
    const char *err;
    int status;     /* as of waitpid, valid once pid is 0 */
    bool timed_out; /* it was killed for its slowness */
};
/* Starts argv[0] (looked up in PATH) with argv, NULL-terminated, and the caller's environment. Its
 * own process group, killed at exit if it still runs. */
void test_start(struct test_child *child, const char *const argv[]);
/* Waits up to ms for its end, then kills its group. Returns the exit code, 128 + signal, or -1 if
 * it was too slow. Idempotent. */
int test_finish(struct test_child *child, unsigned ms);
/* Sends a signal to the program itself. */
void test_signal(struct test_child *child, int sig);
/* start, write input (may be NULL), close its stdin, finish; and what it said. The bufs are
 * appended to, and may be NULL. */
int test_run(const char *const argv[], const char *input, unsigned ms, struct buf *out,
             struct buf *err);
/* Waits until the file has a line that contains `needle`; copies it without its newline. */
void test_wait_line(const char *path, const char *needle, unsigned ms, struct buf *ret_line);

/* --- digests, in lower-case hex */
#define TEST_SHA256_SIZE 65
void test_sha256(const void *data, size_t len, char ret[TEST_SHA256_SIZE]);
void test_sha256_file(const char *path, char ret[TEST_SHA256_SIZE]);

/* --- a port on 127.0.0.1 whose connections are never completed: the queue of its listener is full,
 * so a connect hangs. Close with test_deaf_close. */
struct test_deaf {
    int listener;
    int fillers[4];
    uint16_t port;
};
void test_deaf_open(struct test_deaf *deaf);
void test_deaf_close(struct test_deaf *deaf);
/* A port on 127.0.0.1 that nobody listens on: a connect is refused. The first call takes a
 * descriptor for the life of the process. */
uint16_t test_closed_port(void);

#endif
