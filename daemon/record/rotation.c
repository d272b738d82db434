#include "record/rotation.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

/* 1: PATH is the name of what `fd` has open. 0: it is another's by now, or nobody's. A link is not
 * moved: the file that it leads to would keep its name, and /dev/stdout is a link, too. */
static int is_ours(const char *path, int fd)
{
    struct stat mine, there;
    if (fstat(fd, &mine) < 0)
        return -errno;
    if (lstat(path, &there) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (S_ISLNK(there.st_mode))
        return -ELOOP;
    return mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

/* PATH.N; PATH itself for 0. */
static int numbered(const char *path, unsigned n, char *ret, size_t size)
{
    int len = n == 0 ? snprintf(ret, size, "%s", path) : snprintf(ret, size, "%s.%u", path, n);
    return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : 0;
}

/* From the oldest on, so that none is replaced but the one that goes. A crash in between leaves a
 * number free, which the next rotation passes over. */
int rotation_move(const char *path, int fd, unsigned keep)
{
    char from[PATH_MAX], to[PATH_MAX];
    int r = is_ours(path, fd);
    if (r <= 0)
        return r;
    for (unsigned n = keep; n > 0; n--) {
        r = numbered(path, n - 1, from, sizeof from);
        if (r == 0)
            r = numbered(path, n, to, sizeof to);
        if (r == 0 && rename(from, to) < 0 && errno != ENOENT)
            r = -errno;
        if (r < 0)
            return r;
    }
    return 0;
}
