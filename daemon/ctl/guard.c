#include "ctl/guard.h"

#include "base/fd.h"
#include "ctl/out.h"
#include "ctl/signals.h"
#include "ctl/terminal.h"
#include "flow/pipeline.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const int handed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

struct note {
    enum guard_word word;
    int number;
};

/* What of the front process waits. */
struct front {
    pid_t worker;
    int link, signals, write_fd;
    int status;
    bool ended; /* the worker: `status` is its */
    bool complete, foreground;
    pid_t command; /* its group; 0: it does not run */
    struct terminal terminal;
};

static void send_note(int link, enum guard_word word, int number)
{
    struct note note = {word, number};
    (void)!send(link, &note, sizeof note, MSG_NOSIGNAL);
}

static enum guard_word receive_note(int link, int *ret_number)
{
    struct note note = {GUARD_NOTHING, 0};
    ssize_t n = recv(link, &note, sizeof note, MSG_DONTWAIT);
    *ret_number = note.number;
    if (n == (ssize_t)sizeof note)
        return note.word;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? GUARD_NOTHING : GUARD_GONE;
}

/* --- stopping and going on -------------------------------------------------------------------- */

/* Stops this process by a signal, as the terminal would have; returns once it goes on. False: it
 * was not stopped, as its group is an orphan, which the kernel spares that (there is no shell that
 * could say `fg`). */
static bool stop_self(int signo)
{
    sigset_t one, go_on, before;
    struct timespec none = {0, 0};
    siginfo_t info;
    sigemptyset(&go_on);
    sigaddset(&go_on, SIGCONT);
    while (sigtimedwait(&go_on, &info, &none) == SIGCONT)
        ; /* of an earlier stop */
    sigemptyset(&one);
    sigaddset(&one, signo);
    kill(getpid(), signo);
    sigprocmask(SIG_UNBLOCK, &one, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
    /* Taken here, so that COMMAND is told to go on once, by stop(). */
    return sigtimedwait(&go_on, &info, &none) == SIGCONT;
}

/* The rest of the job, which did not get the signal that COMMAND got: the terminal was lent. */
static void signal_job(int signo)
{
    sigset_t one;
    struct timespec none = {0, 0};
    siginfo_t info;
    sigemptyset(&one);
    sigaddset(&one, signo);
    sigprocmask(SIG_BLOCK, &one, NULL);
    kill(0, signo);
    sigtimedwait(&one, &info, &none); /* ours */
}

/* COMMAND has been stopped. */
static void stop(struct front *front, int signo)
{
    struct terminal *terminal = &front->terminal;
    bool wants = front->command && (signo == SIGTTIN || signo == SIGTTOU);
    bool stopped = true, lent = terminal_take_back(terminal, true);
    if (!wants || !terminal_is_ours(terminal)) {
        if (lent)
            signal_job(signo);
        stopped = stop_self(signo);
    }
    bool ours = terminal_is_ours(terminal);
    if (wants && !ours && !stopped) {
        send_note(front->link, GUARD_FORLORN, 0);
        return;
    }
    if (ours && front->command && (lent || wants))
        terminal_lend(terminal, front->command);
    send_note(front->link, GUARD_GO, 0);
}

static void command_ended(struct front *front, int status)
{
    bool killed = WIFSIGNALED(status);
    bool lent = terminal_take_back(&front->terminal, killed);
    front->command = 0;
    /* A script that waits for us was meant as well. */
    if (lent && killed && (WTERMSIG(status) == SIGINT || WTERMSIG(status) == SIGQUIT))
        signal_job(WTERMSIG(status));
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void take_signal(struct front *front, int signo)
{
    if (signo == SIGCHLD)
        return;
    if (signo == SIGTSTP)
        send_note(front->link, GUARD_STOP, 0);
    else if (signo == SIGCONT)
        send_note(front->link, GUARD_GO, 0);
    else
        kill(front->worker, signo);
}

static void take_signals(struct front *front)
{
    struct signalfd_siginfo info;
    while (read(front->signals, &info, sizeof info) == (ssize_t)sizeof info)
        take_signal(front, (int)info.ssi_signo);
    front->ended = waitpid(front->worker, &front->status, WNOHANG) == front->worker;
}

/* False: there was none. */
static bool take_word(struct front *front)
{
    int number;
    enum guard_word word = receive_note(front->link, &number);
    switch (word) {
    case GUARD_COMPLETE:
        front->complete = true;
        fd_close(&front->write_fd);
        break;
    case GUARD_BEGUN:
        front->command = number;
        if (front->foreground && terminal_is_ours(&front->terminal))
            terminal_lend(&front->terminal, number);
        break;
    case GUARD_STOPPED:
        if (!front->ended)
            stop(front, number);
        break;
    case GUARD_ENDED:
        command_ended(front, number);
        break;
    case GUARD_GONE: /* as long as we have ours the worker knows that we live */
        fd_close(&front->link);
        break;
    default:
        break;
    }
    return word != GUARD_NOTHING;
}

static void wait_for_worker(struct front *front)
{
    while (!front->ended) {
        struct pollfd fds[] = {{.fd = front->signals, .events = POLLIN},
                               {.fd = front->link, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0)
            continue;
        if (fds[1].revents)
            take_word(front);
        if (fds[0].revents)
            take_signals(front);
    }
    while (front->link >= 0 && take_word(front))
        ; /* what it said last */
}

/* One that was killed has left COMMAND behind, which is ours now. One that has ended has seen to
 * that itself. */
static int end_of_worker(struct front *front)
{
    struct pipeline none = {0};
    bool killed = !WIFEXITED(front->status);
    if (killed)
        pipeline_kill_all(&none);
    terminal_take_back(&front->terminal, killed);
    if (!killed)
        return WEXITSTATUS(front->status);
    out_error(
        "the process that runs the command was killed by signal %d%s", WTERMSIG(front->status),
        front->complete ? "" : ": the command was ended before it could see an end of the body");
    return EXIT_JOB_FAILED;
}

/* --- the beginning ---------------------------------------------------------------------------- */

/* SIGTTOU is blocked for terminal.h. */
static void choose_signals(sigset_t *ret_taken, sigset_t *ret_blocked)
{
    sigemptyset(ret_taken);
    sigaddset(ret_taken, SIGCHLD);
    sigaddset(ret_taken, SIGCONT);
    if (!signals_ignored(SIGTSTP))
        sigaddset(ret_taken, SIGTSTP);
    for (size_t i = 0; i < sizeof handed_on / sizeof handed_on[0]; i++)
        if (!signals_ignored(handed_on[i]))
            sigaddset(ret_taken, handed_on[i]);
    *ret_blocked = *ret_taken;
    sigaddset(ret_blocked, SIGTTOU);
}

static int watch(struct front *front, const sigset_t *set)
{
    signal(SIGCHLD, SIG_DFL); /* ignored it would leave no status */
    front->signals = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
    return front->signals < 0 ? -errno : 0;
}

/* In a group in the background, which a terminal set so would stop for what it writes. */
static void become_worker(const sigset_t *mask)
{
    setpgid(0, 0);
    signal(SIGTTOU, SIG_IGN);
    prctl(PR_SET_NAME, "penstock-run");
    sigprocmask(SIG_SETMASK, mask, NULL);
}

static void stay_in_front(struct front *front, struct guard *guard, int ends[2])
{
    fd_close(&ends[0]);
    front->write_fd = ends[1];
    wait_for_worker(front);
    guard->status = end_of_worker(front);
    ends[1] = front->write_fd;
}

int guard_split(struct guard *guard, int ends[2], bool foreground, struct error *err)
{
    struct front front = {.link = -1, .signals = -1, .foreground = foreground};
    sigset_t taken, blocked, mask;
    int link[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link) < 0)
        return error_set(err, -errno, "no socket pair: %s", strerrordesc_np(errno));
    choose_signals(&taken, &blocked);
    sigprocmask(SIG_BLOCK, &blocked, &mask);
    terminal_open(&front.terminal);
    int r = watch(&front, &taken);
    if (r == 0)
        r = pipeline_adopt();
    out_flush();
    guard->front = getpid();
    front.worker = r == 0 ? fork() : -1;
    if (front.worker < 0)
        r = r < 0 ? r : -errno;
    fd_close(&link[front.worker == 0 ? 0 : 1]);
    if (front.worker == 0) {
        fd_close(&front.signals);
        terminal_close(&front.terminal);
        become_worker(&mask);
        guard->link = link[1];
        return 1;
    }
    front.link = link[0];
    if (r == 0)
        stay_in_front(&front, guard, ends);
    fd_close(&ends[0]);
    fd_close(&ends[1]);
    fd_close(&front.signals);
    fd_close(&front.link);
    terminal_close(&front.terminal);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    return r < 0 ? error_set(err, r, "the command cannot be watched: %s", strerror(-r)) : 0;
}

void guard_tell(struct guard *guard, enum guard_word word, int number)
{
    send_note(guard->link, word, number);
}

enum guard_word guard_hear(struct guard *guard)
{
    int number;
    return receive_note(guard->link, &number);
}
