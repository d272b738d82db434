/* What a plug-in's process can still do once it is closed in, call by call. Each call is made in a
 * process of its own, as there is no way back. */
#include "host/sandbox.h"
#include "support/testlib.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const char *kept; /* a file of ours */
static int ends[2];      /* a pipe with a byte in it */
static char byte;

#define CALL(name, value)         \
    static long call_##name(void) \
    {                             \
        return (long)(value);     \
    }

static struct stat st;
static struct rlimit limit;
static int number;

/* Files and paths. */
CALL(open_to_read, open(kept, O_RDONLY))
CALL(open_null, open("/dev/null", O_RDWR))
CALL(create, open(test_path("new"), O_WRONLY | O_CREAT, 0600))
CALL(stat_path, stat(kept, &st))
CALL(stat_by_path, syscall(SYS_newfstatat, ends[0], "", &st, AT_EMPTY_PATH))
CALL(unlink_file, unlink(kept))
CALL(rename_file, rename(kept, "x"))
CALL(make_folder, mkdir("x", 0700))
CALL(change_folder, chdir("/"))
CALL(read_link, readlink("/proc/self/exe", &byte, 1))
CALL(make_memory_file, memfd_create("x", 0))
/* Sockets, programs, processes. */
CALL(tcp, socket(AF_INET, SOCK_STREAM, 0))
CALL(local, socket(AF_UNIX, SOCK_STREAM, 0))
CALL(pair, socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){0}))
CALL(exec, execl("/bin/true", "true", (char *)NULL))
CALL(fork_raw, syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0))
CALL(clone_new, syscall(SYS_clone3, NULL, 0))
CALL(trace, syscall(SYS_ptrace, 0, 0, 0, 0))
CALL(signal_parent, kill(getppid(), 0))
CALL(signal_all, kill(-1, 0))
CALL(signal_thread_of_another, syscall(SYS_tgkill, getppid(), getppid(), 0))
/* Itself, changed. */
CALL(become_another, setuid(0))
CALL(raise_limit, setrlimit(RLIMIT_NOFILE, &limit))
CALL(limit_of_another, prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit))
CALL(be_dumpable, prctl(PR_SET_DUMPABLE, 1))
CALL(set_owner, fcntl(ends[0], F_SETOWN, getppid()))
CALL(grow_pipe, fcntl(ends[0], F_SETPIPE_SZ, 1 << 20))
CALL(type_into_terminal, ioctl(ends[0], TIOCSTI, "x"))
CALL(new_session, setsid())
CALL(load_program, syscall(SYS_bpf, 0, NULL, 0))
CALL(keyring, syscall(SYS_keyctl, 0, 0, 0, 0, 0))

/* What a parser cannot do without. */
CALL(read_pipe, read(ends[0], &byte, 1))
CALL(write_pipe, write(ends[1], "x", 1))
CALL(duplicate, dup(ends[0]))
CALL(make_pipe, pipe((int[2]){0}))
CALL(flags, fcntl(ends[0], F_GETFL))
CALL(pipe_size, fcntl(ends[0], F_GETPIPE_SZ))
CALL(pending, ioctl(ends[0], FIONREAD, &number))
CALL(stat_open_file, sandbox_fstat(ends[0], &st))
CALL(map, mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0)
CALL(own_limit, getrlimit(RLIMIT_NOFILE, &limit))
CALL(own_name, prctl(PR_SET_NAME, "x"))
CALL(signal_itself, kill(getpid(), 0))
CALL(nap, nanosleep(&(struct timespec){.tv_nsec = 1}, NULL))

static void *in_thread(void *arg)
{
    return arg;
}

static long call_thread(void)
{
    pthread_t thread;
    errno = pthread_create(&thread, NULL, in_thread, NULL);
    if (errno == 0)
        errno = pthread_join(thread, NULL);
    return errno ? -1 : 0;
}

struct row {
    const char *name;
    long (*call)(void);
};
#define ROW(name)          \
    {                      \
#name, call_##name \
    }

/* Its error behind the closed door; 0: it went well; as if killed by SIGSYS, -1. */
static int errno_of(long (*call)(void))
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct error err;
        if (sandbox_close(&err) < 0)
            _exit(255);
        errno = 0;
        _exit(call() >= 0 ? 0 : errno < 250 ? errno : 254);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_what_is_refused(void **state)
{
    static const struct row rows[] = {
        ROW(open_to_read),
        ROW(open_null),
        ROW(create),
        ROW(stat_path),
        ROW(stat_by_path),
        ROW(unlink_file),
        ROW(rename_file),
        ROW(make_folder),
        ROW(change_folder),
        ROW(read_link),
        ROW(make_memory_file),
        ROW(tcp),
        ROW(local),
        ROW(pair),
        ROW(exec),
        ROW(fork_raw),
        ROW(trace),
        ROW(signal_parent),
        ROW(signal_all),
        ROW(signal_thread_of_another),
        ROW(become_another),
        ROW(raise_limit),
        ROW(limit_of_another),
        ROW(be_dumpable),
        ROW(set_owner),
        ROW(grow_pipe),
        ROW(type_into_terminal),
        ROW(new_session),
        ROW(load_program),
        ROW(keyring),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int e = errno_of(rows[i].call);
        if (e != EPERM)
            fail_msg("%s: %d instead of %d", rows[i].name, e, EPERM);
    }
    assert_int_equal(stat(kept, &st), 0); /* nothing of it has happened */
    assert_int_equal(st.st_size, 4);
}

static void test_what_is_allowed(void **state)
{
    static const struct row rows[] = {
        ROW(read_pipe), ROW(write_pipe), ROW(duplicate), ROW(make_pipe),
        ROW(flags),     ROW(pipe_size),  ROW(pending),   ROW(stat_open_file),
        ROW(map),       ROW(own_limit),  ROW(own_name),  ROW(signal_itself),
        ROW(nap),       ROW(thread),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int e = errno_of(rows[i].call);
        if (e != 0)
            fail_msg("%s: %s", rows[i].name, e > 0 ? strerror(e) : "killed");
    }
}

/* glibc makes threads by an older call where it hears of no other: a refusal would end it. */
static void test_the_new_way_to_threads_is_not_there(void **state)
{
    assert_int_equal(errno_of(call_clone_new), ENOSYS);
}

/* It holds for threads that were there before, and cannot be undone. */
static void *try_later(void *arg)
{
    int *gates = arg;
    while (read(gates[0], &byte, 1) < 0)
        ;
    return (void *)(intptr_t)(open(kept, O_RDONLY) < 0 ? errno : 0);
}

static void test_all_threads_are_closed_in(void **state)
{
    int status, gates[2];
    assert_int_equal(pipe2(gates, O_CLOEXEC), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        pthread_t thread;
        void *result = NULL;
        struct error err;
        if (pthread_create(&thread, NULL, try_later, gates) != 0 || sandbox_close(&err) < 0 ||
            write(gates[1], "x", 1) != 1 || pthread_join(thread, &result) != 0)
            _exit(255);
        _exit((int)(intptr_t)result);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(gates[0]);
    close(gates[1]);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EPERM);
}

static void test_stat_of_a_descriptor(void **state)
{
    int fd = open(kept, O_RDONLY | O_CLOEXEC);
    assert_int_equal(sandbox_fstat(fd, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(st.st_size, 4);
    close(fd);
    assert_int_equal(sandbox_fstat(-1, &st), -1);
    assert_int_equal(errno, EBADF);
}

static int set_up(void **state)
{
    kept = test_path("kept");
    test_write_file(kept, "kept", 4);
    test_path("new");
    getrlimit(RLIMIT_NOFILE, &limit);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    return write(ends[1], "abcdefgh", 8) == 8 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_what_is_allowed),
        cmocka_unit_test(test_the_new_way_to_threads_is_not_there),
        cmocka_unit_test(test_all_threads_are_closed_in),
        cmocka_unit_test(test_stat_of_a_descriptor),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
