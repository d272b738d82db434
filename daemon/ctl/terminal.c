#include "ctl/terminal.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

void terminal_open(struct terminal *t)
{
    *t =
        (struct terminal){.fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY), .home = getpgrp()};
}

void terminal_close(struct terminal *t)
{
    fd_close(&t->fd);
}

bool terminal_is_ours(const struct terminal *t)
{
    return t->fd >= 0 && tcgetpgrp(t->fd) == t->home;
}

bool terminal_lend(struct terminal *t, pid_t group)
{
    if (!t->ours_known)
        t->ours_known = tcgetattr(t->fd, &t->ours) == 0;
    if (t->theirs_known)
        tcsetattr(t->fd, TCSADRAIN, &t->theirs);
    if (tcsetpgrp(t->fd, group) < 0)
        return false;
    t->lent = group;
    return true;
}

/* Not if our shell has given it to somebody else meanwhile. */
static bool is_theirs(const struct terminal *t)
{
    pid_t holder = tcgetpgrp(t->fd);
    return holder == t->lent || (holder > 0 && kill(-holder, 0) < 0 && errno == ESRCH);
}

bool terminal_take_back(struct terminal *t, bool restore)
{
    if (!t->lent)
        return false;
    if (is_theirs(t)) {
        t->theirs_known = tcgetattr(t->fd, &t->theirs) == 0;
        tcsetpgrp(t->fd, t->home);
        if (restore && t->ours_known)
            tcsetattr(t->fd, TCSADRAIN, &t->ours);
    }
    t->lent = 0;
    return true;
}
