/* A scheduler that hurries nobody, put before the C library by LD_PRELOAD: around calls where
 * another thread or process may come first, this one waits a little, now and then. A test, or a
 * program, that relies on who comes first shows it soon. `tests/run --jitter SEED` runs the tests
 * so; for one by hand:
 *
 *     TEST_JITTER=SEED LD_PRELOAD=build/bin/test-jitter.so build/tests/test_parse.relay
 *
 *     TEST_JITTER          a number: each has waits of its own. Without it nothing waits
 *     TEST_JITTER_ONE_IN   so many calls have one wait (20)
 *
 * Waits are short, and one in four is up to 20 ms long. A process waits for half a minute in all
 * and then no more, so that a test of very many calls comes to its end. The kernel has a word in
 * what comes of it, so a seed alone reproduces no failure: run it often. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LONG_US  20000
#define SHORT_US 1000
#define ALL_US   30000000 /* of all threads together */

static uint64_t seed;
static unsigned one_in; /* 0: nothing waits */
static atomic_uint threads;
static atomic_uint_fast64_t waited_us;
static _Thread_local uint64_t state; /* of this thread's dice; 0: it has not thrown them yet */

/* --- waiting ---------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* Another order of waits in each thread of each process. */
static uint64_t roll(void)
{
    if (state == 0)
        state = mix(mix(seed + 1) + (uint64_t)getpid()) + atomic_fetch_add(&threads, 1);
    state += UINT64_C(0x9e3779b97f4a7c15);
    return mix(state);
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* A busy machine makes more of it: what counts is how long it took. */
static void wait_us(unsigned us)
{
    const struct timespec time = {.tv_nsec = (long)us * 1000};
    uint64_t since = now_us();
    int error = errno;
    if (atomic_load(&waited_us) >= ALL_US)
        return;
    nanosleep(&time, NULL);
    atomic_fetch_add(&waited_us, now_us() - since);
    errno = error;
}

static void jitter(void)
{
    if (one_in == 0)
        return;
    uint64_t dice = roll();
    if (dice % one_in == 0)
        wait_us((unsigned)(dice >> 40) % (dice >> 32 & 3 ? SHORT_US : LONG_US));
}

/* --- the calls -------------------------------------------------------------------------------- */

/* The C library's, by look-up when first asked for: a library's own constructor may come first. */
static void *real(_Atomic(void *) *found, const char *name)
{
    void *function = atomic_load_explicit(found, memory_order_acquire);
    if (!function) {
        function = dlsym(RTLD_NEXT, name);
        atomic_store_explicit(found, function, memory_order_release);
    }
    return function;
}

#define JITTERED(type, name, parameters, arguments)                   \
    type name parameters                                              \
    {                                                                 \
        static _Atomic(void *) found;                                 \
        type(*function) parameters;                                   \
        *(void **)&function = real(&found, #name); /* see dlsym(3) */ \
        jitter();                                                     \
        type result = function arguments;                             \
        jitter();                                                     \
        return result;                                                \
    }

JITTERED(int, pthread_mutex_lock, (pthread_mutex_t * mutex), (mutex))
JITTERED(int, pthread_mutex_unlock, (pthread_mutex_t * mutex), (mutex))
JITTERED(int, pthread_cond_signal, (pthread_cond_t * cond), (cond))
JITTERED(int, pthread_cond_broadcast, (pthread_cond_t * cond), (cond))
JITTERED(int, poll, (struct pollfd * fds, nfds_t count, int ms), (fds, count, ms))
JITTERED(int, epoll_wait, (int fd, struct epoll_event *events, int count, int ms),
         (fd, events, count, ms))
JITTERED(int, epoll_pwait,
         (int fd, struct epoll_event *events, int count, int ms, const sigset_t *mask),
         (fd, events, count, ms, mask))
JITTERED(ssize_t, read, (int fd, void *data, size_t size), (fd, data, size))
JITTERED(ssize_t, write, (int fd, const void *data, size_t len), (fd, data, len))
JITTERED(ssize_t, recv, (int fd, void *data, size_t size, int flags), (fd, data, size, flags))
JITTERED(ssize_t, send, (int fd, const void *data, size_t len, int flags), (fd, data, len, flags))
JITTERED(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))
JITTERED(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
JITTERED(ssize_t, splice,
         (int in, off64_t *in_at, int out, off64_t *out_at, size_t len, unsigned flags),
         (in, in_at, out, out_at, len, flags))
JITTERED(int, connect, (int fd, const struct sockaddr *peer, socklen_t len), (fd, peer, len))
JITTERED(int, accept4, (int fd, struct sockaddr *peer, socklen_t *len, int flags),
         (fd, peer, len, flags))
JITTERED(int, close, (int fd), (fd))
JITTERED(int, kill, (pid_t pid, int signal), (pid, signal))
JITTERED(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options))

/* --- threads ---------------------------------------------------------------------------------- */

struct start {
    void *(*run)(void *arg);
    void *arg;
};

/* The C library's own, which no test lets fail or counts. */
void *__libc_malloc(size_t size);
void __libc_free(void *block);

/* Half of all threads begin late, so that neither side is usually the first. */
static void *run_late(void *arg)
{
    struct start start = *(struct start *)arg;
    __libc_free(arg);
    uint64_t dice = one_in > 0 ? roll() : 0;
    if (dice & 1)
        wait_us((unsigned)(dice >> 40) % (3 * SHORT_US));
    return start.run(start.arg);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    static _Atomic(void *) found;
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    *(void **)&create = real(&found, "pthread_create");
    struct start *start = __libc_malloc(sizeof *start);
    if (!start)
        return EAGAIN;
    *start = (struct start){run, arg};
    int r = create(thread, attr, run_late, start);
    if (r != 0)
        __libc_free(start);
    jitter();
    return r;
}

__attribute__((constructor)) static void begin(void)
{
    const char *number = getenv("TEST_JITTER"), *often = getenv("TEST_JITTER_ONE_IN");
    if (!number)
        return;
    seed = strtoull(number, NULL, 10);
    one_in = often && atoi(often) > 0 ? (unsigned)atoi(often) : 20;
}
