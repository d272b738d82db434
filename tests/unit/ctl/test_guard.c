/* `run` in two processes: whichever of them is killed, COMMAND meets no end of its input that is
 * none. A COMMAND here is a plain child that says when it meets one. */
#include "forked.h"

#include "base/fd.h"
#include "ctl/guard.h"
#include "ctl/out.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>

static int body[2] = {-1, -1};
static struct guard guard;

static void say(const char *text)
{
    if (write(STDOUT_FILENO, text, strlen(text)) < 0)
        abort();
}

/* Becomes two processes: the worker does `work`, and the one in front returns how that went. */
static int split(int (*work)(void))
{
    struct error err = {""};
    if (pipe2(body, O_CLOEXEC) < 0)
        return 90;
    int r = guard_split(&guard, body, false, &err);
    if (r == 1)
        _exit(work());
    if (r < 0 || body[0] >= 0 || body[1] >= 0)
        return 91;
    return guard.status;
}

static void ends_with(int (*body_)(void), int status, const char *expected)
{
    struct buf text = BUF_INIT;
    int got = forked_run(body_, &text);
    if (got != status || strcmp(text.data, expected) != 0)
        fail_msg("%d: '%s'", got, text.data);
    buf_deinit(&text);
}

/* The next word, waiting. */
static enum guard_word hear(void)
{
    struct pollfd pfd = {.fd = guard.link, .events = POLLIN};
    if (poll(&pfd, 1, (int)PATIENCE) != 1)
        return GUARD_NOTHING;
    return guard_hear(&guard);
}

/* One that reads the body, and tells what it meets. */
static pid_t start_command(void)
{
    char byte;
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    fd_close(&body[1]);
    fd_close(&guard.link);
    say("reads ");
    while (read(body[0], &byte, 1) == 1)
        ;
    say("MET");
    _exit(0);
}

/* --- its own processes ------------------------------------------------------------------------ */

static int exit_with_7(void)
{
    return 7;
}

static int front_of_7(void)
{
    return split(exit_with_7);
}

static int look_at_itself(void)
{
    char name[16];
    prctl(PR_GET_NAME, name);
    return getpgrp() == getpid() && getppid() == guard.front && strcmp(name, "penstock-run") == 0 &&
                   guard_hear(&guard) == GUARD_NOTHING
               ? 0
               : 1;
}

static int front_of_itself(void)
{
    return split(look_at_itself);
}

static void test_two_processes(void **state)
{
    ends_with(front_of_7, 7, "");
    ends_with(front_of_itself, 0, "");
}

/* --- the body's end --------------------------------------------------------------------------- */

/* The last write end is the other one's, until it is told. */
static int let_go_of_a_whole_body(void)
{
    char byte;
    struct pollfd pfd = {.fd = body[0], .events = POLLIN};
    close(body[1]);
    if (poll(&pfd, 1, 0) != 0)
        return 1; /* an end, too early */
    guard_tell(&guard, GUARD_COMPLETE, 0);
    if (poll(&pfd, 1, (int)PATIENCE) != 1)
        return 2;
    return read(body[0], &byte, 1) == 0 ? 0 : 3;
}

static int front_of_a_whole_body(void)
{
    return split(let_go_of_a_whole_body);
}

static int be_killed(void)
{
    start_command();
    close(body[1]);
    raise(SIGKILL);
    return 0;
}

static int front_of_one_that_is_killed(void)
{
    return split(be_killed);
}

static int be_killed_later(void)
{
    guard_tell(&guard, GUARD_COMPLETE, 0);
    raise(SIGKILL);
    return 0;
}

static int front_of_one_that_is_killed_later(void)
{
    return split(be_killed_later);
}

static void test_the_body(void **state)
{
    struct buf text = BUF_INIT;
    ends_with(front_of_a_whole_body, 0, "");
    assert_int_equal(forked_run(front_of_one_that_is_killed, &text), EXIT_JOB_FAILED);
    assert_null(strstr(text.data, "MET"));
    assert_non_null(strstr(text.data, "was killed by signal 9: the command was ended before it "
                                      "could see an end of the body\n"));
    ends_with(front_of_one_that_is_killed_later, EXIT_JOB_FAILED,
              "penstockctl: the process that runs the command was killed by signal 9\n");
    buf_deinit(&text);
}

/* Who is left behind hears of it, and still has its own write end. */
static int kill_the_front(void)
{
    pid_t command = start_command();
    kill(guard.front, SIGKILL);
    bool gone = hear() == GUARD_GONE;
    kill(command, SIGKILL);
    waitpid(command, NULL, 0);
    say(gone ? "gone" : "not gone");
    return 0;
}

static int front_that_is_killed(void)
{
    return split(kill_the_front);
}

static void test_the_front_is_killed(void **state)
{
    struct buf text = BUF_INIT;
    assert_int_equal(forked_run(front_that_is_killed, &text), 128 + SIGKILL);
    assert_null(strstr(text.data, "MET"));
    assert_non_null(strstr(text.data, "gone"));
    assert_null(strstr(text.data, "not gone"));
    buf_deinit(&text);
}

/* --- signals ---------------------------------------------------------------------------------- */

/* Tells the numbers of signals that come, until SIGTERM. */
static int tell_signals(void)
{
    static const int numbers[] = {SIGINT, SIGHUP, SIGQUIT, SIGTERM};
    char text[16];
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < 4; i++)
        sigaddset(&set, numbers[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (size_t i = 0; i < 4; i++) {
        int signo;
        kill(guard.front, numbers[i]);
        sigwait(&set, &signo);
        snprintf(text, sizeof text, "%d ", signo);
        say(text);
    }
    return 0;
}

static int front_of_signals(void)
{
    return split(tell_signals);
}

/* A stop of a terminal, and what ends it, are words. */
static int hear_of_stops(void)
{
    kill(guard.front, SIGTSTP);
    if (hear() != GUARD_STOP)
        return 1;
    kill(guard.front, SIGCONT);
    if (hear() != GUARD_GO)
        return 2;
    return guard_hear(&guard) == GUARD_NOTHING ? 0 : 3;
}

static int front_of_stops(void)
{
    return split(hear_of_stops);
}

static void test_signals_are_handed_on(void **state)
{
    char expected[64];
    snprintf(expected, sizeof expected, "%d %d %d %d ", SIGINT, SIGHUP, SIGQUIT, SIGTERM);
    ends_with(front_of_signals, 0, expected);
    ends_with(front_of_stops, 0, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_processes),
        cmocka_unit_test(test_the_body),
        cmocka_unit_test(test_the_front_is_killed),
        cmocka_unit_test(test_signals_are_handed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
