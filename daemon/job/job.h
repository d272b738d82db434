/* The inside of the job layer: what a job is while it is in memory, and the object that holds them
 * all. Everything here belongs to the control loop. Other layers see job/jobs.h.
 *
 * A job is in memory only while it is active: in its host's window (about to run), running, or
 * ending. All others are rows of the store.
 *
 *              submit, or a window is loaded                      claimed                 attempt
 * ended (store) ------------------------------> window --admission--> running
 * ------------------------> ending ^                                       | | | +--- cancel
 * ------------------------------------------>|
 *      +---- postponed: an attempt line is in the sink, the row is `waiting` again <-- retry
 * ----------+
 *      +---- finished: the verdict is in the sink, then in the store, then told <--------- the gate
 * ---+ */
#ifndef PENSTOCK_JOB_JOB_H
#define PENSTOCK_JOB_JOB_H

#include "job/attempt.h"
#include "job/jobs.h"
#include "job/metrics.h"
#include "job/pace.h"
#include "job/remote.h"
#include "job/retry.h"
#include "terms/spec.h"
#include "store/store.h"

#include <uthash.h>
#include <uv.h>

struct host;
struct paused_parser;
struct schedules;

/* Where an active job stands; `state` of its row is what the outside sees. */
enum job_place {
    PLACE_WINDOW, /* in its host's window; queued. Of `run` also in jobs->remotes, without a host */
    PLACE_CLAIMING, /* holds permit and slot; its claim is on the way from the store */
    PLACE_RUNNING,  /* holds permit and slot; an attempt is under way */
    PLACE_HOPPING,  /* as running, but waits for a slot of the host it was redirected to */
    PLACE_ENDING,   /* has given permit and slot back; lines and store calls are on their way */
};

/* Why a job leaves memory. */
enum job_ending { ENDING_NONE, ENDING_FINAL, ENDING_RETRY, ENDING_INTERRUPTED };

struct job {
    struct jobs *jobs;
    uint64_t id;
    UT_hash_handle hh;    /* jobs->active */
    struct list link;     /* the list of its place: a window, jobs->running or jobs->ending */
    struct list hop_link; /* PLACE_HOPPING: host->hops */
    enum job_place place;
    enum job_ending ending;
    struct store_job *row; /* its own copy; row->state is changed by job_set_state alone */
    struct spec *spec;
    struct host *host; /* whose window or slot it is in; NULL while ending */
    bool has_slot;
    bool claiming, claimed; /* claim.c: of this stay in memory */
    bool torn;              /* it ran when another daemon on this store died */
    uint64_t claimed_at;    /* clock_now */
    struct attempt *attempt;
    bool counted;                   /* its attempt's bytes are in jobs->bytes */
    uint64_t queued_at, started_at; /* clock_now; of this stay in memory */
    uint64_t deadline;              /* of the attempt's time-out; clock_now */
    uint64_t abandon_at;            /* when an aborted parser is given up; 0: not aborted */
    char *hop_url;                  /* PLACE_HOPPING */
    struct remote remote;           /* of `run` */
    char *cancel_reason;            /* cancelled while the store was asked: claim, postpone */
    struct store_schedule_end schedule_end; /* what its end changes in its schedule */
    char *validated; /* schedule_end.c: of this run, with its parser's mark */
    uint64_t parser_mark;

    /* The verdict. */
    enum job_state final;
    enum error_kind error;
    struct sink_line held_line; /* stands for the records that were held back */
    struct sink_line attempt_line, verdict_line;
    char *kept; /* the path of its body; NULL: it was not kept */
    uv_work_t keep_work;
    unsigned lines_out; /* lines that the sink has not taken yet */
    struct mail taken_mail;
    _Atomic unsigned lines_taken;
    union {
        struct store_claim claim;
        struct store_finish finish;
        struct store_postpone postpone;
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

    struct job *active;  /* uthash by id */
    struct host *hosts;  /* uthash by name */
    struct list ready;   /* hosts that may have something to start, in turn */
    struct list running; /* jobs: claiming, running, hopping */
    struct list ending;
    struct list remotes; /* jobs of `run` that are not due yet, by `due`; remote.c */
    unsigned permits_used, ending_count;
    unsigned folding, claims_out; /* submissions that claim; claims on their way */

    uv_timer_t timer;  /* deadlines of running jobs and the next due row */
    uint64_t timer_at; /* clock_now; 0: not set */
    struct mail admit_mail, trouble_mail, last_mail;

    bool recovering;     /* recover.c: a page is under way */
    bool loading;        /* admission_load: the list of hosts is */
    uint64_t recover_at; /* clock_now: the queue is to be read again then; 0: no */

    struct awaited *awaited;              /* wait.c: uthash by id */
    struct list followers, waits, parked; /* parked: bulk calls that wait for `ending` to shrink */
    struct mail tap_mail;
    struct follow_tap *tap; /* follow.c */

    struct schedules *schedules;
    bool paused; /* by an operator: nothing starts */
    unsigned hosts_paused;
    struct paused_parser *parsers; /* uthash: those that are paused */
    bool draining, stopped, drained_told;
    unsigned cancelling; /* drain: pages of queued rows being cancelled */
    unsigned calls_out;  /* calls that wait for the store */
    unsigned paging;     /* bulk calls with a page under way */
    void (*drained)(void *arg);
    void *drained_arg;
    void (*closed)(void *arg);
    void *closed_arg;

    uint64_t submitted, attempts, retries, verdicts[JOB_STATE_COUNT_], kinds[KIND_COUNT_], bytes,
        records;
    uint64_t reloads, reloads_refused;
    struct metrics metrics;
    uint64_t max_jobs;               /* as the store was told at the start */
    int64_t started_us, reloaded_us; /* CLOCK_REALTIME; of the last config that took effect */
};

/* --- job.c ------------------------------------------------------------------------------------ */

/* A row becomes an active job, in no list yet. Takes row and spec over, whatever comes of it.
 * Without a spec the row's is read; if that cannot be (a parser was removed from the config),
 * job->spec is NULL and *err tells why: the caller ends the job. NULL: out of memory. */
struct job *job_new(struct jobs *jobs, struct store_job *row, struct spec *spec, struct error *err);
void job_free(struct job *job);
struct job *job_find(struct jobs *jobs, uint64_t id);
void job_set_state(struct job *job, enum job_state state);

/* Why what is left is cancelled when the daemon ends and its store with it. */
#define JOBS_NOT_KEPT "the daemon stopped, and its store does not outlive it"

/* --- finish.c: how jobs leave memory ---------------------------------------------------------- */

/* THE GATE: ends a job, once; later calls do nothing. The attempt, if there was one, has ended. The
 * verdict goes to the sink, then to the store, then to whoever waits; then the job is freed. */
void job_finish(struct job *job, enum job_state state, const struct cause *cause);

/* It was running when another daemon on this store died: its attempt is closed in the log, and it runs
 * again. */
void job_torn(struct job *job);

/* It was claimed and has not started: it is queued again, without a line. */
void job_release(struct job *job);

/* The attempt has ended: decides between verdict, retry and interruption. */
void job_attempt_ended(struct job *job);

/* --- recover.c: what an earlier daemon left ------------------------------------------------------ */
void recover_start(struct jobs *jobs); /* before anything is claimed */
void recover_again(struct jobs *jobs); /* the store could not be read: everything in a second */
void recover_check(struct jobs *jobs); /* the timer */

/* --- claim.c: a row becomes `running` before a line of it is written -------------------------- */
void job_start(struct job *job);                            /* has permit and slot */
void claim_learn(struct host *host, const struct job *job); /* it gives its slot back */
void claim_ahead(struct host *host); /* the next jobs of a host where jobs come and go fast */
/* May this row be claimed together with its submission? If so a claim_unfold has to follow. */
bool claim_fold(struct jobs *jobs, const struct store_job *row);
void claim_unfold(struct jobs *jobs, const struct store_job *row);
void claim_drain(struct jobs *jobs); /* what was claimed and has not started is queued again */
void claim_watch(struct job *job);   /* it is claimed and in the window: not for long */
void claim_give_back(struct host *host, uint64_t now); /* those for which it was too long */

/* --- run.c: from a claim to the attempt's end -------------------------------------------------- */
void job_launch(struct job *job);                     /* is claimed */
void job_continue(struct job *job);                   /* PLACE_HOPPING, and the slot is there */
bool job_cancel(struct job *job, const char *reason); /* false: its verdict is given already */
void job_interrupt(struct job *job);                  /* the daemon stops */
void jobs_check_clocks(struct jobs *jobs, uint64_t now);
void jobs_set_timer(struct jobs *jobs, uint64_t at);

/* --- admission.c ------------------------------------------------------------------------------ */
struct host {
    UT_hash_handle hh;
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
void admission_poke(struct jobs *jobs);     /* run soon, from the loop */
void admission_wake_all(struct jobs *jobs); /* and look at every host */
void admission_limit_changed(struct host *host);
void admission_load(struct jobs *jobs);      /* at start: what the store holds */
void admission_check_due(struct jobs *jobs); /* the timer: rows fall due, hosts may go on */
void admission_free(struct jobs *jobs);      /* at the end: what never ran stays in the store */
/* Why a queued job does not start: "paused", "sink", "host", "worker"; for waiting_for. */
const char *admission_obstacle(const struct jobs *jobs, const char *host, const char *parser);

/* --- pause.c ---------------------------------------------------------------------------------- */
#define HOSTS_PAUSED_MAX 10000
/* Of everything (NULL, NULL), of a host, or of a parser. 0, -ENOMEM, or -EDQUOT: so many hosts are paused. */
int admission_pause(struct jobs *jobs, const char *host, const char *parser, bool paused);
bool admission_paused(const struct jobs *jobs, const char *parser);
void pause_free(struct jobs *jobs);

/* --- verdict.c -------------------------------------------------------------------------------- */
void verdict_line(struct buf *b, const struct job *job, const struct cause *cause);
/* Where the time of a job that has an attempt went, in ns. */
struct job_seconds {
    uint64_t total, queued;       /* since it was queued (in this daemon) */
    uint64_t connect, first_byte; /* of the attempt's last transfer; 0: it did not come to that */
    uint64_t wait_origin, wait_parser, wait_sink;
};
void job_seconds(const struct job *job, uint64_t now, struct job_seconds *ret_seconds);
void attempt_line(struct buf *b, const struct job *job, const char *outcome,
                  const struct cause *cause, int64_t retry_in_us);

/* --- view.c: JSON for show and list ----------------------------------------------------------- */
json_t *view_job(struct jobs *jobs, const struct store_job *row); /* NULL: out of memory */
/* The same, with what its earlier attempts came to. */
json_t *view_life(struct jobs *jobs, const struct store_job *row);
/* What a job with this row waits for, in a word; NULL when it runs along. `job`: NULL: it is not active. */
const char *view_waiting_for(const struct jobs *jobs, const struct store_job *row,
                             const struct job *job);
json_t *view_running(const struct job *job); /* it has an attempt */
json_t *view_states(struct jobs *jobs);
json_t *view_workers(struct jobs *jobs);
json_t *view_fetch(struct jobs *jobs);
json_t *view_sinks(struct jobs *jobs);
json_t *view_stats(struct jobs *jobs);
void jobs_counts(struct jobs *jobs,
                 struct store_counts *ret_counts); /* by state, as clients see it */
json_t *view_parsers(const struct registry *registry);

/* --- follow.c --------------------------------------------------------------------------------- */
struct follow_tap;
int follow_init(struct jobs *jobs);
void follow_deinit(struct jobs *jobs);
/* `own`: the follower may see it, that is known. */
bool follow_add_id(struct follower *follower, struct jobs *jobs, uint64_t id, bool own);
/* A job's end stands in the store: followers by id that have not had its verdict get it. */
void follow_ended(struct jobs *jobs, const struct store_job *row, const char *verdict, size_t len);
/* The sink's thread: a written chunk; takes it over. */
void follow_chunk(struct jobs *jobs, struct sink_chunk *chunk);

/* --- calls.c, and a file for each operation that is more than a look-up ----------------------- */

/* Answers, from the loop: exactly one of them, once a call. `result` is taken over. */
void call_reply(struct jobs_call *call, json_t *result); /* NULL: out of memory */
void call_fail(struct jobs_call *call, int code, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void call_fail_store(struct jobs_call *call, const struct store_call *failed);
/* {"ids":[…]} or {"id":N}: 1 and the ids (the caller's); 0: neither member is there; negative:
 * answered. */
int call_ids(struct jobs_call *call, uint64_t **ret_ids, size_t *ret_count);
/* SELECT members of params, `allowed` others beside them (NULL-ended). 0 or negative: answered. */
int call_select(struct jobs_call *call, const char *const *allowed, struct store_select *ret);

/* select.c. Strings are borrowed from params. 0, or -EINVAL, a sentence and the member's name. */
int select_parse(const json_t *params, const char *const *allowed, struct store_select *ret,
                 struct error *err, const char **ret_field);

/* Permissions (access.h). May the caller see this row? */
bool call_may_see(const struct jobs_call *call, const struct store_job *row);
/* Narrows to the rows that the caller may see. */
void call_limit(const struct jobs_call *call, struct store_select *select);

void call_submit(struct jobs_call *call);
void call_bulk(struct jobs_call *call); /* cancel, retry */
void call_top(struct jobs_call *call);  /* top.c */
void call_wait(struct jobs_call *call);
void wait_abandon(struct jobs_call *call);

void calls_job_ended(struct jobs *jobs, uint64_t id); /* wakes `wait`s */
void calls_unpark(struct jobs *jobs); /* bulk operations go on when `ending` has shrunk */
void waits_fail(struct jobs *jobs);   /* the daemon ends */
void drain_cancel_queued(struct jobs *jobs);
void jobs_drain_step(struct jobs *jobs); /* jobs.c: is the drain over? */

/* submit.c: makes the row of a job from its JSON. 0, or a negative errno, a sentence and a field. */
struct submission {
    const json_t *json;
    struct peer peer;
    uint64_t retry_of;
    bool run;             /* by `run`: the member of that name is ours */
    const char *schedule; /* of which it is a run, or NULL */
};
int submission_row(struct jobs *jobs, const struct submission *s, struct store_job **ret_row,
                   struct spec **ret_spec, struct error *err, const char **ret_field);
/* The store has it: it may run. Takes row and spec over. */
void submission_queue(struct jobs *jobs, struct store_job *row, struct spec *spec);

#endif
