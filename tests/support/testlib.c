#include "support/testlib.h"

#include "base/clock.h"
#include "base/fd.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <openssl/evp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <cmocka.h>

#define fatal(...) fail_msg(__VA_ARGS__)

/* --- files ---------------------------------------------------------------- */

struct path {
    struct path *next;
    char text[];
};
static char *directory;
static pid_t directory_owner;
static struct path *paths;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

int test_remove_tree(const char *path)
{
    return nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT ? -errno : 0;
}

static void clean_up(void)
{
    if (getpid() != directory_owner)
        return;
    test_remove_tree(directory);
    free(directory);
    while (paths) {
        struct path *next = paths->next;
        free(paths);
        paths = next;
    }
}

const char *test_dir(void)
{
    char template[PATH_MAX];
    const char *tmp = getenv("TMPDIR");
    if (directory)
        return directory;
    snprintf(template, sizeof template, "%s/penstock-test-XXXXXX", tmp ? tmp : "/tmp");
    directory = mkdtemp(template) ? strdup(template) : NULL;
    if (!directory)
        fatal("no temporary directory %s: %s", template, strerror(errno));
    directory_owner = getpid();
    atexit(clean_up);
    return directory;
}

const char *test_path(const char *fmt, ...)
{
    char name[PATH_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    size_t size = strlen(test_dir()) + strlen(name) + 2;
    struct path *path = malloc(sizeof *path + size);
    if (!path)
        fatal("out of memory");
    snprintf(path->text, size, "%s/%s", test_dir(), name);
    path->next = paths;
    paths = path;
    return path->text;
}

void test_write_file(const char *path, const void *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || fd_write_all(fd, data, len) < 0)
        fatal("%s: %s", path, strerror(errno));
    fd_close(&fd);
}

bool test_read_file(const char *path, struct buf *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n;
    do {
        if (buf_reserve(ret, 65536) < 0)
            fatal("out of memory");
        n = read(fd, ret->data + ret->len, 65536);
        if (n > 0)
            ret->len += (size_t)n;
    } while (n > 0 || (n < 0 && errno == EINTR));
    ret->data[ret->len] = '\0';
    fd_close(&fd);
    return n == 0;
}

/* --- waiting -------------------------------------------------------------- */

uint64_t test_now_ms(void)
{
    return clock_now() / NS_PER_MS;
}

void test_nap_(uint64_t deadline, const char *what, const char *file, int line)
{
    if (test_now_ms() > deadline)
        fail_msg("%s:%d: waited in vain for: %s", file, line, what);
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

bool test_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return true;
#else
    return false;
#endif
#else
    return false;
#endif
}

unsigned test_patience(void)
{
    return test_sanitized() ? 5 : 1;
}

/* --- looking at a process ------------------------------------------------- */

static int count_entries(pid_t pid, const char *what)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid ? pid : getpid(), what);
    DIR *dir = opendir(path);
    if (!dir)
        fatal("%s: %s", path, strerror(errno));
    int count = 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

int test_fd_count(pid_t pid)
{
    return count_entries(pid, "fd") - (pid == 0 || pid == getpid()); /* opendir's own */
}

int test_thread_count(pid_t pid)
{
    return count_entries(pid, "task");
}

/* The sum of the lines that begin with one of the names, in bytes. */
static uint64_t rollup(pid_t pid, const char *const names[])
{
    char path[64];
    struct buf text = BUF_INIT;
    uint64_t sum = 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid ? pid : getpid());
    if (!test_read_file(path, &text))
        fatal("%s: %s", path, strerror(errno));
    for (; *names; names++) {
        const char *line = strstr(text.data, *names);
        sum += line ? strtoull(line + strlen(*names), NULL, 10) * 1024 : 0;
    }
    buf_deinit(&text);
    return sum;
}

uint64_t test_private_bytes(pid_t pid)
{
    return rollup(pid, (const char *const[]){"\nPrivate_Clean:", "\nPrivate_Dirty:", NULL});
}

uint64_t test_rss_bytes(pid_t pid)
{
    return rollup(pid, (const char *const[]){"\nRss:", NULL});
}

/* --- programs ------------------------------------------------------------- */

#define MAX_GROUPS 64
static pid_t groups[MAX_GROUPS]; /* to be killed at exit */

static void kill_groups(void)
{
    for (size_t i = 0; i < MAX_GROUPS; i++)
        if (groups[i] > 0)
            kill(-groups[i], SIGKILL);
}

static void remember_group(pid_t pid)
{
    static bool registered;
    if (!registered)
        atexit(kill_groups);
    registered = true;
    for (size_t i = 0; i < MAX_GROUPS; i++) {
        if (groups[i] == 0) {
            groups[i] = pid;
            return;
        }
    }
}

static void forget_group(pid_t pid)
{
    for (size_t i = 0; i < MAX_GROUPS; i++)
        if (groups[i] == pid)
            groups[i] = 0;
}

static int spawn(struct test_child *child, const char *const argv[], int in)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, standard;
    sigemptyset(&none);
    sigemptyset(&standard);
    sigaddset(&standard, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    int flags = O_WRONLY | O_CREAT | O_TRUNC;
    posix_spawn_file_actions_adddup2(&actions, in, 0);
    posix_spawn_file_actions_addopen(&actions, 1, child->out, flags, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, child->err, flags, 0600);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &standard);
    int r = posix_spawnp(&child->pid, argv[0], &actions, &attributes, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return r;
}

void test_start(struct test_child *child, const char *const argv[])
{
    static unsigned serial;
    int in[2];
    serial++;
    *child = (struct test_child){
        .in = -1, .out = test_path("out.%u", serial), .err = test_path("err.%u", serial)};
    if (pipe2(in, O_CLOEXEC) < 0)
        fatal("pipe: %s", strerror(errno));
    int r = spawn(child, argv, in[0]);
    fd_close(&in[0]);
    child->in = in[1];
    if (r != 0) {
        fd_close(&child->in);
        child->pid = 0;
        fatal("%s: %s", argv[0], strerror(r));
    }
    remember_group(child->pid);
}

/* -1: it runs on. */
static int reap(struct test_child *child)
{
    if (child->pid == 0)
        return 0;
    pid_t r = waitpid(child->pid, &child->status, WNOHANG);
    if (r == 0 || (r < 0 && errno == EINTR))
        return -1;
    kill(-child->pid, SIGKILL); /* what it left behind */
    forget_group(child->pid);
    child->pid = 0;
    return 0;
}

int test_finish(struct test_child *child, unsigned ms)
{
    uint64_t deadline = test_now_ms() + ms;
    fd_close(&child->in);
    while (reap(child) < 0) {
        if (!child->timed_out && test_now_ms() > deadline) {
            child->timed_out = true;
            kill(-child->pid, SIGKILL);
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    if (child->timed_out)
        return -1;
    return WIFEXITED(child->status) ? WEXITSTATUS(child->status) : 128 + WTERMSIG(child->status);
}

void test_signal(struct test_child *child, int sig)
{
    if (child->pid > 0)
        kill(child->pid, sig);
}

/* Writes to a child that may end before it has read everything. */
static void feed(struct test_child *child, const char *input)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    if (!input)
        return;
    sigaction(SIGPIPE, &ignore, &before);
    fd_write_all(child->in, input, strlen(input));
    sigaction(SIGPIPE, &before, NULL);
}

int test_run(const char *const argv[], const char *input, unsigned ms, struct buf *out,
             struct buf *err)
{
    struct test_child child;
    test_start(&child, argv);
    feed(&child, input);
    int code = test_finish(&child, ms);
    if (out)
        test_read_file(child.out, out);
    if (err)
        test_read_file(child.err, err);
    return code;
}

static bool find_line(const char *path, const char *needle, struct buf *ret_line)
{
    struct buf text = BUF_INIT;
    bool found = false;
    if (test_read_file(path, &text)) {
        char *at = strstr(text.data, needle);
        char *end = at ? strchr(at, '\n') : NULL;
        while (end && at > text.data && at[-1] != '\n')
            at--;
        found = end;
        if (found && ret_line)
            buf_put(ret_line, at, (size_t)(end - at));
    }
    buf_deinit(&text);
    return found;
}

void test_wait_line(const char *path, const char *needle, unsigned ms, struct buf *ret_line)
{
    uint64_t deadline = test_now_ms() + ms;
    while (!find_line(path, needle, ret_line))
        test_nap_(deadline, needle, path, 0);
}

/* --- digests -------------------------------------------------------------- */

void test_sha256(const void *data, size_t len, char ret[TEST_SHA256_SIZE])
{
    unsigned char md[32];
    if (!EVP_Digest(data, len, md, NULL, EVP_sha256(), NULL))
        fatal("no SHA-256");
    for (size_t i = 0; i < sizeof md; i++)
        snprintf(ret + 2 * i, 3, "%02x", md[i]);
}

void test_sha256_file(const char *path, char ret[TEST_SHA256_SIZE])
{
    struct buf text = BUF_INIT;
    if (!test_read_file(path, &text))
        fatal("%s: %s", path, strerror(errno));
    test_sha256(text.data, text.len, ret);
    buf_deinit(&text);
}

/* --- ports that don't answer ---------------------------------------------- */

static int bound_socket(uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        fatal("no socket: %s", strerror(errno));
    *ret_port = ntohs(address.sin_port);
    return fd;
}

/* A listener with a queue of 0 takes one connection, and leaves the SYNs of all others unanswered.
 */
void test_deaf_open(struct test_deaf *deaf)
{
    deaf->listener = bound_socket(&deaf->port);
    if (listen(deaf->listener, 0) < 0)
        fatal("listen: %s", strerror(errno));
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(deaf->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (size_t i = 0; i < sizeof deaf->fillers / sizeof deaf->fillers[0]; i++) {
        deaf->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (deaf->fillers[i] < 0)
            fatal("no socket: %s", strerror(errno));
        if (connect(deaf->fillers[i], (struct sockaddr *)&address, sizeof address) < 0 &&
            errno != EINPROGRESS)
            fatal("connect: %s", strerror(errno));
    }
}

void test_deaf_close(struct test_deaf *deaf)
{
    fd_close(&deaf->listener);
    for (size_t i = 0; i < sizeof deaf->fillers / sizeof deaf->fillers[0]; i++)
        fd_close(&deaf->fillers[i]);
}

/* One socket for all who ask, bound and never listened on: nobody else gets the port meanwhile. */
uint16_t test_closed_port(void)
{
    static uint16_t port;
    if (port == 0)
        (void)bound_socket(&port);
    return port;
}
