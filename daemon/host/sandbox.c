/* What a parser needs once it is set up: memory, threads, time, its descriptors. All else is
 * refused with EPERM (seccomp), by a list of what is allowed, so that a call that is new to the
 * kernel is refused as well. Landlock, where the kernel has it, says the same of files once
 * more. */
#include "host/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* libseccomp's SCMP_A0 and its like leave a field out, which clang does not like. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

int sandbox_fstat(int fd, struct stat *ret_st)
{
#ifdef SYS_fstat
    return (int)syscall(SYS_fstat, fd, ret_st);
#else
    errno = ENOSYS;
    return -1;
#endif
}

/* By name, as a library or kernel header may be too old for some. */
static const char *const allowed[] = {
    /* memory */
    "brk", "mmap", "munmap", "mprotect", "mremap", "madvise", "mlock", "munlock", "membarrier",
    /* descriptors that are open already */
    "read", "write", "readv", "writev", "pread64", "pwrite64", "lseek", "_llseek", "close", "dup",
    "fstat", "fstat64", "pipe", "pipe2", "poll", "ppoll", "select", "pselect6", "eventfd2",
    /* threads */
    "futex", "futex_time64", "futex_waitv", "set_robust_list", "get_robust_list", "rseq",
    "set_tid_address", "gettid", "sched_yield", "sched_getaffinity", "exit", "exit_group",
    "restart_syscall",
    /* signals to itself */
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "rt_sigpending",
    "rt_sigtimedwait", "rt_sigsuspend", "sigaltstack",
    /* time, and itself */
    "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time",
    "times", "getrandom", "getpid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getpgrp",
    "getpgid", "getsid", "getrusage", "getrlimit", "ugetrlimit", "uname", "sysinfo", "getcpu",
    "arch_prctl", "timer_create", "timer_settime", "timer_gettime", "timer_delete", "setitimer",
    "getitimer", "alarm", "pause"};

static int allow(scmp_filter_ctx filter, const char *name)
{
    int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR)
        return 0;
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
}

static int allow_if(scmp_filter_ctx filter, int number, struct scmp_arg_cmp cmp)
{
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 1, cmp);
}

/* Threads, but no processes. glibc tries clone3 first, whose flags no filter can see. */
static int allow_threads(scmp_filter_ctx filter)
{
    int r = allow_if(filter, SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, 0x10000, 0x10000));
    if (r == 0)
        r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (r == 0)
        r = allow_if(filter, SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
    if (r == 0)
        r = allow_if(filter, SCMP_SYS(kill), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
    return r;
}

/* Calls of which only a part is harmless. */
static int allow_parts(scmp_filter_ctx filter)
{
    static const int fcntls[] = {F_GETFD, F_SETFD,         F_GETFL,     F_SETFL,
                                 F_DUPFD, F_DUPFD_CLOEXEC, F_GETPIPE_SZ};
    static const int prctls[] = {PR_SET_NAME, PR_GET_NAME, 0x53564d41 /* PR_SET_VMA */};
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof fcntls / sizeof fcntls[0]; i++)
        r = allow_if(filter, SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)fcntls[i]));
    for (size_t i = 0; r == 0 && i < sizeof prctls / sizeof prctls[0]; i++)
        r = allow_if(filter, SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)prctls[i]));
    if (r == 0)
        r = allow_if(filter, SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, FIONREAD));
    if (r == 0)
        r = allow_if(filter, SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, TCGETS));
    /* Its own limits, and only to read them. */
    if (r == 0)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2,
                             SCMP_A0(SCMP_CMP_EQ, 0), SCMP_A2(SCMP_CMP_EQ, 0));
    return r;
}

static int load_filter(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter)
        return -ENOMEM;
    int r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    for (size_t i = 0; r == 0 && i < sizeof allowed / sizeof allowed[0]; i++)
        r = allow(filter, allowed[i]);
    if (r == 0)
        r = allow_threads(filter);
    if (r == 0)
        r = allow_parts(filter);
    if (r == 0)
        r = seccomp_load(filter);
    seccomp_release(filter);
    return r;
}

/* No rule: nothing below any path can be had. Kernels without Landlock, and filters of a container
 * that do not know it (EPERM, which it never says itself), are told apart by its first call. */
static int close_files(void)
{
    struct landlock_ruleset_attr attr = {
        .handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                             LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
                             LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                             LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
                             LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                             LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                             LANDLOCK_ACCESS_FS_MAKE_SYM};
    int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr.handled_access_fs, 0);
    if (fd < 0)
        return errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM ? 0 : -errno;
    int r = syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? -errno : 0;
    close(fd);
    return r;
}

int sandbox_close(struct error *err)
{
    int r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
    if (r == 0)
        r = close_files();
    if (r == 0)
        r = load_filter();
    if (r < 0)
        return error_set(err, r, "the sandbox cannot be closed: %s; `sandbox = off` runs without",
                         strerrordesc_np(-r));
    return 0;
}
