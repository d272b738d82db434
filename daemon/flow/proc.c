#include "flow/proc.h"

#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

/* A file of its own, not a copy: it also keeps a place in the kernel's table of open files. */
static void take_spare(struct proc *p)
{
    if (p->spare < 0)
        p->spare = openat(p->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int proc_open(struct proc *p)
{
    *p = PROC_INIT;
    p->dir = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (p->dir < 0)
        return -errno;
    take_spare(p);
    if (p->spare >= 0)
        return 0;
    int r = -errno;
    fd_close(&p->dir);
    return r;
}

void proc_close(struct proc *p)
{
    fd_close(&p->dir);
    fd_close(&p->spare);
}

/* The spare descriptor's place is used if there is no other. */
static int open_file(struct proc *p, const char *path)
{
    int fd = openat(p->dir, path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 || (errno != EMFILE && errno != ENFILE) || p->spare < 0)
        return fd >= 0 ? fd : -errno;
    fd_close(&p->spare);
    fd = openat(p->dir, path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

static int judge(int r)
{
    return r == -ENOENT || r == -ESRCH || r == -EACCES || r == -EPERM ? 0 : r;
}

int proc_read(struct proc *p, const char *pid, const char *file, char *ret_text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "%.20s/%.20s", pid, file);
    ret_text[0] = '\0';
    int fd = open_file(p, path);
    if (fd >= 0) {
        ssize_t n = read(fd, ret_text, size - 1);
        int r = n < 0 ? judge(-errno) : (int)n;
        ret_text[n > 0 ? n : 0] = '\0';
        fd_close(&fd);
        take_spare(p);
        return r;
    }
    take_spare(p);
    return judge(fd);
}

int proc_each(struct proc *p, int (*each)(struct proc *p, const char *pid, void *arg), void *arg)
{
    _Alignas(struct dirent64) char data[8192];
    ssize_t n;
    int r = 0;
    if (lseek(p->dir, 0, SEEK_SET) < 0)
        return -errno;
    while (r == 0 && (n = getdents64(p->dir, data, sizeof data)) != 0) {
        if (n < 0)
            return -errno;
        for (ssize_t at = 0; r == 0 && at < n;) {
            const struct dirent64 *entry = (const struct dirent64 *)(data + at);
            at += entry->d_reclen;
            if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
                r = each(p, entry->d_name, arg);
        }
    }
    return r;
}
