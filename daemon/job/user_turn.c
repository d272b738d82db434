#include "job/user_turn.h"

#include "job/host.h"
#include "job/window.h"

/* The host looks for a job of the user's. 0 or -ENOMEM. */
static int wake_host(struct jobs *jobs, const char *name)
{
    struct host *host = host_get(jobs, name);
    if (!host)
        return -ENOMEM;
    host->offered = true;
    host_has_more(host);
    window_want(host); /* while it waits for its turn among the others, not only then */
    return 0;
}

/* Is it yet to be seen whether the host can start something? */
static bool is_moving(const struct jobs *jobs, const char *name)
{
    const struct host *host = host_find(jobs, name);
    const struct backlog_host *resting = host ? NULL : backlog_find(&jobs->backlog, name);
    if (host)
        return host->ready || host->loading || !list_empty(&host->hungry_link);
    return resting && !resting->blocked;
}

/* The host has been looked at, and has not started a job of the user's: the room is the next
 * one's. */
static void settle(struct jobs *jobs, struct user_wait *wait)
{
    struct host *host = host_find(jobs, wait->name);
    if (!host) {
        user_wait_end(wait);
        return;
    }
    bool more = wait->more;
    user_wait_stand(wait, &host->standing);
    if (!more)
        return;
    /* He may have had no room when it looked: it loads them itself, now or once it can. */
    host_has_more(host);
    wake_admit(&jobs->wake);
}

static void offer(struct user *user)
{
    struct jobs *jobs = user->jobs;
    struct user_wait *wait;
    list_for_each(e, &user->offers)
    {
        wait = container_of(e, struct user_wait, link);
        jobs->steps++;
        if (!is_moving(jobs, wait->name))
            settle(jobs, wait);
    }
    while ((wait = user_offer(user))) {
        jobs->steps++;
        if (wake_host(jobs, wait->name) < 0) {
            wake_recover(&jobs->wake); /* when the queue is read again, the rows are found */
            user_wait_free(wait);
        }
    }
}

void user_turns_offer(struct jobs *jobs)
{
    list_for_each(e, &jobs->users.open) offer(container_of(e, struct user, open));
}

static void release_user(struct user *user)
{
    struct jobs *jobs = user->jobs;
    tree_for_each(n, &user->hosts)
    {
        struct user_wait *wait = container_of(n, struct user_wait, entry.node);
        if (host_queued(jobs, wait->name) < 0)
            wake_recover(&jobs->wake); /* as above */
        user_wait_free(wait);
    }
}

void user_turns_release(struct jobs *jobs)
{
    tree_for_each(n, &jobs->users.by_uid)
    {
        struct user *user = container_of(n, struct user, entry.node);
        if (!user->max)
            release_user(user);
    }
}
