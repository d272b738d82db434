/* Which clients may do what, by the uid and the groups of the control socket's peer ([control]
 * submit_users, submit_groups, admin_users, admin_groups). Who can connect at all is the socket's
 * mode. Immutable. Any thread. */
#ifndef PENSTOCK_SPEC_ACCESS_H
#define PENSTOCK_SPEC_ACCESS_H

#include "base/error.h"
#include "terms/field.h"

#include <stdbool.h>
#include <stdint.h>

struct access;

/* Who asks: SO_PEERCRED and SO_PEERGROUPS of the connection. */
struct peer {
    uint32_t uid, gid;
    int32_t pid;
    const uint32_t *groups; /* the connection's, which outlives its calls and its follower */
    size_t group_count;
};

struct access_lists {
    const struct strings *submit_users, *submit_groups, *admin_users, *admin_groups;
};

/* Looks the names up (which may ask a name service, and block). 0; -EINVAL with a message in *err
 * that begins with the key; -ENOMEM. */
int access_new(const struct access_lists *lists, struct access **ret_access, struct error *err);
void access_free(struct access *access); /* takes NULL */

/* The id of a user or a group, by its name or its number. 0; -ENOENT or -ESRCH: there is none; or
 * another negative errno. May block. */
int access_look_up(const char *name, bool group, uint32_t *ret_id);

/* Root and the daemon's own user may do everything; with empty lists, so may everybody. */

/* Submit and retry jobs. Those that are listed as administrators may as well. */
bool access_may_submit(const struct access *access, const struct peer *peer);
/* See, cancel and retry other users' jobs; pause, resume and reload. */
bool access_may_administer(const struct access *access, const struct peer *peer);
/* The same, but with empty lists nobody else is: to do what would hit others unawares. */
bool access_is_administrator(const struct access *access, const struct peer *peer);
/* See and cancel a job of this uid. */
bool access_may_see(const struct access *access, const struct peer *peer, uint32_t uid);

#endif
