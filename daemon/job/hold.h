/* What an operator holds back (`pause` and `resume` of the protocol): everything, a host, or a
 * parser. Nothing of it starts; what runs runs on. A restart forgets it, but in a fleet, where the
 * store keeps it for all members (pauses.h). Control loop. */
#ifndef PENSTOCK_JOB_HOLD_H
#define PENSTOCK_JOB_HOLD_H

#include "base/tree.h"

#include <stdbool.h>
#include <stdint.h>

struct holds;
struct jobs;

#define HOLD_HOSTS_MAX 10000

struct hold {
    struct tree_name entry;
    const char *host, *parser; /* NULL, NULL: it is on everything */
    uint32_t uid;              /* who has said so … */
    int64_t at;                /* … when: µs since 1970, as the rows; 0: it is not known … */
    char *member;              /* … and which member of the fleet was asked to; NULL */
    unsigned round;            /* of the walk that found it the last time */
    char name[];
};

int holds_new(struct holds **ret_holds); /* 0 or -ENOMEM */
void holds_free(struct holds *holds);    /* takes NULL */

/* Everything (NULL, NULL), a host, or a parser. 0, -ENOMEM, or -EDQUOT: HOLD_HOSTS_MAX hosts are
 * held back already; in a fleet whoever asks the store to hold one looks at that (hold_is_full). */
int hold_set(struct jobs *jobs, const char *host, const char *parser, bool held);
/* Who has said so. It must be held. Without memory the member is not known. */
void hold_sign(struct jobs *jobs, const char *host, const char *parser, uint32_t uid, int64_t at,
               const char *member);
/* May no other host be held? This one may be already. */
bool hold_is_full(const struct jobs *jobs, const char *host);

/* What is held is set once more, all of it; what was not, is let go at the end. */
void holds_begin_round(struct jobs *jobs);
void holds_end_round(struct jobs *jobs);

bool hold_on_all(const struct jobs *jobs);
bool hold_on_parser(const struct jobs *jobs, const char *parser);
/* That one, as it was set; NULL: it is not held. */
const struct hold *hold_find(const struct jobs *jobs, const char *host, const char *parser);
/* What holds a job of this host and this parser back, the widest of it; NULL: nothing does. */
const struct hold *hold_on_job(const struct jobs *jobs, const char *host, const char *parser);
/* All: everything, the parsers, the hosts, by name. NULL: from the first; there is no other. */
const struct hold *hold_next(const struct jobs *jobs, const struct hold *after);

#endif
