#include "record/log_file.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How each of our lines begins; something else at the end of a file is not ours to cut off. */
static const char line_start[] = "{\"ts\":\"";

static const char *remedy(int code)
{
    switch (code) {
    case -ENOENT:
        return "; create its directory first";
    case -EACCES:
    case -EPERM:
        return "; let the daemon's user read and write it";
    case -ENXIO:
        return "; it is a FIFO that nobody reads";
    default:
        return "";
    }
}

static ssize_t read_at(int fd, void *data, size_t len, uint64_t offset)
{
    ssize_t n;
    do {
        n = pread(fd, data, len, (off_t)offset);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* Where the last line begins that has no newline: `size` if there is none. Reads backwards. */
static int find_torn(int fd, uint64_t size, uint64_t *ret_start)
{
    char block[16384];
    uint64_t end = size;
    while (end > 0) {
        size_t want = end < sizeof block ? (size_t)end : sizeof block;
        ssize_t n = read_at(fd, block, want, end - want);
        if (n < 0)
            return (int)n;
        if ((size_t)n < want) /* somebody truncates it at this moment */
            return -EAGAIN;
        const char *newline = memrchr(block, '\n', want);
        if (newline) {
            *ret_start = end - want + (uint64_t)(newline - block) + 1;
            return 0;
        }
        end -= want;
    }
    *ret_start = 0;
    return 0;
}

/* A part of a line is ours if it begins as ours do, as far as it goes. */
static int is_ours(int fd, uint64_t start, uint64_t size, bool *ret_ours)
{
    char text[sizeof line_start - 1];
    size_t want = size - start < sizeof text ? (size_t)(size - start) : sizeof text;
    ssize_t n = read_at(fd, text, want, start);
    if (n < 0)
        return (int)n;
    *ret_ours = (size_t)n == want && memcmp(text, line_start, want) == 0;
    return 0;
}

static int mend(struct log_file *file, int read_fd)
{
    struct stat st;
    uint64_t start;
    bool ours = false;

    if (fstat(file->fd, &st) < 0)
        return -errno;
    file->size = (uint64_t)st.st_size;
    int r = find_torn(read_fd, file->size, &start);
    if (r < 0 || start == file->size)
        return r;
    r = is_ours(read_fd, start, file->size, &ours);
    if (r < 0)
        return r;
    if (ours) {
        if (ftruncate(file->fd, (off_t)start) < 0)
            return -errno;
        file->size = start;
        return 0;
    }
    r = fd_write_all(file->fd, "\n", 1);
    if (r == 0)
        file->size++;
    return r;
}

/* The same file for reading: by its descriptor, as its path may be another's by now, or by the path
 * where there is no /proc. */
static int open_again(const struct log_file *file, const char *path)
{
    const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    char link[40];
    struct stat st, other;

    snprintf(link, sizeof link, "/proc/self/fd/%d", file->fd);
    int fd = open(link, flags);
    if (fd < 0 && errno == ENOENT)
        fd = open(path, flags);
    if (fd < 0)
        return -errno;
    if (fstat(file->fd, &st) == 0 && fstat(fd, &other) == 0 && st.st_dev == other.st_dev &&
        st.st_ino == other.st_ino)
        return fd;
    fd_close(&fd);
    return -ESTALE;
}

static int unreadable(const char *path, int code, struct error *err)
{
    return error_set(err, code, "%s: cannot read its last line: %s%s", path, strerror(-code),
                     remedy(code));
}

int log_file_mend(struct log_file *file, const char *path, struct error *err)
{
    struct stat st;
    if (fstat(file->fd, &st) < 0)
        return error_set(err, -errno, "%s: %s", path, strerror(errno));
    file->regular = S_ISREG(st.st_mode);
    file->size = file->regular ? (uint64_t)st.st_size : 0;
    if (file->size == 0)
        return 0;
    int fd = open_again(file, path);
    if (fd < 0)
        return unreadable(path, fd, err);
    int r = mend(file, fd);
    fd_close(&fd);
    return r < 0 ? error_set(err, r, "%s: cannot mend its last line: %s", path, strerror(-r)) : 0;
}

static int open_path(const char *path, struct error *err)
{
    int fd;
    do {
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0640);
    } while (fd < 0 && errno == EINTR);
    if (fd >= 0)
        return fd;
    int r = -errno;
    return error_set(err, r, "%s: cannot open: %s%s", path, strerror(-r), remedy(r));
}

int log_file_open_unmended(const char *path, struct log_file *ret_file, struct error *err)
{
    struct stat st;
    struct log_file file = {.fd = open_path(path, err)};
    if (file.fd < 0)
        return file.fd;
    file.regular = fstat(file.fd, &st) == 0 && S_ISREG(st.st_mode);
    /* What is to be mended must be readable: better said now. */
    int fd = file.regular ? open_again(&file, path) : -1;
    if (file.regular && fd < 0) {
        fd_close(&file.fd);
        return unreadable(path, fd, err);
    }
    fd_close(&fd);
    *ret_file = file;
    return 0;
}

int log_file_open(const char *path, struct log_file *ret_file, struct error *err)
{
    struct log_file file = {.fd = open_path(path, err)};
    if (file.fd < 0)
        return file.fd;
    int r = log_file_mend(&file, path, err);
    if (r < 0) {
        fd_close(&file.fd);
        return r;
    }
    *ret_file = file;
    return 0;
}
