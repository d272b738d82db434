/* How many jobs of each user run, and whose jobs wait because max_running of [user "…"] or
 * [group "…"] run already (terms/quota.h). A data structure, which starts nothing. Control loop.
 *
 * The count is of the jobs that hold a permit, and follows their places: job_set_place and job_free
 * alone change it (job.c).
 *
 * A user who may not start another job waits by host: for each host where a job of his was passed
 * over there is one struct user_wait, by the host's name, and the rows are left in the store. So
 * such a host costs as little as one that rests, and needs no window. */
/* clang-format off */
/*
 *        a job of his is passed over              he has room
 *   (none) ----------------------> waiting, in turn ---------> offered: the host looks for a job
 *      ^                              ^     ^                    |          |
 *      |            he has no room    |     +--------------------+          | it cannot start one
 *      |                              |         he has no room              v
 *      +--- a job of his starts ------+------------------------------- standing: the next
 *           there, or it is gone                                       time that it can, it may
 */
/* clang-format on */
#ifndef PENSTOCK_JOB_USER_H
#define PENSTOCK_JOB_USER_H

#include "base/tree.h"

#include <stdbool.h>
#include <stdint.h>

struct jobs;

#define USER_GROUPS \
    16 /* of one user that are remembered; of more, the last one in place of another */
#define USER_OFFERS 16 /* hosts at most that look for a job of one user at the same time */

struct users {
    struct tree by_uid; /* struct user; they stay as long as the daemon */
    struct tree tight;  /* those whose jobs wait their turn, or would; by uid */
    size_t tight_count;
    struct list open; /* those who have room and wait, or have made offers */
    unsigned full;    /* how many have as many running as they may */
};

struct user {
    struct tree_id entry; /* users->by_uid */
    struct tree_id tight; /* users->tight, if is_tight */
    struct list open;     /* users->open */
    struct jobs *jobs;
    uint32_t groups[USER_GROUPS]; /* that his jobs were submitted as: each counts */
    unsigned group_count;
    uint64_t max;     /* at once; 0: no limit */
    char section[96]; /* "[user "anna"]": that says so; "": he is in none */
    unsigned running;
    unsigned folding; /* submissions of his that claim as well (claim.c) */
    bool is_tight, is_full;
    struct tree hosts;         /* struct user_wait, by name */
    struct list waits, offers; /* those that wait, and those that are offered room */
    unsigned offered;          /* the length of `offers` */
};

enum user_wait_state { WAIT_TURN, WAIT_OFFERED, WAIT_STANDING };

struct user_wait {
    struct tree_name entry; /* user->hosts */
    struct list link;       /* user->waits or user->offers; standing: host->standing */
    struct user *user;
    enum user_wait_state state;
    bool more; /* jobs of his were left in the store since it was offered last */
    char name[];
};

void users_init(struct users *users);
void users_deinit(struct users *users); /* none runs */

/* The user's, made if need be; that he is in this group is learnt. NULL: out of memory. */
struct user *user_get(struct jobs *jobs, uint32_t uid, uint32_t gid);
/* NULL: nothing is known of him. */
struct user *user_find(const struct jobs *jobs, uint32_t uid);
/* A reload: all limits are looked up again, for all groups that were seen. */
void users_limits_changed(struct jobs *jobs);

/* One more of his jobs runs, or one less. job.c alone. */
void user_run(struct user *user);
void user_stop(struct user *user);

/* How many more may start; UINT64_MAX: there is no limit. */
uint64_t user_room(const struct user *user);
/* His jobs that are new go behind those that wait. */
static inline bool user_is_tight(const struct user *user)
{
    return user->is_tight;
}
/* May a job of his start at this host? It may if he has room, and nobody waits in front. */
bool user_may_start(const struct user *user, const char *host);
/* Does the host stand, as above? */
bool user_stands(const struct user *user, const char *host);
/* How many rows of a host are worth to be loaded for him. */
size_t user_wants(const struct user *user);

/* A job of his was passed over at this host, or left in the store. 0 or -ENOMEM. */
int user_pass_over(struct user *user, const char *host);
/* A job of his has started there. */
void user_started(struct user *user, const char *host);

/* For user_turn.c. The next host that is to look for a job of his; NULL: he has no room, or none
 * waits. */
struct user_wait *user_offer(struct user *user);
/* The host that was offered room cannot start a job of his just now. */
void user_wait_stand(struct user_wait *wait, struct list *standing);
/* Nothing is to be known of the host any more: if jobs of his are left in the store, it has a turn
 * again. */
void user_wait_end(struct user_wait *wait);
void user_waits_end(struct list *standing);
void user_wait_free(struct user_wait *wait);

#endif
