#include "ctl/intr.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static int ends[2] = {-1, -1};
static volatile sig_atomic_t came, last; /* how many; the number of the last one */
static sig_atomic_t taken;               /* of them */

static void on_signal(int signo)
{
    int saved = errno;
    came++;
    last = signo;
    if (write(ends[1], "", 1) < 0) {
        /* the pipe is full: it is readable, and that is what it is for */
    }
    errno = saved;
}

static int catch_signal(int signo)
{
    struct sigaction old,
        action = {.sa_handler = on_signal}; /* no SA_RESTART: write(2) shall end */
    if (sigaction(signo, NULL, &old) < 0)
        return -errno;
    if (old.sa_handler == SIG_IGN)
        return 0;
    if (ends[0] < 0 && pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    sigfillset(&action.sa_mask); /* one at a time writes the counts */
    return sigaction(signo, &action, NULL) < 0 ? -errno : 0;
}

int intr_catch(void)
{
    return catch_signal(SIGINT);
}

int intr_catch_all(void)
{
    int r = catch_signal(SIGINT);
    if (r == 0)
        r = catch_signal(SIGTERM);
    return r == 0 ? catch_signal(SIGHUP) : r;
}

void intr_release(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action;
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        if (sigaction(signals[i], NULL, &action) == 0 && action.sa_handler == on_signal)
            signal(signals[i], SIG_DFL);
}

int intr_fd(void)
{
    return ends[0];
}

bool intr_came(void)
{
    return came != taken;
}

void intr_take(void)
{
    char bytes[64];
    while (read(ends[0], bytes, sizeof bytes) > 0) {
        /* one that comes meanwhile is counted, and not taken below */
    }
    taken++;
}

int intr_status(void)
{
    return 128 + last;
}
