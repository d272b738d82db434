/* The inside of the job layer: what a job is while it is in memory, and the object that holds them
 * all. Everything here belongs to the control loop.
 *
 * A job is in memory only while it is active: in its host's window (about to run), running, or
 * ending. All others are rows of the store. */
/* clang-format off */
/*
 *   submitted, or loaded from the store
 *        |
 *        v     slot and permit          claimed              redirected
 *   +--------+              +----------+         +---------+ --------> +---------+
 *   | window | -----------> | claiming | ------> | running |           | hopping |
 *   +--------+              +----------+         +---------+ <-------- +---------+
 *        |                        |                   |      its slot       |
 *        | cancelled              | refused           | ended              | aborted
 *        v                        v                   v                    v
 *   +----------------------------------------------------------------------------+
 *   | ending: permit and slot are given back, lines and store calls are on their |
 *   | way. FINAL: the verdict is in the sink, then in the store, then told.      |
 *   | RETRY, INTERRUPTED: the attempt's line is in the sink, then the row is     |
 *   | `waiting` or `queued` again.                                               |
 *   +----------------------------------------------------------------------------+
 *        |
 *        v
 *   the store alone
 */
/* clang-format on */
#ifndef PENSTOCK_JOB_JOB_H
#define PENSTOCK_JOB_JOB_H

#include "attempt/attempt.h"
#include "attempt/retry.h"
#include "base/tree.h"
#include "flow/body_pipe.h"
#include "job/backlog.h"
#include "job/jobs.h"
#include "job/metrics.h"
#include "job/pace.h"
#include "job/remote.h"
#include "job/user.h"
#include "job/wake.h"
#include "job/walk.h"
#include "job/watch.h"
#include "record/sink.h"
#include "store/results.h"
#include "store/shared.h"
#include "store/store.h"
#include "terms/settings.h"
#include "terms/spec.h"

#include <uv.h>

struct claims;
struct drain;
struct fleet;
struct holds;
struct host;
struct recovery;
struct windows;

/* Where an active job stands; `state` of its row is what the outside sees. */
enum job_place {
    PLACE_ASIDE,  /* in no queue: it was just made, or is a command's and not due yet (remote.h) */
    PLACE_WINDOW, /* in its host's window; queued */
    PLACE_CLAIMING, /* holds permit and slot; its claim is on the way from the store */
    PLACE_RUNNING,  /* holds permit and slot; an attempt is under way */
    PLACE_HOPPING,  /* as running, but waits for a slot of the host it was redirected to */
    PLACE_ENDING,   /* has given permit and slot back; lines and store calls are on their way */
};

/* Why a job leaves memory. */
enum job_ending {
    ENDING_NONE,
    ENDING_FINAL,
    ENDING_RETRY,
    ENDING_INTERRUPTED,
    ENDING_FENCED, /* others take it for theirs: it is forgotten, without a word to the store */
};

/* What the lines of a job that leaves memory say. */
struct job_words {
    const char *outcome; /* of its attempt; NULL: there is no line about one */
    struct cause cause;
    bool caused;
    int64_t retry_in_us; /* -1: it is not tried again */
};

struct job {
    struct jobs *jobs;
    uint64_t id;
    struct tree_id active; /* jobs->active */
    /* The list of its place: a window, jobs->running or jobs->ending; PLACE_ASIDE: host->asides. */
    struct list link;
    struct list hop_link; /* PLACE_HOPPING: host->hops; PLACE_ENDING: jobs->wordless */
    enum job_place place;
    enum job_ending ending;
    struct store_job *row; /* its own copy; row->state is changed by job_set_state alone */
    struct spec *spec;
    struct user *user; /* whose it is */
    struct host *host; /* in whose window, slot or asides it is; NULL while ending */
    bool has_slot;
    bool claiming;       /* claim.c: its claim is on the way */
    bool claimed;        /* the store has it as running: as it came, or by its claim */
    bool guest;          /* it was parked (park.h): it runs here whosever its host is */
    bool torn;           /* it ran when another daemon on this store died */
    bool fenced;         /* it was claimed when this daemon was taken for dead (fleet.h) */
    bool given_back;     /* its release holds its shard (fleet_hold) */
    uint64_t claimed_at; /* clock_now */
    struct attempt *attempt;
    bool counted;                   /* its attempt's bytes are in jobs->bytes */
    uint64_t queued_at, started_at; /* clock_now; of this stay in memory */
    struct wake_timer clock;        /* run.c: of what runs; remote.h: when it is due */
    int64_t ran;                    /* µs: of its attempt, once that has ended; row->ran has it */
    uint64_t deadline;              /* of the attempt's time-out; clock_now */
    uint64_t abandon_at;            /* when an aborted parser is given up; 0: not aborted */
    char *hop_url;                  /* PLACE_HOPPING */
    struct remote remote;           /* of `run` */
    const char *cancel_reason;      /* a constant; cancelled while that cannot be carried out yet */
    unsigned cancel_rounds;         /* finish.c: how often another member was quicker */
    char *cancel_text;              /* what another member gave as the reason: owned; or NULL */
    char *ran_by;                   /* a torn one's: the name of the member; or NULL */
    void *owned;                    /* by whoever has set jobs->hooks */
    struct store_schedule_end end;  /* filled in by hooks->ending */

    struct early *early; /* early.h: records on their way to the store; or NULL */

    /* The verdict. */
    enum job_state final;
    enum error_kind error;
    struct sink_line held_line;                  /* stands for the records that were held back */
    struct sink_line attempt_line, verdict_line; /* with memory set aside: verdict_reserve */
    char *kept;                                  /* the path of its body; NULL: it was not kept */
    uv_work_t keep_work;
    void (*kept_then)(struct job *job); /* kept.c: when that is done */
    struct results_put *put; /* of its records: while they are kept, and what came of it; or NULL */
    bool unstored;           /* its lines are out, and the store had no memory for its end */
    unsigned lines_out;      /* lines that the sink has not taken yet */
    struct mail taken_mail;
    _Atomic unsigned lines_taken;
    union {
        struct store_claim claim;
        struct job_words words; /* finish.c: while its lines cannot be built */
        struct store_finish finish;
        struct store_postpone postpone;
        struct store_close_torn close_torn;
        struct store_cancel cancel;
        struct store_get get;
    } call;
};

struct jobs {
    struct jobs_config config;
    struct attempt_env env;
    struct pipe_budget pipe_budget; /* the fetch loops' */
    struct proxy *proxy;
    const struct settings *settings;
    struct registry *registry;
    struct policy *policy;

    struct results *results; /* records that are kept */
    struct wake wake;
    struct list watches;     /* struct job_watch */
    struct job_hooks *hooks; /* or NULL */

    struct tree active;  /* jobs by id */
    struct tree hosts;   /* by name */
    struct users users;  /* who has jobs, and how many run */
    struct tree pressed; /* press.h: jobs that a client presses on */
    unsigned host_count;
    struct backlog backlog; /* the other hosts that have a queue: no more is to be known of them */
    /* What the hosts of each section of settings->hosts come to, those of none last; NULL: there
     * was no memory for it at the last reload. */
    struct host_sum {
        unsigned hosts, running, open;
    } * host_sums;
    struct list ready;   /* hosts that may have something to start, in turn */
    struct list hungry;  /* hosts that wait for jobs from the store, in turn */
    struct list stocked; /* hosts that have a window; those that could not start longest, first */
    struct list parked;  /* hosts whose window went back to the store, and that are not ready */
    struct list freed;   /* hosts that may have a slot for a job that was redirected there */
    unsigned hungry_count;
    unsigned window_len;      /* jobs in all windows but those of commands */
    unsigned claimed_waiting; /* jobs in windows that are claimed */
    /* Hosts and jobs that admission has looked at since the start. Tests see by it that the cost of
     * a job does not depend on how many there are. */
    uint64_t steps;
    struct windows *windows;
    struct list running; /* jobs: claiming, running, hopping */
    struct list ending;
    /* finish.c: those that are ending and have no memory for their lines or their end, by
     * hop_link. */
    struct list wordless;
    struct wake_timer words; /* when they are tried again */
    struct buf shown;        /* verdict.c: a message, redacted */
    unsigned permits_used, ending_count;

    struct fleet *fleet; /* the others on the same store; NULL: there are none */
    struct holds *holds;
    bool held; /* everything, by an operator: hold.c */
    struct claims *claims;
    struct recovery *recovery;
    struct wake_timer recover; /* recover.c: when all of it is read again */
    bool unread; /* recover.c: what was running is not all known yet, and nothing starts */
    struct walks walks;
    struct drain *drain;
    bool draining; /* nothing new is accepted, and nothing queued is started */
    bool stopped;  /* nor goes on what runs */
    bool over;     /* nothing is under way any more: what others tell begins nothing either */
    void (*closed)(void *arg);
    void *closed_arg;

    /* Since the start; bytes and records are those of attempts that have ended. */
    uint64_t submitted, attempts, retries, bytes, records;
    uint64_t verdicts[JOB_STATE_COUNT_], kinds[KIND_COUNT_];
    struct metrics metrics;
};

/* The time that stands in rows (store_now). */
static inline int64_t jobs_now(const struct jobs *jobs)
{
    return store_now(jobs->config.store);
}

/* For assertions: is this the control loop's thread? */
static inline bool jobs_are_current(const struct jobs *jobs)
{
    return mailbox_is_current(jobs->config.mailbox);
}

/* A row becomes an active job, in no list yet. Takes row and spec over, whatever comes of it.
 * Without a spec the row's is read; if that cannot be (a parser was removed from the config),
 * job->spec is NULL and *err tells why: the caller ends the job. NULL: out of memory. */
struct job *job_new(struct jobs *jobs, struct store_job *row, struct spec *spec, struct error *err);
void job_free(struct job *job);
struct job *job_find(struct jobs *jobs, uint64_t id);
void job_set_state(struct job *job, enum job_state state);
/* The one way to another place, and into the list of that place; the window and the hops of a host
 * aside, where host.c puts it. */
void job_set_place(struct job *job, enum job_place place);
/* ns since it was submitted, and how much of that no attempt of it ran: whatever it waited for. The
 * wall clock's, which may be set meanwhile. An attempt that a crash tore counts as waiting. */
uint64_t job_total(const struct job *job);
uint64_t job_queued(const struct job *job);
/* It does not run, and is not ending. */
static inline bool job_waits(const struct job *job)
{
    return job->place == PLACE_ASIDE || job->place == PLACE_WINDOW;
}

#endif
