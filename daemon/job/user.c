#include "job/user.h"

#include "job/job.h"
#include "terms/quota.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void users_init(struct users *users)
{
    *users = (struct users){.full = 0};
    tree_init(&users->by_uid, tree_by_id);
    tree_init(&users->tight, tree_by_id);
    list_init(&users->open);
}

void users_deinit(struct users *users)
{
    tree_for_each(n, &users->by_uid)
    {
        struct user *user = container_of(n, struct user, entry.node);
        assert(user->running == 0 && user->folding == 0);
        tree_for_each(w, &user->hosts)
            user_wait_free(container_of(w, struct user_wait, entry.node));
        tree_remove(&users->by_uid, n);
        free(user);
    }
}

/* --- his limit -------------------------------------------------------------------------------- */

uint64_t user_room(const struct user *user)
{
    if (!user->max)
        return UINT64_MAX;
    return user->running < user->max ? user->max - user->running : 0;
}

/* What follows from the count, the limit and who waits, after each change of one of them. */
static void update(struct user *user)
{
    struct users *users = &user->jobs->users;
    bool waits = !list_empty(&user->waits) || user->offered > 0;
    bool full = user_room(user) == 0, tight = full || waits;
    users->full += full - user->is_full;
    user->is_full = full;
    if (tight && !user->is_tight)
        tree_insert(&users->tight, &user->tight.node);
    else if (!tight && user->is_tight)
        tree_remove(&users->tight, &user->tight.node);
    users->tight_count += tight - user->is_tight;
    user->is_tight = tight;
    if (user->offered > 0 || (waits && !full)) {
        if (list_empty(&user->open))
            list_add_tail(&users->open, &user->open);
        if (!user->jobs->over)
            wake_admit(&user->jobs->wake);
    } else {
        list_del(&user->open);
    }
}

static bool has_group(const struct user *user, uint32_t gid)
{
    for (unsigned i = 0; i < user->group_count; i++)
        if (user->groups[i] == gid)
            return true;
    return false;
}

/* Of the groups that his connections had, the most generous one counts; one without a section says
 * nothing. */
static void learn(struct user *user, uint32_t gid)
{
    struct quota quota;
    quota_of(user->jobs->settings, (uint32_t)user->entry.id, gid, &quota);
    if (!quota.running || (user->section[0] && !quota_is_more(quota.max_running, user->max)))
        return;
    user->max = quota.max_running;
    quota_name(quota.running, user->section, sizeof user->section);
}

struct user *user_find(const struct jobs *jobs, uint32_t uid)
{
    return tree_entry(tree_find_id(&jobs->users.by_uid, uid), struct user, entry.node);
}

static struct user *user_new(struct jobs *jobs, uint32_t uid)
{
    struct user *user = calloc(1, sizeof *user);
    if (!user)
        return NULL;
    user->jobs = jobs;
    user->entry.id = user->tight.id = uid;
    tree_init(&user->hosts, tree_by_name);
    list_init(&user->open);
    list_init(&user->waits);
    list_init(&user->offers);
    tree_insert(&jobs->users.by_uid, &user->entry.node);
    return user;
}

struct user *user_get(struct jobs *jobs, uint32_t uid, uint32_t gid)
{
    struct user *user = user_find(jobs, uid);
    if (user && has_group(user, gid))
        return user;
    if (!user && !(user = user_new(jobs, uid)))
        return NULL;
    user->group_count += user->group_count < USER_GROUPS;
    user->groups[user->group_count - 1] = gid;
    learn(user, gid);
    update(user);
    return user;
}

void users_limits_changed(struct jobs *jobs)
{
    tree_for_each(n, &jobs->users.by_uid)
    {
        struct user *user = container_of(n, struct user, entry.node);
        user->max = 0;
        user->section[0] = '\0';
        for (unsigned i = 0; i < user->group_count; i++)
            learn(user, user->groups[i]);
        update(user);
    }
}

/* --- his count -------------------------------------------------------------------------------- */

void user_run(struct user *user)
{
    user->running++;
    update(user);
}

void user_stop(struct user *user)
{
    assert(user->running > 0);
    user->running--;
    update(user);
}

static struct user_wait *wait_find(const struct user *user, const char *host)
{
    return tree_entry(tree_find_name(&user->hosts, host), struct user_wait, entry.node);
}

bool user_may_start(const struct user *user, const char *host)
{
    if (!user->max)
        return true;
    if (user->is_full)
        return false;
    if (!user->is_tight)
        return true;
    const struct user_wait *wait = wait_find(user, host);
    return wait && wait->state != WAIT_TURN;
}

bool user_stands(const struct user *user, const char *host)
{
    const struct user_wait *wait = wait_find(user, host);
    return wait && wait->state == WAIT_STANDING;
}

size_t user_wants(const struct user *user)
{
    if (user->is_full)
        return 0;
    return list_empty(&user->waits) && user->offered <= 1 ? (size_t)user_room(user) : 1;
}

/* --- hosts where he waits --------------------------------------------------------------------- */

static struct user_wait *wait_new(struct user *user, const char *host)
{
    size_t size = strlen(host) + 1;
    struct user_wait *wait = calloc(1, sizeof *wait + size);
    if (!wait)
        return NULL;
    memcpy(wait->name, host, size);
    wait->entry.name = wait->name;
    wait->user = user;
    list_init(&wait->link);
    tree_insert(&user->hosts, &wait->entry.node);
    return wait;
}

/* Into no list. */
static void wait_leave(struct user_wait *wait)
{
    wait->user->offered -= wait->state == WAIT_OFFERED;
    list_del(&wait->link);
}

static void wait_turn(struct user_wait *wait, bool first)
{
    struct list *waits = &wait->user->waits;
    wait->state = WAIT_TURN;
    if (first)
        list_add_head(waits, &wait->link);
    else
        list_add_tail(waits, &wait->link);
}

void user_wait_free(struct user_wait *wait)
{
    struct user *user = wait->user;
    wait_leave(wait);
    tree_remove(&user->hosts, &wait->entry.node);
    free(wait);
    update(user);
}

int user_pass_over(struct user *user, const char *host)
{
    struct user_wait *wait = wait_find(user, host);
    bool known = wait;
    if (!wait && !(wait = wait_new(user, host)))
        return -ENOMEM;
    wait->more = true;
    if (!known) {
        wait_turn(wait, false);
    } else if (wait->state != WAIT_TURN && user->is_full) { /* it had its turn, and could not */
        wait_leave(wait);
        wait_turn(wait, true);
    }
    update(user);
    return 0;
}

void user_started(struct user *user, const char *host)
{
    struct user_wait *wait = wait_find(user, host);
    if (wait)
        user_wait_end(wait);
}

void user_wait_end(struct user_wait *wait)
{
    if (!wait->more) {
        user_wait_free(wait);
        return;
    }
    wait_leave(wait);
    wait_turn(wait, false);
    update(wait->user);
}

void user_waits_end(struct list *standing)
{
    while (!list_empty(standing))
        user_wait_end(container_of(standing->next, struct user_wait, link));
}

struct user_wait *user_offer(struct user *user)
{
    if (user->offered >= USER_OFFERS || user->offered >= user_room(user) ||
        list_empty(&user->waits))
        return NULL;
    struct user_wait *wait = container_of(list_pop(&user->waits), struct user_wait, link);
    wait->state = WAIT_OFFERED;
    wait->more = false;
    user->offered++;
    list_add_tail(&user->offers, &wait->link);
    update(user);
    return wait;
}

void user_wait_stand(struct user_wait *wait, struct list *standing)
{
    struct user *user = wait->user;
    wait_leave(wait);
    wait->state = WAIT_STANDING;
    list_add_tail(standing, &wait->link);
    update(user);
}
