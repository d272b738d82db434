#include "base/self.h"

#include "base/clock.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Of /proc/self/stat, what stands behind the name, which may hold anything. */
static void look_at_threads(struct self *self)
{
    char text[1024];
    unsigned long long threads;
    FILE *file = fopen("/proc/self/stat", "re");
    size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[len] = '\0';
    const char *rest = strrchr(text, ')');
    if (rest && sscanf(rest + 1,
                       " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %llu",
                       &threads) == 1)
        self->threads = threads;
}

static void look_at_memory(struct self *self)
{
    unsigned long long size, resident, page = (unsigned long long)sysconf(_SC_PAGESIZE);
    FILE *file = fopen("/proc/self/statm", "re");
    if (file && fscanf(file, "%llu %llu", &size, &resident) == 2) {
        self->address_space = size * page;
        self->resident = resident * page;
    }
    if (file)
        fclose(file);
}

static void look_at_fds(struct self *self)
{
    struct rlimit limit;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir))
        self->open_fds++;
    if (dir) {
        self->open_fds -= 3; /* ".", ".." and the directory's own */
        closedir(dir);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        self->max_fds = limit.rlim_cur;
}

void self_look(struct self *ret_self)
{
    struct rusage usage;
    *ret_self = (struct self){0};
    look_at_threads(ret_self);
    look_at_memory(ret_self);
    look_at_fds(ret_self);
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        ret_self->cpu_ns = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NS_PER_SEC +
                           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}
