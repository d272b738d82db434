/* A process that has a SIGSTOP pending runs no more code of its own, wherever it is in the kernel; and one that
 * forks meanwhile either has its child in the next look, or its fork is undone. So once a look finds nobody
 * new, all stand still together, and can be killed in any order. */
#include "flow/pipeline.h"

#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOKS_MAX 100 /* what still forks then is killed as it comes */

typedef bool (*root_fn)(const struct pipeline_process *process, void *arg);

struct seen {
    struct pipeline_process process;
    bool doomed;
};

/* All processes, in order of their numbers, which is how /proc lists them. */
struct look {
    struct seen *items;
    size_t count, size;
};

/* --- /proc ---------------------------------------------------------------------------------------- */

/* /proc/PID/stat: `PID (NAME) STATE PPID PGRP SESSION …`, where NAME may hold anything. */
static bool read_process(int proc, const char *name, struct pipeline_process *ret)
{
    char path[64], text[512];
    int parent, group, session;
    if (name[0] < '1' || name[0] > '9')
        return false;
    snprintf(path, sizeof path, "%.20s/stat", name);
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    fd_close(&fd);
    text[n > 0 ? n : 0] = '\0';
    const char *end = strrchr(text, ')');
    if (!end || sscanf(end, ") %*c %d %d %d", &parent, &group, &session) != 3)
        return false;
    *ret = (struct pipeline_process){(pid_t)atoi(name), parent, session};
    return true;
}

/* Calls `each` until it says false. */
static void for_all(bool (*each)(const struct pipeline_process *process, void *arg), void *arg)
{
    struct pipeline_process process;
    bool more = true;
    DIR *proc = opendir("/proc");
    if (!proc)
        return;
    for (struct dirent *e; more && (e = readdir(proc));)
        if (read_process(dirfd(proc), e->d_name, &process))
            more = each(&process, arg);
    closedir(proc);
}

struct search {
    root_fn root;
    void *arg;
    pid_t found;
};

static bool match(const struct pipeline_process *process, void *arg)
{
    struct search *search = arg;
    if (search->root(process, search->arg))
        search->found = process->pid;
    return search->found == 0;
}

pid_t pipeline_find(root_fn root, void *arg)
{
    struct search search = {root, arg, 0};
    for_all(match, &search);
    return search.found;
}

/* --- looking -------------------------------------------------------------------------------------- */

static bool add(const struct pipeline_process *process, void *arg)
{
    struct look *look = arg;
    if (look->count == look->size) {
        size_t size = look->size ? 2 * look->size : 256;
        struct seen *items = reallocarray(look->items, size, sizeof *items);
        if (!items)
            return false;
        look->items = items;
        look->size = size;
    }
    look->items[look->count++] = (struct seen){.process = *process};
    return true;
}

static struct seen *find(const struct look *look, pid_t pid)
{
    size_t low = 0, high = look->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (look->items[mid].process.pid == pid)
            return &look->items[mid];
        if (look->items[mid].process.pid < pid)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static void doom(const struct look *look, root_fn root, void *arg)
{
    bool more = true;
    for (size_t i = 0; i < look->count; i++)
        look->items[i].doomed = root(&look->items[i].process, arg);
    while (more) {
        more = false;
        for (size_t i = 0; i < look->count; i++) {
            struct seen *parent = find(look, look->items[i].process.parent);
            if (!look->items[i].doomed && parent && parent->doomed)
                more = look->items[i].doomed = true;
        }
    }
}

/* Stops those that the look before did not have. How many. */
static size_t stop_new(const struct look *look, const struct look *before)
{
    size_t count = 0;
    for (size_t i = 0; i < look->count; i++) {
        const struct seen *known = find(before, look->items[i].process.pid);
        if (!look->items[i].doomed || (known && known->doomed))
            continue;
        kill(look->items[i].process.pid, SIGSTOP);
        count++;
    }
    return count;
}

void pipeline_slay(root_fn root, void *arg)
{
    struct look before = {0}, look = {0};
    size_t fresh = 1;
    for (int i = 0; fresh > 0 && i < LOOKS_MAX; i++) {
        struct look swap = before;
        before = look;
        look = swap;
        look.count = 0;
        for_all(add, &look);
        doom(&look, root, arg);
        fresh = stop_new(&look, &before);
    }
    for (size_t i = 0; i < look.count; i++)
        if (look.items[i].doomed)
            kill(look.items[i].process.pid, SIGKILL);
    free(look.items);
    free(before.items);
}
