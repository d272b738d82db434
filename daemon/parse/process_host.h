/* The host as a child process: started, awaited, and cleaned up after. Between process.c and
 * process_host.c. */
#ifndef PENSTOCK_PARSE_PROCESS_HOST_H
#define PENSTOCK_PARSE_PROCESS_HOST_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HOST_FDS 5

/* Starts the host with a clean environment (PATH, LANG, HOME, and `extra`, a NULL-terminated list),
 * default signals, in a session of its own. fds[i] becomes its descriptor i, -1 /dev/null; nothing
 * else is open in it. 0 or a negative errno. Any thread. */
int host_start(const char *const *argv, const char *const *extra, const int fds[HOST_FDS],
               pid_t *ret_pid);

/* Waits for its end; its status as of waitpid(2). If it did not exit with 0 by itself, whatever it
 * has left behind is killed and gone when this returns. */
int host_wait(pid_t pid);

/* The program that hosts: penstock-host beside this program's own file, else where it is installed.
 * For tests: another one; the string must stay. */
const char *process_host(void);
void process_set_host(const char *path);

/* Runs the host with arguments (argv[0] is replaced), and reads its standard output to the end, at
 * most `max` bytes, within `timeout` ns. 0 and its text, NUL-terminated, or a negative errno with a
 * message in *err; what it said on standard error is part of that. Blocks: not for loop threads. */
int process_ask(const char *const *argv, size_t max, uint64_t timeout, char **ret_text,
                struct error *err);

/* The process ends: who asks, now or later, soon has -ECANCELED. Any thread. */
void process_stop_asking(void);

#endif
