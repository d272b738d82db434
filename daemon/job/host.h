/* A host: the jobs that are next there, the slots that bound how many run, its pace. A data
 * structure, which starts nothing: a host that may have something to start is ready, and admission
 * takes the ready ones in turn. Control loop. */
#ifndef PENSTOCK_JOB_HOST_H
#define PENSTOCK_JOB_HOST_H

#include "job/job.h"
#include "job/pace.h"
#include "store/store.h"

struct host {
    struct tree_name entry; /* jobs->hosts */
    char *name;
    struct jobs *jobs;
    struct list ready_link; /* jobs->ready */
    struct list freed_link; /* jobs->freed */
    struct list window;     /* jobs in the order they run */
    struct list hops;       /* jobs redirected here that wait for a slot */
    size_t window_len;
    unsigned running, limit; /* slots that are taken, and how many there are */
    size_t section;          /* of settings->hosts, the most specific; host_count: none */
    struct pace_limits limits;
    struct pace pace;
    uint64_t wake_at; /* clock_now: when pace lets the next one start; 0: not waiting for that */
    bool held;        /* by an operator (hold.h) */
    int64_t next_due; /* CLOCK_REALTIME µs: a row of it falls due; 0: none */

    /* claim.c's */
    unsigned folding; /* submissions that claim as well, on their way to the store */
    unsigned ahead;   /* so many of the window's first are claimed before they can start */
    bool brisk;       /* the last attempt here took less time than a commit may */
    uint64_t back_at; /* clock_now: the next look for claimed jobs that still wait; 0: none waits */

    /* window.c's */
    bool more;           /* the store has runnable rows that are not in the window */
    bool loading, stale; /* a load is under way; something was queued meanwhile */
    uint64_t *skip;
    struct store_window load;
};

struct host *host_get(struct jobs *jobs, const char *name);        /* NULL: out of memory */
struct host *host_find(const struct jobs *jobs, const char *name); /* NULL: it is not known */
void host_put_if_idle(struct host *host);
/* Its store has runnable rows that were not there, or not seen, when its window was loaded. */
void host_has_more(struct host *host);
void host_make_ready(struct host *host);
void hosts_wake(struct jobs *jobs); /* all are ready, and admission looks at them */
void hosts_free(struct jobs *jobs); /* at the end; what is in their windows stays in the store */
void hosts_limits_changed(struct jobs *jobs);

/* A row of this host falls due then (CLOCK_REALTIME, µs). */
void host_due(struct jobs *jobs, const char *name, int64_t due);
/* What a host owes its rate, or has failed, is forgotten a minute after its last request. May free
 * the host. */
void host_forget_pace(struct host *host, uint64_t now);
/* May a request start now? If not, the host becomes ready again when it may. */
bool host_in_pace(struct host *host);

/* The job takes its place in the window of this host, and leaves it. */
void host_window_add(struct host *host, struct job *job);
void host_window_remove(struct job *job);

/* A slot for a job that is in the window no more. There is one: running < limit. */
void host_slot_take(struct host *host, struct job *job);
/* The job, which may be freed already, has given back a slot here. May free the host. */
void host_slot_free(struct host *host);
/* What the job's attempt on its present host tells about the host: nothing if there is none. Before
 * the slot is given back. */
void host_report(struct job *job, const struct cause *cause);
/* How fast jobs come and go here, from one that gives its slot back. */
void host_learn(struct host *host, const struct job *job);

/* The job was redirected: gives its slot back, and gets one of the other host (1), or waits for one
 * as PLACE_HOPPING (0); -ENOMEM: it keeps the old one. */
int host_hop(struct job *job, const char *name);
/* The next job that waits for a slot of this host, and has it now; NULL: no slot is free, or none
 * waits. One that was aborted while it waited is left out: a transfer begun now would outlive its
 * attempt. */
struct job *host_take_hop(struct host *host);

#endif
