#include "terms/quota.h"

#include "terms/access.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>

#define GROUP_TEXT_MAX ((size_t)1 << 20) /* of a group with its users */

/* --- looking up ------------------------------------------------------------------------------- */

static int compare_ids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* A name that nobody has is left out: the database may list users of yesterday. */
static int set_members(struct settings_quota *section, char *const *names)
{
    size_t count = 0;
    while (names[count])
        count++;
    section->members = calloc(count + 1, sizeof *section->members);
    if (!section->members)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        int r = access_look_up(names[i], false, &section->members[section->member_count]);
        if (r == -ENOMEM)
            return r;
        section->member_count += r == 0;
    }
    qsort(section->members, section->member_count, sizeof *section->members, compare_ids);
    return 0;
}

/* A group that is given as a number need not have a name, and has no list then. */
static int look_up_members(struct settings_quota *section)
{
    struct group group, *found = NULL;
    char *text = NULL;
    int r = ERANGE;
    for (size_t size = 4096; r == ERANGE && size <= GROUP_TEXT_MAX; size *= 4) {
        char *more = realloc(text, size);
        if (!more) {
            free(text);
            return -ENOMEM;
        }
        text = more;
        r = getgrgid_r(section->id, &group, text, size, &found);
    }
    r = found ? set_members(section, group.gr_mem) : 0;
    free(text);
    return r;
}

int quota_look_up(struct settings_quota *section, struct error *err)
{
    const char *what = section->group ? "group" : "user";
    int r = access_look_up(section->name, section->group, &section->id);
    if (r == -ENOENT || r == -ESRCH)
        return error_set(err, -EINVAL, "there is no %s %.128s here", what, section->name);
    if (r < 0 && r != -ENOMEM)
        return error_set(err, -EINVAL, "the %s %.128s cannot be looked up", what, section->name);
    return r == 0 && section->group ? look_up_members(section) : r;
}

/* --- who has what ----------------------------------------------------------------------------- */

/* Users first: a user's own section ends the search. */
static int users_first(const void *a, const void *b)
{
    const struct settings_quota *x = a, *y = b;
    if (x->group != y->group)
        return x->group ? 1 : -1;
    return x->id < y->id ? -1 : x->id > y->id;
}

void quotas_sort(struct settings *settings)
{
    if (settings->quota_count > 0)
        qsort(settings->quotas, settings->quota_count, sizeof *settings->quotas, users_first);
}

static bool has_member(const struct settings_quota *group, uint32_t uid, uint32_t gid)
{
    return group->id == gid ||
           (group->member_count > 0 && bsearch(&uid, group->members, group->member_count,
                                               sizeof *group->members, compare_ids));
}

/* The more generous of each limit. */
static void take(struct quota *quota, const struct settings_quota *section)
{
    if (!quota->jobs || quota_is_more(section->max_jobs, quota->max_jobs)) {
        quota->max_jobs = section->max_jobs;
        quota->jobs = section;
    }
    if (!quota->running || quota_is_more(section->max_running, quota->max_running)) {
        quota->max_running = section->max_running;
        quota->running = section;
    }
    if (!quota->priority || section->max_priority > quota->max_priority) {
        quota->max_priority = section->max_priority;
        quota->priority = section;
    }
}

void quota_of(const struct settings *settings, uint32_t uid, uint32_t gid, struct quota *ret_quota)
{
    *ret_quota = (struct quota){.max_priority = QUOTA_ANY_PRIORITY};
    for (size_t i = 0; i < settings->quota_count; i++) {
        const struct settings_quota *section = &settings->quotas[i];
        if (!section->group && section->id == uid) {
            *ret_quota = (struct quota){.max_jobs = section->max_jobs,
                                        .max_running = section->max_running,
                                        .max_priority = section->max_priority,
                                        .jobs = section,
                                        .running = section,
                                        .priority = section};
            return;
        }
        if (section->group && has_member(section, uid, gid))
            take(ret_quota, section);
    }
}

const char *quota_name(const struct settings_quota *section, char *buf, size_t size)
{
    snprintf(buf, size, "[%s \"%.64s\"]", section->group ? "group" : "user", section->name);
    return buf;
}
