#include "terms/secret.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE_MAX 0640

void secret_free_len(char **data, size_t len)
{
    if (*data)
        explicit_bzero(*data, len);
    free(*data);
    *data = NULL;
}

void secret_free(char **text)
{
    secret_free_len(text, *text ? strlen(*text) : 0);
}

/* All but its owner. */
static int check_status(const struct stat *st, const char *path, struct error *err)
{
    if (!S_ISREG(st->st_mode))
        return error_set(err, -EINVAL, "%s is not a regular file", path);
    if (st->st_mode & 07777 & ~(mode_t)MODE_MAX)
        return error_set(err, -EPERM, "%s has mode %04o: it must be 0640 or stricter", path,
                         st->st_mode & 07777);
    if (st->st_size == 0)
        return error_set(err, -EINVAL, "%s is empty", path);
    if (st->st_size > SECRET_MAX)
        return error_set(err, -EFBIG, "%s has more than %d bytes", path, SECRET_MAX);
    return 0;
}

int secret_look(const char *path, struct error *err)
{
    struct stat st;
    if (stat(path, &st) < 0 || access(path, R_OK) < 0)
        return error_set(err, -errno, "%s: %s", path, strerror(errno));
    return check_status(&st, path, err);
}

static int check_file(int fd, const char *path, size_t *ret_size, struct error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return error_set(err, -errno, "%s: %s", path, strerror(errno));
    int r = check_status(&st, path, err);
    if (r == 0 && st.st_uid != 0 && st.st_uid != geteuid())
        r = error_set(err, -EPERM, "%s belongs to uid %u: it must be root's or the daemon's", path,
                      (unsigned)st.st_uid);
    *ret_size = (size_t)st.st_size;
    return r;
}

/* Up to `size` bytes, which is what there was a moment ago. The number, or a negative errno. */
static ssize_t read_all(int fd, char *data, size_t size)
{
    size_t len = 0;
    while (len < size) {
        ssize_t n = read(fd, data + len, size - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

static void strip_newline(char *data, size_t *len)
{
    if (*len == 0 || data[*len - 1] != '\n')
        return;
    data[--*len] = '\0';
    if (*len > 0 && data[*len - 1] == '\r')
        data[--*len] = '\0';
}

static int read_open(int fd, const char *path, char **ret_data, size_t *ret_len, struct error *err)
{
    size_t size = 0;
    int r = check_file(fd, path, &size, err);
    if (r < 0)
        return r;
    char *data = calloc(1, size + 1);
    if (!data)
        return error_set(err, -ENOMEM, "out of memory");
    ssize_t n = read_all(fd, data, size);
    size_t len = n > 0 ? (size_t)n : 0;
    strip_newline(data, &len);
    if (n >= 0 && len > 0) {
        *ret_data = data;
        *ret_len = len;
        return 0;
    }
    secret_free_len(&data, size);
    return n < 0 ? error_set(err, (int)n, "%s: %s", path, strerror((int)-n))
                 : error_set(err, -EINVAL, "%s is empty", path);
}

int secret_read(const char *path, char **ret_data, size_t *ret_len, struct error *err)
{
    /* Non-blocking: a FIFO without a writer would keep us. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return error_set(err, -errno, "%s: %s", path, strerror(errno));
    int r = read_open(fd, path, ret_data, ret_len, err);
    fd_close(&fd);
    return r;
}
