/* The hosts of which nothing has to be known but that the store has jobs of theirs: nothing runs
 * there, nothing is in memory, nothing is owed. There may be very many of these, so one costs its
 * name and some 70 bytes, and becomes a struct host (host.h) when its turn comes. A data structure;
 * control loop. */
#ifndef PENSTOCK_JOB_BACKLOG_H
#define PENSTOCK_JOB_BACKLOG_H

#include "base/tree.h"

#include <stdbool.h>
#include <stddef.h>

struct backlog {
    struct tree names;   /* struct backlog_host */
    struct list turn;    /* those that are to be loaded, in turn */
    struct list blocked; /* those of which nothing could start when their jobs were in memory */
    size_t count;        /* of both */
};

struct backlog_host {
    struct tree_name entry; /* backlog->names */
    struct list link;       /* backlog->turn or backlog->blocked */
    unsigned section;       /* the caller's: as in struct host */
    bool blocked;
    char name[];
};

void backlog_init(struct backlog *backlog);

/* NULL: it is not there. */
struct backlog_host *backlog_find(const struct backlog *backlog, const char *name);
/* Puts a host in, which is not there yet, at the end of its list. NULL: out of memory. */
struct backlog_host *backlog_add(struct backlog *backlog, const char *name, bool blocked);
/* Takes the host out and frees it. */
void backlog_remove(struct backlog *backlog, struct backlog_host *host);

/* Whose turn it is, who stays where he is; NULL: nobody waits. */
struct backlog_host *backlog_first(const struct backlog *backlog);
/* A blocked host may have something to start: it waits for its turn like the others. */
void backlog_unblock(struct backlog *backlog, struct backlog_host *host);
void backlog_unblock_all(struct backlog *backlog);

#endif
