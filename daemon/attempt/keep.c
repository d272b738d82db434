#include "attempt/keep.h"

#include "base/fd.h"
#include "base/log.h"
#include "record/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool keep_worth(enum error_kind kind)
{
    return kind == KIND_PARSER_FAILED || kind == KIND_PARSER_TIMEOUT ||
           kind == KIND_PARSER_CRASHED || kind == KIND_DECODE_ERROR || kind == KIND_UNEXPECTED;
}

static int descriptor(const struct keep *keep)
{
    return atomic_load_explicit(&((struct keep *)keep)->fd, memory_order_acquire) - 1;
}

/* --- writing ---------------------------------------------------------------------------------- */

void keep_open(struct keep *keep, const char *dir, uint64_t job)
{
    struct error err;
    int fd = spool_file(dir, &err);
    if (fd < 0)
        log_warning("job %" PRIu64 ": its body cannot be kept: %s", job, err.text);
    else
        atomic_store_explicit(&keep->fd, fd + 1, memory_order_release);
}

/* Gives the space back at once. */
static void give_up(struct keep *keep, int fd)
{
    atomic_store_explicit(&keep->ended, true, memory_order_release);
    (void)!ftruncate(fd, 0);
}

void keep_take(void *arg, const char *data, size_t len)
{
    struct keep *keep = arg;
    int fd = descriptor(keep);
    if (fd < 0 || atomic_load_explicit(&keep->ended, memory_order_acquire))
        return;
    keep->size += len;
    int r = keep->size > keep->max ? -EFBIG : fd_write_all(fd, data, len);
    if (r == 0)
        return;
    give_up(keep, fd);
    log_warning("a body is too much to be kept: %s",
                r == -EFBIG ? "more than flow.spool_max" : strerrordesc_np(-r));
}

void keep_close(struct keep *keep)
{
    int fd = descriptor(keep);
    atomic_store_explicit(&keep->fd, 0, memory_order_relaxed);
    fd_close(&fd);
}

/* --- the oldest go ---------------------------------------------------------------------------- */

struct kept {
    char name[72];
    struct timespec time;
    uint64_t size;
};

static int by_age(const void *a, const void *b)
{
    const struct timespec *s = &((const struct kept *)a)->time;
    const struct timespec *t = &((const struct kept *)b)->time;
    if (s->tv_sec != t->tv_sec)
        return s->tv_sec < t->tv_sec ? -1 : 1;
    return (s->tv_nsec > t->tv_nsec) - (s->tv_nsec < t->tv_nsec);
}

/* One of ours, and nobody else's file. */
static bool is_kept(int dir, const char *name, struct kept *ret)
{
    uint64_t job;
    uint32_t attempt;
    int used = 0;
    struct stat st;
    if (sscanf(name, "job-%" SCNu64 "-attempt-%" SCNu32 ".body%n", &job, &attempt, &used) != 2 ||
        used == 0 || name[used] != '\0' || strlen(name) >= sizeof ret->name ||
        fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
        st.st_uid != geteuid())
        return false;
    strcpy(ret->name, name);
    ret->time = st.st_mtim;
    ret->size = (uint64_t)st.st_size;
    return true;
}

/* All of them, oldest first. How many, or -ENOMEM. */
static ssize_t list(DIR *dir, struct kept **ret)
{
    struct kept *all = NULL;
    size_t count = 0, room = 0;
    for (const struct dirent *e; (e = readdir(dir));) {
        if (count == room) {
            room = room ? 2 * room : 64;
            struct kept *more = reallocarray(all, room, sizeof *all);
            if (!more) {
                free(all);
                return -ENOMEM;
            }
            all = more;
        }
        count += is_kept(dirfd(dir), e->d_name, &all[count]);
    }
    if (count > 0)
        qsort(all, count, sizeof *all, by_age);
    *ret = all;
    return (ssize_t)count;
}

/* Takes the descriptor. */
static void prune(int fd, uint64_t total)
{
    struct kept *all = NULL;
    uint64_t sum = 0;
    DIR *dir = fdopendir(fd);
    ssize_t count = dir ? list(dir, &all) : 0;
    for (ssize_t i = 0; i < count; i++)
        sum += all[i].size;
    for (ssize_t i = 0; i < count && sum > total; i++) {
        unlinkat(fd, all[i].name, 0);
        sum -= all[i].size;
    }
    free(all);
    if (dir)
        closedir(dir);
    else
        close(fd);
}

/* --- storing ---------------------------------------------------------------------------------- */

/* A file system whose nameless files cannot be named: another file, with the same content. */
static int copy(int from, int dir, const char *name, uint64_t size)
{
    int to = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0)
        return -errno;
    off_t at = 0;
    ssize_t n = 1;
    while ((uint64_t)at < size && n > 0)
        n = copy_file_range(from, &at, to, NULL, size - (uint64_t)at, 0);
    int r = n < 0 ? -errno : n == 0 ? -EIO : 0;
    close(to);
    if (r < 0)
        unlinkat(dir, name, 0);
    return r;
}

static int name_it(int fd, int dir, const char *name, uint64_t size)
{
    char self[40];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    /* One of the same name is another daemon's, whose ids began anew. */
    if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
        return -errno;
    if (linkat(AT_FDCWD, self, dir, name, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    return errno == ENOENT || errno == EOPNOTSUPP || errno == EXDEV ? copy(fd, dir, name, size)
                                                                    : -errno;
}

int keep_store(struct keep *keep, const char *dir, uint64_t total, uint64_t job, uint32_t attempt,
               char **ret_path)
{
    struct error err;
    struct stat st;
    char *path;
    int fd = descriptor(keep);
    if (fd < 0 || atomic_exchange_explicit(&keep->ended, true, memory_order_acq_rel))
        return -ENODATA;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (asprintf(&path, "%s/job-%" PRIu64 "-attempt-%" PRIu32 ".body", dir, job, attempt) < 0)
        return -ENOMEM;
    int at = spool_dir_open(dir, &err);
    int r = at < 0 ? at : name_it(fd, at, path + strlen(dir) + 1, (uint64_t)st.st_size);
    if (r < 0) {
        fd_close(&at);
        free(path);
        return r;
    }
    prune(at, total);
    *ret_path = path;
    return 0;
}
