/* Signals that ask a program to end, as something that one can wait for; and those that whoever
 * started it had ignored. Each case is a process of its own. */
#include "forked.h"

#include "ctl/intr.h"
#include "ctl/signals.h"

#include <signal.h>

static bool readable(void)
{
    struct pollfd pfd = {.fd = intr_fd(), .events = POLLIN};
    return poll(&pfd, 1, 0) == 1;
}

/* 0: all is as it says; else the line that is not. */
#define EXPECT(condition)         \
    do {                          \
        if (!(condition))         \
            return __LINE__ % 97; \
    } while (0)

static int nothing_is_caught(void)
{
    EXPECT(intr_fd() == -1 && !intr_came());
    intr_release();
    raise(SIGINT);
    return 0;
}

static int one_comes(void)
{
    EXPECT(intr_catch() == 0);
    EXPECT(!intr_came() && !readable());
    raise(SIGINT);
    EXPECT(intr_came() && readable() && intr_status() == 130);
    intr_take();
    EXPECT(!intr_came() && !readable());
    raise(SIGINT);
    EXPECT(intr_came() && readable());
    return 0;
}

/* The second one is not lost by taking the first. */
static int two_come(void)
{
    EXPECT(intr_catch_all() == 0);
    raise(SIGINT);
    raise(SIGTERM);
    intr_take();
    EXPECT(intr_came() && intr_status() == 143);
    intr_take();
    EXPECT(!intr_came());
    raise(SIGHUP);
    EXPECT(intr_came() && intr_status() == 129);
    return 0;
}

/* What nohup or a shell has ignored stays so. */
static int one_is_ignored(void)
{
    signal(SIGHUP, SIG_IGN);
    EXPECT(intr_catch_all() == 0);
    raise(SIGHUP);
    EXPECT(!intr_came());
    intr_release();
    raise(SIGHUP);
    raise(SIGTERM);
    return 0;
}

static int it_ends_the_process_again(void)
{
    EXPECT(intr_catch() == 0);
    raise(SIGINT);
    intr_release();
    EXPECT(intr_came());
    raise(SIGINT);
    return 0;
}

/* Only what was asked for is caught. */
static int another_is_not_caught(void)
{
    EXPECT(intr_catch() == 0);
    raise(SIGTERM);
    return 0;
}

/* However many come, none blocks. */
static int very_many_come(void)
{
    EXPECT(intr_catch() == 0);
    for (int i = 0; i < 70000; i++)
        raise(SIGINT);
    EXPECT(intr_came() && readable());
    return 0;
}

static void test_cases(void **state)
{
    static const struct {
        const char *name;
        int (*body)(void);
        int status;
    } rows[] = {
        {"nothing_is_caught", nothing_is_caught, 128 + SIGINT},
        {"one_comes", one_comes, 0},
        {"two_come", two_come, 0},
        {"one_is_ignored", one_is_ignored, 128 + SIGTERM},
        {"it_ends_the_process_again", it_ends_the_process_again, 128 + SIGINT},
        {"another_is_not_caught", another_is_not_caught, 128 + SIGTERM},
        {"very_many_come", very_many_come, 0},
    };
    struct buf text = BUF_INIT;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int status = forked_run(rows[i].body, &text);
        if (status != rows[i].status)
            fail_msg("%s: %d instead of %d", rows[i].name, status, rows[i].status);
    }
    buf_deinit(&text);
}

/* --- what was ignored before ------------------------------------------------------------------ */

static int note_those_ignored(void)
{
    signal(SIGHUP, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    signal(SIGINT, SIG_DFL);
    signals_note();
    EXPECT(signals_ignored(SIGHUP) && signals_ignored(SIGQUIT) && !signals_ignored(SIGINT));
    signal(SIGHUP, SIG_DFL); /* what was then counts, and not what is now */
    signal(SIGINT, SIG_IGN);
    EXPECT(signals_ignored(SIGHUP) && !signals_ignored(SIGINT));
    EXPECT(sigismember(signals_all_ignored(), SIGQUIT) == 1);
    EXPECT(sigismember(signals_all_ignored(), SIGINT) == 0);
    signals_note();
    EXPECT(!signals_ignored(SIGHUP) && signals_ignored(SIGINT));
    EXPECT(!signals_ignored(0) && !signals_ignored(-1) && !signals_ignored(100000));
    return 0;
}

static void test_what_was_ignored(void **state)
{
    struct buf text = BUF_INIT;
    assert_int_equal(forked_run(note_those_ignored, &text), 0);
    buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_what_was_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
