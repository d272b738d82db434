#include "ctl/draft.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* NULL: out of memory. */
static char *name_beside(const char *path)
{
    char *dir_copy = strdup(path), *base_copy = strdup(path), *name = NULL;
    if (dir_copy && base_copy &&
        asprintf(&name, "%s/.%s.XXXXXX", dirname(dir_copy), basename(base_copy)) < 0)
        name = NULL;
    free(dir_copy);
    free(base_copy);
    return name;
}

int draft_open(struct draft *draft, const char *path)
{
    *draft = (struct draft){.path = path, .name = name_beside(path), .fd = -1};
    if (!draft->name)
        return -ENOMEM;
    draft->fd = mkostemp(draft->name, O_CLOEXEC);
    if (draft->fd >= 0)
        return 0;
    int r = -errno;
    free(draft->name);
    draft->name = NULL;
    return r;
}

static int sync_folder(const char *path)
{
    char *copy = strdup(path);
    int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int r = fd < 0 ? -errno : fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
    fd_close(&fd);
    free(copy);
    return copy ? r : -ENOMEM;
}

/* A file system that cannot rename without replacing can link. */
static int put_new(const struct draft *draft)
{
    if (renameat2(AT_FDCWD, draft->name, AT_FDCWD, draft->path, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    if (link(draft->name, draft->path) < 0)
        return -errno;
    unlink(draft->name);
    return 0;
}

int draft_keep(struct draft *draft, bool replace, bool sync)
{
    int r = sync && fsync(draft->fd) < 0 ? -errno : 0;
    if (close(draft->fd) < 0 && r == 0)
        r = -errno;
    draft->fd = -1;
    if (r == 0)
        r = !replace ? put_new(draft) : rename(draft->name, draft->path) < 0 ? -errno : 0;
    if (r < 0)
        return r;
    free(draft->name);
    draft->name = NULL;
    return sync ? sync_folder(draft->path) : 0;
}

void draft_close(struct draft *draft)
{
    fd_close(&draft->fd);
    if (draft->name)
        unlink(draft->name);
    free(draft->name);
    draft->name = NULL;
}
