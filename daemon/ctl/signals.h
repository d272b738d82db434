/* The signals that whoever started us had ignored, as nohup does with SIGHUP and a shell with
 * SIGINT and SIGQUIT of what it starts in the background: they stay ignored, here and in what is
 * started from here. */
#ifndef PENSTOCK_CTL_SIGNALS_H
#define PENSTOCK_CTL_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/* Once, before anything else sets a signal's action. */
void signals_note(void);

bool signals_ignored(int signo);
const sigset_t *signals_all_ignored(void);

#endif
