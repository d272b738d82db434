#include "base/log.h"

#include "base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_int max_level = LOG_LEVEL_INFO;

static const struct {
    const char *name;
    enum log_level level;
} levels[] = {
    {"error", LOG_LEVEL_ERROR},
    {"warning", LOG_LEVEL_WARNING},
    {"info", LOG_LEVEL_INFO},
    {"debug", LOG_LEVEL_DEBUG},
};

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&max_level, (int)level, memory_order_relaxed);
}

int log_level_parse(const char *name, enum log_level *ret_level)
{
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (strcmp(levels[i].name, name) == 0) {
            *ret_level = levels[i].level;
            return 0;
        }
    return -EINVAL;
}

static int put_prefix(char *line, size_t size, enum log_level level)
{
    if (getenv("JOURNAL_STREAM"))
        return snprintf(line, size, "<%d>", (int)level);
    char stamp[CLOCK_STAMP_SIZE];
    clock_stamp(clock_real_us(), stamp);
    const char *name = "";
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (levels[i].level == level)
            name = levels[i].name;
    return snprintf(line, size, "%s penstockd %s: ", stamp, name);
}

void log_at(enum log_level level, const char *fmt, ...)
{
    if ((int)level > atomic_load_explicit(&max_level, memory_order_relaxed))
        return;
    int saved = errno; /* a diagnostic must not change what its caller looks at next */
    char line[2048];
    int n = put_prefix(line, sizeof line, level);
    va_list ap;
    va_start(ap, fmt);
    int m = vsnprintf(line + n, sizeof line - (size_t)n, fmt, ap);
    va_end(ap);
    size_t len = (size_t)n + (m > 0 ? (size_t)m : 0);
    if (len > sizeof line - 2)
        len = sizeof line - 2;
    for (char *p = line; p < line + len; p++)
        if (*p == '\n' || *p == '\r')
            *p = ' ';
    line[len++] = '\n';
    /* Nobody is left to be told when standard error itself fails. */
    if (write(STDERR_FILENO, line, len) < 0)
        (void)0;
    errno = saved;
}
