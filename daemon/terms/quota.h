/* What one user may have in the queue: the sections [user "NAME"] and [group "NAME"]. A user with a
 * section of his own has what that says, and no more. Any other has, of the sections of all groups
 * that he is in, the most generous of each limit; a section that does not give a limit sets none.
 * Whoever is in no section has no limit. The users of a group are those that the system's group
 * database lists when the config is read, and those whose connection had that group as its own.
 * Immutable once loaded. Any thread. */
#ifndef PENSTOCK_TERMS_QUOTA_H
#define PENSTOCK_TERMS_QUOTA_H

#include "base/error.h"
#include "terms/settings.h"

#include <stdbool.h>
#include <stdint.h>

struct quota {
    uint64_t max_jobs;    /* not ended; 0: no limit */
    uint64_t max_running; /* at once; 0: no limit */
    int64_t max_priority; /* QUOTA_ANY_PRIORITY: no limit */
    /* Whose limits these are; NULL: nobody's. */
    const struct settings_quota *jobs, *running, *priority;
};

#define QUOTA_ANY_PRIORITY 1000

/* Looks the section's name up, and a group's users (which may ask a name service, and block). 0;
 * -EINVAL with a message in *err; -ENOMEM. */
int quota_look_up(struct settings_quota *section, struct error *err);

/* Brings the sections into the order that quota_of needs. */
void quotas_sort(struct settings *settings);

/* Is this limit higher than that one? 0 is none at all. */
static inline bool quota_is_more(uint64_t max, uint64_t than)
{
    return than && (!max || max > than);
}

void quota_of(const struct settings *settings, uint32_t uid, uint32_t gid, struct quota *ret_quota);

/* "[user "anna"]", into a buffer of the caller's. */
const char *quota_name(const struct settings_quota *section, char *buf, size_t size);

#endif
