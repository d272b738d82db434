/* A host: the jobs that are next there, the slots that bound how many run, its pace. A data
 * structure, which starts nothing: a host that may have something to start is ready, and admission
 * takes the ready ones in turn. Control loop.
 *
 * There may be very many, so only events of its own touch a host, and it is there only while there
 * is something to know of it. If that is no more than that the store has jobs for it, it rests in
 * the backlog (backlog.h), where it costs less than a hundred bytes. */
#ifndef PENSTOCK_JOB_HOST_H
#define PENSTOCK_JOB_HOST_H

#include "job/job.h"
#include "job/pace.h"
#include "store/store.h"

struct host {
    struct tree_name entry; /* jobs->hosts */
    struct jobs *jobs;
    struct list ready_link;   /* jobs->ready, or jobs->parked */
    struct list hungry_link;  /* jobs->hungry: it waits for jobs from the store */
    struct list stocked_link; /* jobs->stocked: its window is not empty */
    struct list freed_link;   /* jobs->freed */
    struct list standing;     /* struct user_wait: users whose jobs may start as soon as one can */
    struct list window;       /* jobs in the order they run */
    struct list hops;         /* jobs redirected here that wait for a slot */
    /* Ids of rows that this daemon cannot read, and so leaves in the store (skip.h). */
    uint64_t *unread; /* there is room for a power of two */
    size_t unread_count;
    struct list asides; /* jobs of commands that are not due yet: the store has them, too */
    unsigned window_len;
    unsigned running, limit; /* slots that are taken, and how many there are */
    unsigned elsewhere;      /* of them, taken by other members of the fleet */
    unsigned section;        /* of settings->hosts, the most specific; host_count: none */
    struct pace_limits limits;
    struct pace pace;
    struct wake_timer clock; /* for `wake_at`, `back_at`, `guest_at` and what is to be forgotten */
    struct wake_timer due;   /* a row of it falls due (CLOCK_REALTIME, µs) */
    uint64_t wake_at; /* clock_now: when pace lets the next one start; 0: not waiting for that */

    /* claim.c's */
    uint64_t back_at; /* clock_now: the next look for claimed jobs that still wait; 0: none waits */
    uint64_t
        guest_at;     /* clock_now: as a guest, the next job starts then; 0: it is not waited for */
    unsigned folding; /* submissions that claim as well, on their way to the store */
    unsigned ahead;   /* so many of the window's first are claimed before they can start */
    bool brisk : 1;   /* the last attempt here took less time than a commit may */

    bool ready : 1;   /* in jobs->ready */
    bool offered : 1; /* a user has room for it (user.h): it does not rest before it is loaded */
    bool held : 1;    /* by an operator (hold.h) */
    bool ours : 1;    /* its jobs are this daemon's to start (fleet.h) */
    bool takes_turns : 1; /* its owner has jobs that wait: a guest starts one at a time */

    /* window.c's */
    bool unread_again : 1;       /* what is left alone is read again when the host is due */
    bool more : 1;               /* the store has runnable rows that are not in the window */
    bool loading : 1, stale : 1; /* a load is under way; something was queued meanwhile */
    char name[];
};

/* The host, made if need be; one that rests in the backlog comes back from there, and is ready
 * unless it was blocked. NULL: out of memory. */
struct host *host_get(struct jobs *jobs, const char *name);
/* NULL: it is not known, or rests: nothing runs there, and nothing keeps it from running. */
struct host *host_find(const struct jobs *jobs, const char *name);
/* Does it rest? */
bool host_rests(const struct jobs *jobs, const char *name);
/* Frees the host if nothing has to be known of it; a breaker's count and what it owes its rate are
 * kept a minute. */
void host_put_if_idle(struct host *host);
/* Goes to rest in the backlog, if the store has jobs for it and nothing else has to be known of it;
 * that may free it. `blocked`: until hosts_wake, or until something is queued there; one whose
 * slots are all taken elsewhere in the fleet stays as it is, for host_set_elsewhere to find. */
void host_rest(struct host *host, bool blocked);
/* The host whose turn it is comes back from the backlog, and is neither ready nor hungry yet. NULL:
 * none waits there, or there is no memory. */
struct host *host_next_resting(struct jobs *jobs);
/* Its store has runnable rows that were not there, or not seen, when its window was loaded. */
void host_has_more(struct host *host);
/* The same for a host that need not be known: it rests then. One of another member of the fleet is
 * left alone. 0 or -ENOMEM. */
int host_queued(struct jobs *jobs, const char *name);
void host_make_ready(struct host *host);
/* The host is another member's, and has parked jobs that can be run here, as a guest: as many as
 * there are, or one, later, if it takes turns with the owner. 0 or -ENOMEM. */
int host_invited(struct jobs *jobs, const char *name, bool takes_turns);
/* All that have something to start, or had it when they were parked or blocked, are ready or wait
 * for their turn, and admission looks at them. */
void hosts_wake(struct jobs *jobs);
void hosts_free(struct jobs *jobs); /* at the end; what is in their windows stays in the store */
void hosts_limits_changed(struct jobs *jobs);
unsigned host_limit(const struct settings *settings, const char *name); /* how many slots it has */
int hosts_sums_new(struct jobs *jobs);                                  /* 0 or -ENOMEM */

/* Is a slot free? */
static inline bool host_has_slot(const struct host *host)
{
    return host->running + host->elsewhere < host->limit;
}
/* The host has become this daemon's to start jobs of, or is so no more: then it has slots for
 * guests alone. */
void host_set_ours(struct host *host, bool ours);
/* Those that rest and are not this daemon's any more are forgotten. */
void hosts_leave_backlog(struct jobs *jobs);
/* So many of its slots are taken by other members. */
void host_set_elsewhere(struct host *host, unsigned running);

/* A row of this host falls due then (CLOCK_REALTIME, µs). */
void host_due(struct jobs *jobs, const char *name, int64_t due);
/* Its clock rings at the first of the times that it waits for. */
void host_set_clock(struct host *host);
/* May a request start now? If not, the host becomes ready again when it may. */
bool host_in_pace(struct host *host);

/* The job of a command, which is in no list, is queued once it is due; it is not to be loaded from
 * the store meanwhile. */
void host_set_aside(struct job *job);

/* The job takes its place in the window of this host, and leaves it. */
void host_window_add(struct host *host, struct job *job);
void host_window_remove(struct job *job);

/* A slot for a job that is in the window no more. There is one: host_has_slot. */
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
