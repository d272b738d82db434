#include "record/spool.h"

#include "base/clock.h"
#include "base/fd.h"
#include "record/line.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* So many bytes go into one write. */
#define SPOOL_WRITE ((size_t)32 << 10)

static int check_dir(const char *dir, int fd, struct error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return error_set(err, -errno, "flow.spool_dir: %s: %s", dir, strerrordesc_np(errno));
    bool own = st.st_uid == geteuid();
    if (!own && st.st_uid != 0)
        return error_set(
            err, -EPERM,
            "flow.spool_dir: %s belongs to another user (uid %u), who could read and replace "
            "what stands there: have it removed, or set another directory",
            dir, (unsigned)st.st_uid);
    /* A group that root has let in is root's choice. */
    if (st.st_mode & (own ? 022 : 002))
        return error_set(
            err, -EPERM,
            "flow.spool_dir: others may write to %s (mode %04o): chmod go-w it, or set "
            "another directory",
            dir, (unsigned)(st.st_mode & 07777));
    return 0;
}

int spool_dir_open(const char *dir, struct error *err)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    struct stat st;
    int fd = open(dir, flags);
    if (fd < 0 && errno == ENOENT && (mkdir(dir, 0700) == 0 || errno == EEXIST))
        fd = open(dir, flags);
    if (fd < 0) {
        int r = -errno;
        bool link = lstat(dir, &st) == 0 && S_ISLNK(st.st_mode);
        return error_set(err, r, "flow.spool_dir: %s: %s", dir,
                         link ? "it is a symbolic link: set the directory that it leads to"
                              : strerrordesc_np(-r));
    }
    int r = check_dir(dir, fd, err);
    if (r < 0)
        fd_close(&fd);
    return r < 0 ? r : fd;
}

/* A file system without O_TMPFILE: the name is there for a moment. */
static int named_file(int dir)
{
    static atomic_uint count;
    char name[48];
    snprintf(name, sizeof name, "spool-%d-%u", (int)getpid(), atomic_fetch_add(&count, 1));
    int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    unlinkat(dir, name, 0);
    return fd;
}

int spool_file(const char *path, struct error *err)
{
    int dir = spool_dir_open(path, err);
    if (dir < 0)
        return dir;
    int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    int r = fd < 0 ? -errno : fd;
    if (r == -EOPNOTSUPP || r == -EISDIR || r == -ENOENT)
        r = named_file(dir);
    fd_close(&dir);
    return r < 0 ? error_set(err, r, "flow.spool_dir: no file can be made in %s: %s", path,
                             strerrordesc_np(-r))
                 : r;
}

int spool_open(struct spool *spool, const char *dir, uint64_t max, struct error *err)
{
    int fd = spool_file(dir, err);
    if (fd < 0)
        return fd;
    *spool = (struct spool){.fd = fd, .max = max};
    return 0;
}

int spool_flush(struct spool *spool)
{
    if (spool->error == 0 && spool->buf.len > 0)
        spool->error = fd_write_all(spool->fd, spool->buf.data, spool->buf.len);
    buf_reset(&spool->buf);
    return spool->error;
}

int spool_record(struct spool *spool, const struct sink_source *source, uint64_t seq,
                 const char *json, size_t len)
{
    struct buf *b = &spool->buf;
    size_t before = b->len;
    if (spool->error)
        return spool->error;
    line_record(b, clock_real_us(), source, seq, json, len);
    if (b->failed)
        return spool->error = -ENOMEM;
    if (spool->size + (b->len - before) > spool->max)
        return spool->error = -EOVERFLOW;
    spool->size += b->len - before;
    spool->lines++;
    return b->len < SPOOL_WRITE ? 0 : spool_flush(spool);
}

void spool_close(struct spool *spool)
{
    if (!spool->buf.data && spool->max == 0) /* zeroed: 0 is no descriptor of ours */
        return;
    fd_close(&spool->fd);
    buf_deinit(&spool->buf);
    *spool = (struct spool){.fd = -1};
}
