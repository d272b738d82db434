/* A terminal that is lent to a command's group and taken back, with its settings, as a shell with
 * job control does it. Each case is a session of its own, on a terminal that nobody sees. */
#include "forked.h"

#include "ctl/terminal.h"

#include <pty.h>
#include <signal.h>

static int slave = -1;

/* 0: all is as it says; else the line that is not. */
#define EXPECT(condition)         \
    do {                          \
        if (!(condition))         \
            return __LINE__ % 97; \
    } while (0)

/* The terminal becomes this session's own, and we are in its foreground. */
static int own_terminal(struct terminal *t)
{
    int fd = open(ttyname(slave), O_RDWR | O_CLOEXEC);
    signal(SIGTTOU, SIG_IGN);
    if (fd < 0 || tcsetpgrp(fd, getpgrp()) < 0)
        return -1;
    close(fd);
    terminal_open(t);
    return t->fd < 0 ? -1 : 0;
}

/* A process in a group of its own that waits for its end. */
static pid_t start_group(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        for (;;)
            pause();
    }
    setpgid(pid, pid);
    return pid;
}

static void end_group(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static bool echoes(const struct terminal *t)
{
    struct termios now;
    return tcgetattr(t->fd, &now) == 0 && (now.c_lflag & ECHO);
}

static void set_echo(const struct terminal *t, bool echo)
{
    struct termios now;
    tcgetattr(t->fd, &now);
    now.c_lflag = echo ? now.c_lflag | ECHO : now.c_lflag & ~(tcflag_t)ECHO;
    tcsetattr(t->fd, TCSANOW, &now);
}

static int lend_and_take_back(void)
{
    struct terminal t;
    EXPECT(own_terminal(&t) == 0);
    pid_t command = start_group();
    EXPECT(terminal_is_ours(&t));
    EXPECT(!terminal_take_back(&t, true)); /* it is not lent */
    EXPECT(terminal_lend(&t, command));
    EXPECT(!terminal_is_ours(&t) && tcgetpgrp(t.fd) == command);
    EXPECT(terminal_take_back(&t, true));
    EXPECT(terminal_is_ours(&t) && !terminal_take_back(&t, true));
    end_group(command);
    terminal_close(&t);
    EXPECT(t.fd == -1 && !terminal_is_ours(&t));
    return 0;
}

/* A command that reads a password and is stopped: the shell has its echo meanwhile, and the command
 * finds it off again. */
static int settings_go_with_it(void)
{
    struct terminal t;
    EXPECT(own_terminal(&t) == 0);
    pid_t command = start_group();
    set_echo(&t, true);
    EXPECT(terminal_lend(&t, command));
    set_echo(&t, false); /* the command's doing */
    EXPECT(terminal_take_back(&t, true) && echoes(&t));
    EXPECT(terminal_lend(&t, command) && !echoes(&t));
    EXPECT(terminal_take_back(&t, false) && !echoes(&t)); /* it has ended well, and meant that */
    end_group(command);
    terminal_close(&t);
    return 0;
}

/* What a shell has given to somebody else meanwhile is not taken from there. */
static int others_keep_it(void)
{
    struct terminal t;
    EXPECT(own_terminal(&t) == 0);
    pid_t command = start_group(), other = start_group();
    EXPECT(terminal_lend(&t, command));
    EXPECT(tcsetpgrp(t.fd, other) == 0);
    EXPECT(terminal_take_back(&t, true)); /* it was lent, and is not any more */
    EXPECT(tcgetpgrp(t.fd) == other);
    /* But a group that has ended holds nothing. */
    EXPECT(tcsetpgrp(t.fd, getpgrp()) == 0 && terminal_lend(&t, command));
    EXPECT(tcsetpgrp(t.fd, other) == 0);
    end_group(other);
    EXPECT(terminal_take_back(&t, true) && terminal_is_ours(&t));
    end_group(command);
    return 0;
}

static int nobody_has_one(void)
{
    struct terminal t;
    terminal_open(&t);
    EXPECT(t.fd == -1 && !terminal_is_ours(&t));
    EXPECT(!terminal_lend(&t, getpgrp()) && !terminal_take_back(&t, true));
    terminal_close(&t);
    return 0;
}

static int a_group_that_is_none(void)
{
    struct terminal t;
    EXPECT(own_terminal(&t) == 0);
    pid_t gone = start_group();
    end_group(gone);
    EXPECT(!terminal_lend(&t, gone));
    EXPECT(terminal_is_ours(&t) && !terminal_take_back(&t, true));
    return 0;
}

static void test_cases(void **state)
{
    static const struct {
        const char *name;
        int (*body)(void);
    } rows[] = {
        {"lend_and_take_back", lend_and_take_back},
        {"settings_go_with_it", settings_go_with_it},
        {"others_keep_it", others_keep_it},
        {"nobody_has_one", nobody_has_one},
        {"a_group_that_is_none", a_group_that_is_none},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int master, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
        int status = forked_end(forked_start(rows[i].body, null));
        if (status != 0)
            fail_msg("%s: %d", rows[i].name, status);
        close(master);
        close(slave);
        close(null);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
