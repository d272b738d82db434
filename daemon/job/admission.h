/* Which job runs next. */
#ifndef PENSTOCK_JOB_ADMISSION_H
#define PENSTOCK_JOB_ADMISSION_H

#include "job/job.h"
#include "job/pace.h"
#include "store/store.h"

struct host {
    struct tree_name entry; /* jobs->hosts */
    char *name;
    struct jobs *jobs;
    struct list ready_link;
    struct list window; /* jobs in the order they run */
    struct list hops;   /* jobs redirected here that wait for a slot */
    size_t window_len;
    unsigned running, limit;
    size_t section;   /* of settings->hosts, the most specific; host_count: none */
    unsigned folding; /* submissions that claim as well, on their way to the store */
    unsigned ahead;   /* so many of the window's first are claimed before they can start */
    bool brisk;       /* the last attempt here took less time than a commit may */
    uint64_t back_at; /* clock_now: the next look for claimed jobs that still wait; 0: none waits */
    struct pace_limits limits;
    struct pace pace;
    uint64_t wake_at;    /* clock_now: when pace lets the next one start; 0: not waiting for that */
    bool paused;         /* by an operator */
    bool more;           /* the store has runnable rows that are not in the window */
    bool loading, stale; /* a load is under way; something was queued meanwhile */
    int64_t next_due;    /* CLOCK_REALTIME µs; 0: none */
    uint64_t *skip;
    struct store_window load;
};
/* NULL: it has no jobs at hand, nor anything to be remembered. */
struct host *host_find(const struct jobs *jobs, const char *name);
struct host *host_get(struct jobs *jobs, const char *name); /* NULL: out of memory */
void host_put_if_idle(struct host *host);
void admission_queue(struct job *job); /* a new job that may run now: window or store */
void admission_due(struct jobs *jobs, const char *host, int64_t due); /* a row falls due then */
void admission_slot_free(struct host *host);
/* What the job's attempt on its present host tells about the host: nothing if there is none. Before the slot
 * is given back. */
void admission_report(struct job *job, const struct cause *cause);
bool admission_take_hop(struct job *job, const char *host_name); /* a slot now, or PLACE_HOPPING */
bool admission_open(const struct jobs *jobs);                    /* may anything start at all? */
void admission_drop(struct job *job); /* from the window; frees it: its row is the store's */
void admission_run(struct jobs *jobs);
void admission_wake_all(struct jobs *jobs); /* and look at every host */
void admission_limit_changed(struct host *host);
void admission_load(struct jobs *jobs);      /* at start: what the store holds */
void admission_check_due(struct jobs *jobs); /* the timer: rows fall due, hosts may go on */
void admission_free(struct jobs *jobs);      /* at the end: what never ran stays in the store */
/* Why a queued job does not start: "paused", "sink", "host", "worker"; for waiting_for. */
const char *admission_obstacle(const struct jobs *jobs, const char *host, const char *parser);

#endif
