/* Diagnostics: one line each to standard error, by a single write(2), from any thread. Under
 * systemd (JOURNAL_STREAM is set) a line begins with its <level>, else with a time stamp. Nothing
 * in base/ or flow/ logs: there an error is returned. Secrets never come here (invariant 7). */
#ifndef PENSTOCK_BASE_LOG_H
#define PENSTOCK_BASE_LOG_H

enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7
};

/* Sets what is printed at all; LOG_LEVEL_INFO at first. Any thread. */
void log_set_level(enum log_level level);

/* "error", "warning", "info", "debug" -> 0 and *ret_level, else -EINVAL. */
int log_level_parse(const char *name, enum log_level *ret_level);

void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
