/* The terminal of a job whose command runs in a group of its own: lent to the command's group and
 * taken back, with its settings, as a shell with job control does (termios(3), tcsetpgrp(3)). One
 * thread; SIGTTOU is blocked or ignored. */
#ifndef PENSTOCK_CTL_TERMINAL_H
#define PENSTOCK_CTL_TERMINAL_H

#include <stdbool.h>
#include <sys/types.h>
#include <termios.h>

struct terminal {
    int fd;     /* /dev/tty; -1: there is none, and then nothing here does anything */
    pid_t home; /* the job's own group, which has the terminal or not, as its shell says */
    pid_t lent; /* the command's group, while it has the terminal; 0 */
    struct termios ours, theirs;
    bool ours_known, theirs_known;
};

void terminal_open(struct terminal *t);
void terminal_close(struct terminal *t);

/* The job is in the foreground: the terminal is its to lend. */
bool terminal_is_ours(const struct terminal *t);

/* Gives it to the command's group, with the settings that this had before, if it had it. False: it
 * cannot be. */
bool terminal_lend(struct terminal *t, pid_t group);

/* Takes it back if it is lent, and with `restore` sets it as it was when it was first lent. Was it
 * lent? */
bool terminal_take_back(struct terminal *t, bool restore);

#endif
