/* The host as a child process: started, awaited, and cleaned up after. Between process.c and process_host.c. */
#ifndef PENSTOCK_PARSE_PROCESS_HOST_H
#define PENSTOCK_PARSE_PROCESS_HOST_H

#include <sys/types.h>

#define HOST_FDS 5

/* Starts the host with a clean environment (PATH, LANG, HOME, and `extra`, a NULL-terminated list), default
 * signals, in a session of its own. fds[i] becomes its descriptor i, -1 /dev/null; nothing else is open in it.
 * 0 or a negative errno. Any thread. */
int host_start(const char *const *argv, const char *const *extra, const int fds[HOST_FDS],
               pid_t *ret_pid);

/* Waits for its end; its status as of waitpid(2). If it did not exit with 0 by itself, whatever it has left
 * behind is killed and gone when this returns. */
int host_wait(pid_t pid);

#endif
