/* penstock-host --settle, among processes of a namespace of their own: it ends all that it sees of
 * its own control group, and here that is nobody else's. Where there can be no such namespace
 * nothing is tested. */
#include "host/settle.h"
#include "support/testlib.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { CANNOT = 77, WRONG = 99 }; /* exit statuses, besides those of host_settle */

/* --- in the namespace, whose first process settles -------------------------------------------- */

static int go[2];    /* what a host waits for: a byte of the test's */
static int begun[2]; /* what the test waits for: all is set up, and settled from now on */

/* Until somebody has written there. */
static void wait_for_byte(int fd)
{
    char byte;
    while (read(fd, &byte, 1) < 0)
        ;
}

/* A host's stage: it never ends by itself. */
static pid_t start_stage(void)
{
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    return pid;
}

/* A host that ends once the test says so; then it tells whether its stage was still there. */
static pid_t start_host(pid_t stage, int log)
{
    int named[2];
    if (pipe2(named, O_CLOEXEC) < 0)
        return -1;
    pid_t pid = fork();
    if (pid > 0)
        wait_for_byte(named[0]);
    if (pid != 0)
        return pid;
    prctl(PR_SET_NAME, "penstock-host");
    if (write(named[1], "x", 1) != 1)
        _exit(1);
    wait_for_byte(go[0]);
    const char *word = kill(stage, 0) == 0 ? "alive" : "dead";
    _exit(write(log, word, strlen(word)) > 0 ? 0 : 1);
}

/* Are there processes besides this one? */
static bool alone(void)
{
    return kill(-1, 0) < 0 && errno == ESRCH;
}

static _Noreturn void settle_with(bool host, int log)
{
    /* A number of this namespace means nobody outside. */
    if (getpid() != 1 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("proc", "/proc", "proc", 0, NULL) < 0)
        _exit(CANNOT);
    signal(SIGCHLD, SIG_IGN); /* nobody else would take their statuses */
    pid_t stage = start_stage();
    if (host && start_host(stage, log) < 0)
        _exit(WRONG);
    if (write(begun[1], "x", 1) != 1)
        _exit(WRONG);
    int r = host_settle();
    _exit(alone() ? r : WRONG);
}

/* --- outside ---------------------------------------------------------------------------------- */

static char state_of(pid_t pid)
{
    char path[64], letter = 0;
    struct buf text = BUF_INIT;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (test_read_file(path, &text) && text.data && strrchr(text.data, ')'))
        letter = strrchr(text.data, ')')[2];
    buf_deinit(&text);
    return letter;
}

/* Starts the first process of a namespace; skips the test where there can be none. */
static pid_t start(bool host, int log)
{
    int numbers[2];
    pid_t first = -1;
    assert_int_equal(pipe2(numbers, O_CLOEXEC), 0);
    assert_int_equal(pipe2(begun, O_CLOEXEC), 0);
    fflush(NULL);
    pid_t parent = fork();
    assert_true(parent >= 0);
    if (parent == 0) {
        int user = geteuid() == 0 ? 0 : CLONE_NEWUSER;
        if (unshare(user | CLONE_NEWPID | CLONE_NEWNS) < 0)
            _exit(CANNOT);
        pid_t pid = fork();
        if (pid == 0)
            settle_with(host, log);
        int status = 0;
        if (write(numbers[1], &pid, sizeof pid) != sizeof pid || waitpid(pid, &status, 0) != pid)
            _exit(WRONG);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : WRONG);
    }
    close(numbers[1]);
    if (read(numbers[0], &first, sizeof first) != sizeof first)
        first = -1;
    close(numbers[0]);
    close(begun[1]);
    wait_for_byte(begun[0]); /* or for their end */
    close(begun[0]);
    if (first > 0)
        TEST_WAIT(state_of(first) == 'S' || state_of(first) == 'Z' || state_of(first) == 0, 60000);
    return parent;
}

/* Its exit status; what the host wrote. */
static int finish(pid_t parent, int log, char *ret_word, size_t size)
{
    int status;
    assert_int_equal(waitpid(parent, &status, 0), parent);
    ssize_t n = pread(log, ret_word, size - 1, 0);
    ret_word[n > 0 ? n : 0] = '\0';
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == CANNOT)
        skip();
    return WEXITSTATUS(status);
}

static int open_log(void)
{
    int log = open(test_path("log"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(log >= 0);
    return log;
}

static void test_what_no_host_has_is_killed(void **state)
{
    char word[16];
    int log = open_log();
    assert_int_equal(finish(start(false, log), log, word, sizeof word), 0);
    close(log);
}

/* Until a host has ended by itself, what it runs is not touched. */
static void test_hosts_are_waited_for(void **state)
{
    char word[16];
    int log = open_log();
    assert_int_equal(pipe2(go, O_CLOEXEC), 0);
    pid_t parent = start(true, log);
    assert_int_equal(write(go[1], "x", 1), 1);
    assert_int_equal(finish(parent, log, word, sizeof word), 0);
    assert_string_equal(word, "alive");
    close(go[0]);
    close(go[1]);
    close(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_no_host_has_is_killed),
        cmocka_unit_test(test_hosts_are_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
