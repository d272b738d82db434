#include "terms/access.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ids {
    uint32_t *items;
    size_t count;
};

struct list_of {
    struct ids users, groups;
};

struct access {
    struct list_of submit, admin;
    uid_t own;
};

/* --- names ------------------------------------------------------------------------------------ */

static bool number(const char *text, uint32_t *ret_id)
{
    char *end;
    errno = 0;
    unsigned long long id = strtoull(text, &end, 10);
    if (errno || end == text || *end || text[0] < '0' || text[0] > '9' || id >= UINT32_MAX)
        return false;
    *ret_id = (uint32_t)id;
    return true;
}

/* 0, -ENOENT or another negative errno. */
static int look_up(const char *name, bool group, char *buf, size_t size, uint32_t *ret_id)
{
    struct passwd user, *found_user = NULL;
    struct group grp, *found_group = NULL;
    int r = group ? getgrnam_r(name, &grp, buf, size, &found_group)
                  : getpwnam_r(name, &user, buf, size, &found_user);
    if (found_group)
        *ret_id = found_group->gr_gid;
    else if (found_user)
        *ret_id = found_user->pw_uid;
    else
        return r ? -r : -ENOENT;
    return 0;
}

int access_look_up(const char *name, bool group, uint32_t *ret_id)
{
    if (number(name, ret_id))
        return 0;
    size_t size = 1024;
    int r = -ERANGE;
    while (r == -ERANGE && size <= (1u << 20)) { /* a group's members may be many */
        size *= 4;
        char *buf = malloc(size);
        if (!buf)
            return -ENOMEM;
        r = look_up(name, group, buf, size, ret_id);
        free(buf);
    }
    return r;
}

static int read_ids(const char *key, const struct strings *names, bool group, struct ids *ids,
                    struct error *err)
{
    ids->items = calloc(names->count + 1, sizeof *ids->items);
    if (!ids->items)
        return error_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < names->count; i++) {
        int r = access_look_up(names->items[i], group, &ids->items[i]);
        if (r == -ENOMEM)
            return error_set(err, r, "out of memory");
        if (r == -ENOENT || r == -ESRCH)
            return error_set(err, -EINVAL, "control.%s: there is no %s %s", key,
                             group ? "group" : "user", names->items[i]);
        if (r < 0)
            return error_set(err, -EINVAL, "control.%s: %s cannot be looked up: %s", key,
                             names->items[i], strerror(-r));
        ids->count++;
    }
    return 0;
}

int access_new(const struct access_lists *lists, struct access **ret_access, struct error *err)
{
    struct access *a = calloc(1, sizeof *a);
    if (!a)
        return error_set(err, -ENOMEM, "out of memory");
    a->own = geteuid();
    int r = read_ids("submit_users", lists->submit_users, false, &a->submit.users, err);
    if (r == 0)
        r = read_ids("submit_groups", lists->submit_groups, true, &a->submit.groups, err);
    if (r == 0)
        r = read_ids("admin_users", lists->admin_users, false, &a->admin.users, err);
    if (r == 0)
        r = read_ids("admin_groups", lists->admin_groups, true, &a->admin.groups, err);
    if (r < 0) {
        access_free(a);
        return r;
    }
    *ret_access = a;
    return 0;
}

void access_free(struct access *access)
{
    if (!access)
        return;
    free(access->submit.users.items);
    free(access->submit.groups.items);
    free(access->admin.users.items);
    free(access->admin.groups.items);
    free(access);
}

/* --- judging ---------------------------------------------------------------------------------- */

static bool has(const struct ids *ids, uint32_t id)
{
    for (size_t i = 0; i < ids->count; i++)
        if (ids->items[i] == id)
            return true;
    return false;
}

static bool empty(const struct list_of *list)
{
    return list->users.count == 0 && list->groups.count == 0;
}

static bool listed(const struct list_of *list, const struct peer *peer)
{
    if (has(&list->users, peer->uid) || has(&list->groups, peer->gid))
        return true;
    for (size_t i = 0; i < peer->group_count; i++)
        if (has(&list->groups, peer->groups[i]))
            return true;
    return false;
}

static bool is_master(const struct access *access, const struct peer *peer)
{
    return peer->uid == 0 || peer->uid == access->own;
}

bool access_may_submit(const struct access *access, const struct peer *peer)
{
    return is_master(access, peer) || empty(&access->submit) || listed(&access->submit, peer) ||
           listed(&access->admin, peer);
}

bool access_may_administer(const struct access *access, const struct peer *peer)
{
    return is_master(access, peer) || empty(&access->admin) || listed(&access->admin, peer);
}

bool access_is_administrator(const struct access *access, const struct peer *peer)
{
    return is_master(access, peer) || listed(&access->admin, peer);
}

bool access_may_see(const struct access *access, const struct peer *peer, uint32_t uid)
{
    return peer->uid == uid || access_may_administer(access, peer);
}
