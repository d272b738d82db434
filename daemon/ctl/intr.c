#include "ctl/intr.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static int ends[2] = {-1, -1};
static volatile sig_atomic_t came;

static void on_sigint(int signo)
{
    (void)signo;
    int saved = errno;
    came = 1;
    if (write(ends[1], "", 1) < 0) {
        /* the pipe is full: it is readable, and that is what it is for */
    }
    errno = saved;
}

int intr_catch(void)
{
    struct sigaction old,
        action = {.sa_handler = on_sigint}; /* no SA_RESTART: write(2) shall end */
    if (ends[0] >= 0)
        return 0;
    if (sigaction(SIGINT, NULL, &old) < 0)
        return -errno;
    if (old.sa_handler == SIG_IGN)
        return 0;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGINT, &action, NULL) < 0 ? -errno : 0;
}

int intr_fd(void)
{
    return ends[0];
}

bool intr_came(void)
{
    return came != 0;
}
