#include "record/spool.h"

#include "base/clock.h"
#include "base/fd.h"
#include "record/line.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* So many bytes go into one write. */
#define SPOOL_WRITE ((size_t)32 << 10)

/* A file system without O_TMPFILE: the name is there for a moment. */
static int named_file(const char *dir)
{
    char *path;
    if (asprintf(&path, "%s/spool-XXXXXX", dir) < 0)
        return -ENOMEM;
    int fd = mkostemp(path, O_CLOEXEC);
    int r = fd < 0 ? -errno : fd;
    if (fd >= 0)
        unlink(path);
    free(path);
    return r;
}

int spool_file(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && errno == ENOENT && (mkdir(dir, 0700) == 0 || errno == EEXIST))
        fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT))
        return named_file(dir);
    return fd < 0 ? -errno : fd;
}

int spool_open(struct spool *spool, const char *dir, uint64_t max, struct error *err)
{
    int fd = spool_file(dir);
    if (fd < 0)
        return error_set(err, fd, "no file can be made in %s (flow.spool_dir): %s", dir,
                         strerrordesc_np(-fd));
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
