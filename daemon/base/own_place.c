#include "base/own_place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *own_place(char *buf, size_t size)
{
    snprintf(buf, size, "/tmp/penstock-%u", (unsigned)geteuid());
    return buf;
}

int own_place_check(const char *dir, struct error *err)
{
    struct stat st;
    if (lstat(dir, &st) < 0)
        return error_set(err, -errno, "%s: %s", dir, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return error_set(err, -ENOTDIR, "%s is no directory: remove it", dir);
    if (st.st_uid != geteuid())
        return error_set(err, -EPERM,
                         "%s belongs to another user (uid %u), who would hear everything: have it "
                         "removed, or set control.socket to another place",
                         dir, (unsigned)st.st_uid);
    if (st.st_mode & 077)
        return error_set(err, -EPERM, "%s is open to others (mode %04o): chmod 700 %s", dir,
                         (unsigned)(st.st_mode & 07777), dir);
    return 0;
}
