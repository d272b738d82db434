/* A C library that runs out, put before the real one by LD_PRELOAD: the n-th allocation fails, or
 * the n-th new thread, descriptor or file write, and as many after it as the test wants. The test
 * and the program share a small file, which $TEST_FAILING names: the test arms and disarms it while
 * the program runs. It holds six numbers of 64 bits:
 *
 *     first, last   which of the counted calls fail, both ends included; first 0: none
 *     kinds         what is counted: a sum of the enum kind below
 *     seen          the calls that were counted
 *     failed        the calls that failed
 *     shown         1: each call that fails prints where it was called, to standard error
 *
 * Only the program of the name $TEST_FAILING_IN counts, so that its children have what they ask
 * for, unless they are what the test is about. */
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <dlfcn.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { MEMORY = 1, THREADS = 2, DESCRIPTORS = 4, WRITES = 8 };

struct control {
    _Atomic uint64_t first, last, kinds, seen, failed, shown;
};

/* The C library's own, under the names that need no look-up: dlsym itself allocates. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static struct control *control;

/* The rest by look-up, once, before main. */
static struct {
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    int (*openat)(int, const char *, int, ...);
    int (*socket)(int, int, int);
    int (*accept4)(int, struct sockaddr *, socklen_t *, int);
    int (*pipe2)(int[2], int);
    int (*eventfd)(unsigned, int);
    int (*dup)(int);
    int (*fcntl)(int, int, ...);
    ssize_t (*write)(int, const void *, size_t);
    ssize_t (*pwrite)(int, const void *, size_t, off_t);
    ssize_t (*writev)(int, const struct iovec *, int);
    int (*fsync)(int);
    int (*fdatasync)(int);
    void *(*mmap)(void *, size_t, int, int, int, off_t);
} real;

static void real_find(void *function, const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    memcpy(function, &found, sizeof found);
}

__attribute__((constructor)) static void find(void)
{
    void *warm[1];
    real_find(&real.create, "pthread_create");
    real_find(&real.openat, "openat");
    real_find(&real.socket, "socket");
    real_find(&real.accept4, "accept4");
    real_find(&real.pipe2, "pipe2");
    real_find(&real.eventfd, "eventfd");
    real_find(&real.dup, "dup");
    real_find(&real.fcntl, "fcntl");
    real_find(&real.write, "write");
    real_find(&real.pwrite, "pwrite");
    real_find(&real.writev, "writev");
    real_find(&real.fsync, "fsync");
    real_find(&real.fdatasync, "fdatasync");
    real_find(&real.mmap, "mmap");
    (void)backtrace(warm, 1); /* the first call loads a library */
    const char *path = getenv("TEST_FAILING"), *name = getenv("TEST_FAILING_IN");
    if (!path || !name || strcmp(name, program_invocation_short_name) != 0)
        return;
    int fd = real.openat(AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    void *map = fd < 0
                    ? MAP_FAILED
                    : real.mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        abort(); /* a sweep that fails nothing would pass for one that found nothing */
    close(fd);
    control = map;
}

static void show(void)
{
    void *frames[32];
    int n = backtrace(frames, 32);
    backtrace_symbols_fd(frames + 1, n - 1, STDERR_FILENO);
    (void)!real.write(STDERR_FILENO, "\n", 1);
}

/* Counts a call, and says whether it is to fail. */
static bool refused(enum kind kind)
{
    static _Thread_local bool showing;
    if (!control || showing || !(atomic_load(&control->kinds) & kind))
        return false;
    uint64_t first = atomic_load(&control->first), n = atomic_fetch_add(&control->seen, 1) + 1;
    if (first == 0 || n < first || n > atomic_load(&control->last))
        return false;
    atomic_fetch_add(&control->failed, 1);
    if (atomic_load(&control->shown)) {
        showing = true;
        show();
        showing = false;
    }
    return true;
}

static void *no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

void *malloc(size_t size)
{
    return refused(MEMORY) ? no_memory() : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return refused(MEMORY) ? no_memory() : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    return refused(MEMORY) ? no_memory() : __libc_realloc(block, size);
}

void *reallocarray(void *block, size_t count, size_t size)
{
    size_t whole;
    if (__builtin_mul_overflow(count, size, &whole))
        return no_memory();
    return realloc(block, whole);
}

void *memalign(size_t alignment, size_t size)
{
    return refused(MEMORY) ? no_memory() : __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
    void *block = refused(MEMORY) ? NULL : __libc_memalign(alignment, size);
    if (!block)
        return ENOMEM;
    *ret = block;
    return 0;
}

/* Of memory, and of the files that libraries map. */
void *mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
    if (refused(MEMORY)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return real.mmap(at, len, prot, flags, fd, offset);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    return refused(THREADS) ? EAGAIN : real.create(thread, attr, run, arg);
}

static int no_descriptor(void)
{
    errno = EMFILE;
    return -1;
}

/* The mode is there only for those that make a file; to read it from the others does no harm
 * here. */
int open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = va_arg(ap, mode_t);
    va_end(ap);
    return refused(DESCRIPTORS) ? no_descriptor() : real.openat(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = va_arg(ap, mode_t);
    va_end(ap);
    return refused(DESCRIPTORS) ? no_descriptor() : real.openat(AT_FDCWD, path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = va_arg(ap, mode_t);
    va_end(ap);
    return refused(DESCRIPTORS) ? no_descriptor() : real.openat(dir, path, flags, mode);
}

int socket(int domain, int type, int protocol)
{
    return refused(DESCRIPTORS) ? no_descriptor() : real.socket(domain, type, protocol);
}

int accept4(int fd, struct sockaddr *peer, socklen_t *len, int flags)
{
    return refused(DESCRIPTORS) ? no_descriptor() : real.accept4(fd, peer, len, flags);
}

int pipe2(int fds[2], int flags)
{
    return refused(DESCRIPTORS) ? no_descriptor() : real.pipe2(fds, flags);
}

int eventfd(unsigned count, int flags)
{
    return refused(DESCRIPTORS) ? no_descriptor() : real.eventfd(count, flags);
}

int dup(int fd)
{
    return refused(DESCRIPTORS) ? no_descriptor() : real.dup(fd);
}

int fcntl(int fd, int command, ...)
{
    va_list ap;
    va_start(ap, command);
    void *arg = va_arg(ap, void *);
    va_end(ap);
    bool duplicates = command == F_DUPFD || command == F_DUPFD_CLOEXEC;
    return duplicates && refused(DESCRIPTORS) ? no_descriptor() : real.fcntl(fd, command, arg);
}

static ssize_t no_space(void)
{
    errno = ENOSPC;
    return -1;
}

/* Only files run out of space: pipes and sockets have other ways to fail. */
static bool is_full(int fd)
{
    return control && (atomic_load(&control->kinds) & WRITES) && lseek(fd, 0, SEEK_CUR) >= 0 &&
           refused(WRITES);
}

ssize_t write(int fd, const void *data, size_t len)
{
    return is_full(fd) ? no_space() : real.write(fd, data, len);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    return is_full(fd) ? no_space() : real.pwrite(fd, data, len, at);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off_t at)
{
    return is_full(fd) ? no_space() : real.pwrite(fd, data, len, at);
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    return is_full(fd) ? no_space() : real.writev(fd, pieces, count);
}

int fsync(int fd)
{
    return is_full(fd) ? (int)no_space() : real.fsync(fd);
}

int fdatasync(int fd)
{
    return is_full(fd) ? (int)no_space() : real.fdatasync(fd);
}
