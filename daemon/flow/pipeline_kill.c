/* A process that has a SIGSTOP pending runs no more code of its own, wherever it is in the kernel;
 * and one that forks meanwhile either has its child in the next look, or its fork is undone. So
 * once a look finds nobody new, all stand still together, and can be killed in any order. */
#include "flow/pipeline_kill.h"

#include "flow/proc.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define LOOKS_MAX 100  /* what still forks then is killed as it comes */
#define ROOM      8192 /* processes that a look has room for from the start */

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

/* What killing needs, taken by pipeline_prepare. */
static struct {
    pthread_mutex_t lock;
    bool ready;
    struct proc proc;
    struct look looks[2];
} means = {.lock = PTHREAD_MUTEX_INITIALIZER, .proc = {-1, -1}};

/* --- what is had from the start --------------------------------------------------------------- */

static int look_init(struct look *look)
{
    if (look->items)
        return 0;
    void *items = mmap(NULL, ROOM * sizeof(struct seen), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (items == MAP_FAILED)
        return -errno;
    *look = (struct look){.items = items, .size = ROOM};
    return 0;
}

static int look_grow(struct look *look)
{
    size_t size = look->size * sizeof *look->items;
    void *items = mremap(look->items, size, 2 * size, MREMAP_MAYMOVE);
    if (items == MAP_FAILED)
        return -errno;
    look->items = items;
    look->size *= 2;
    return 0;
}

int pipeline_prepare(void)
{
    int r = 0;
    pthread_mutex_lock(&means.lock);
    if (!means.ready) {
        r = look_init(&means.looks[0]);
        if (r == 0)
            r = look_init(&means.looks[1]);
        if (r == 0)
            r = proc_open(&means.proc);
        means.ready = r == 0;
    }
    pthread_mutex_unlock(&means.lock);
    return r == -ENOENT ? 0 : r;
}

/* --- /proc ------------------------------------------------------------------------------------ */

/* /proc/PID/stat: `PID (NAME) STATE PPID PGRP SESSION …`, where NAME may hold anything. 1, 0: it is
 * gone, or -errno. */
static int read_process(struct proc *proc, const char *pid, struct pipeline_process *ret)
{
    char text[512];
    int parent, group, session, r = proc_read(proc, pid, "stat", text, sizeof text);
    const char *end = r > 0 ? strrchr(text, ')') : NULL;
    if (!end || sscanf(end, ") %*c %d %d %d", &parent, &group, &session) != 3)
        return r < 0 ? r : 0;
    *ret = (struct pipeline_process){(pid_t)atoi(pid), parent, session};
    return 1;
}

/* Until the system may have again what it lacked. */
static void nap(void)
{
    const struct timespec time = {.tv_nsec = 10 * 1000000};
    nanosleep(&time, NULL);
}

struct search {
    root_fn root;
    void *arg;
    pid_t found;
};

static int match(struct proc *proc, const char *pid, void *arg)
{
    struct search *search = arg;
    struct pipeline_process process;
    int r = read_process(proc, pid, &process);
    if (r > 0 && search->root(&process, search->arg))
        search->found = process.pid;
    return r < 0 ? r : search->found > 0;
}

pid_t pipeline_find(root_fn root, void *arg)
{
    struct search search = {root, arg, 0};
    pthread_mutex_lock(&means.lock);
    while (means.ready && proc_each(&means.proc, match, &search) < 0)
        nap();
    pthread_mutex_unlock(&means.lock);
    return search.found;
}

/* --- looking ---------------------------------------------------------------------------------- */

static int add(struct proc *proc, const char *pid, void *arg)
{
    struct look *look = arg;
    struct pipeline_process process;
    int r = read_process(proc, pid, &process);
    if (r <= 0)
        return r;
    if (look->count == look->size && (r = look_grow(look)) < 0)
        return r;
    look->items[look->count++] = (struct seen){.process = process};
    return 0;
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

/* Under the lock. */
static int slay(root_fn root, void *arg)
{
    struct look *look = &means.looks[0], *before = &means.looks[1];
    size_t fresh = 1;
    look->count = 0;
    for (int i = 0; fresh > 0 && i < LOOKS_MAX; i++) {
        struct look *swap = before;
        before = look;
        look = swap;
        look->count = 0;
        int r = proc_each(&means.proc, add, look);
        if (r < 0)
            return r;
        doom(look, root, arg);
        fresh = stop_new(look, before);
    }
    for (size_t i = 0; i < look->count; i++)
        if (look->items[i].doomed)
            kill(look->items[i].process.pid, SIGKILL);
    return 0;
}

void pipeline_slay(root_fn root, void *arg)
{
    pthread_mutex_lock(&means.lock);
    while (means.ready && slay(root, arg) < 0)
        nap();
    pthread_mutex_unlock(&means.lock);
}
