#include "ctl/signals.h"

static sigset_t ignored;

void signals_note(void)
{
    struct sigaction action;
    sigemptyset(&ignored);
    for (int i = 1; i < NSIG; i++)
        if (sigaction(i, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            sigaddset(&ignored, i);
}

bool signals_ignored(int signo)
{
    return sigismember(&ignored, signo) == 1;
}

const sigset_t *signals_all_ignored(void)
{
    return &ignored;
}
