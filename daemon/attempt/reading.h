/* The reading of an attempt's body: the parser's task, the worker that runs it, and what comes of
 * it: records, a spool of those that are held back, a copy of the body that is kept.
 *
 * Made on the control loop, prepared and engaged on the fetch loop (reading_head, reading_engage),
 * then the worker's until its parser returns. What the control loop does meanwhile is marked so
 * below; it touches atomics alone. */
#ifndef PENSTOCK_ATTEMPT_READING_H
#define PENSTOCK_ATTEMPT_READING_H

#include "attempt/cause.h"
#include "attempt/encoding.h"
#include "attempt/env.h"
#include "attempt/keep.h"
#include "attempt/progress.h"
#include "attempt/report.h"
#include "flow/body.h"
#include "parse/pool.h"
#include "parse/relay.h"
#include "parse/task.h"
#include "record/spool.h"
#include "terms/spec.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct reading;
/* All on the worker's thread. */
struct reading_ops {
    /* The parser has returned; the worker's last touch. `abandoned`: nobody waits for it, and the
     * control loop may be gone. */
    void (*done)(struct reading *r, bool abandoned);
    /* A client's command tells these, each at most once: the first byte is there; all bytes are;
     * the body is broken, and the cause is set. */
    void (*begun)(struct reading *r);
    void (*delivered)(struct reading *r);
    void (*broken)(struct reading *r);
    /* The store may have a batch of records: reading_batch says which; until reading_batch_over
     * there is no other. */
    void (*batch)(struct reading *r);
};

enum reading_state {
    READING_IDLE,      /* no worker was engaged */
    READING_RUNNING,   /* a worker runs the parser */
    READING_RETURNED,  /* the parser has returned: its results are to be read */
    READING_ABANDONED, /* it was given up, and may return yet: its results are never looked at */
};

struct reading {
    /* Immutable. */
    const struct attempt_env *env;
    const struct reading_ops *ops;
    const struct spec *spec;
    struct first_cause *cause;
    struct progress *progress;
    uint64_t job;
    uint32_t number;

    _Atomic enum reading_state state; /* by reading_move alone */
    char *extra;                      /* further members of its records' lines; NULL: none */
    int run_fd; /* the write end of a client's pipe, until it is engaged; -1: a parser of ours */
    struct body *body; /* a reference; NULL until it is engaged */
    struct parse_task task;
    struct pool_job pool_job;
    struct relay relay; /* of a client's command: task.relay points here then */
    void *facts;        /* one block that holds what task.facts points at */
    bool stores;        /* the store takes the records with the verdict; or the job fails */
    bool batches;       /* … and some of them before that */
    bool holds;         /* records go to the spool, and not to the sink */
    uint64_t spool_max; /* they do, or a copy of them; 0: neither */
    struct spool spool; /* the sink's, or the results', once it has ended well */
    int batch_fd;       /* a duplicate of the spool's; -1: there was no batch. The worker sets it */
    uint64_t handed;    /* the worker's: bytes of the spool that batches have had … */
    uint64_t handed_at; /* … and since when; clock_now */
    _Atomic uint64_t batch; /* bytes of the spool up to the end of the one under way; 0: none */
    int copy_error; /* the worker's: the copy is given up, and the job goes on; negative errno */
    struct keep keep;
};

/* Takes a zeroed one; the strings of `spec` and all else outlive it. Control loop. */
void reading_init(struct reading *r, const struct attempt_env *env, const struct reading_ops *ops,
                  const struct spec *spec, struct first_cause *cause, struct progress *progress,
                  uint64_t job, uint32_t number);
void reading_deinit(struct reading *r); /* any thread; nothing of it runs */
/* Before it is engaged: as attempt_name_schedule, attempt_lend and attempt_press. Control loop. */
int reading_name_schedule(struct reading *r, const char *name);
void reading_lend(struct reading *r, int fd);
void reading_press(struct reading *r, struct sink_credit *credit);
void reading_store_records(struct reading *r, bool batches);

/* The head of the response whose body is to be read: keeps what the parser may ask about it. 0 or
 * -ENOMEM. Fetch loop. */
int reading_head(struct reading *r, const char *shown_url, const struct transfer_response *response,
                 const struct encoding *encoding);
/* The body has a pipe: engages a worker, which gets its read end (takes ownership of it in any
 * case) and, if processes read, a duplicate of its write end. `drain`: the body is read to its end,
 * whatever the parser says. 0; or negative with the cause set, and then `done` does not come. Fetch
 * loop. */
int reading_engage(struct reading *r, struct body *body, int read_fd, int write_fd, bool drain);

/* All that follow: control loop. */

static inline enum reading_state reading_state(const struct reading *r)
{
    return atomic_load_explicit(&((struct reading *)r)->state, memory_order_acquire);
}

/* No record of it is taken any more, and whoever waits for the body looks at its state. */
void reading_stop(struct reading *r);
/* After `batch`: all records up to that batch's end, for reading alone. */
struct spool reading_batch(const struct reading *r);
void reading_batch_over(struct reading *r);
/* The client's command has ended with this status; or nobody is left who could tell. No-ops without
 * one, and after the first. */
void reading_command_ended(struct reading *r, int status);
void reading_forget_command(struct reading *r);
/* The parser has not returned although it should: gives the worker up. False if it had returned. */
bool reading_abandon(struct reading *r);
/* After its end: no byte of the body has come to the client's command. */
bool reading_untouched(const struct reading *r);

/* After its end, if there is no cause: the checks of what the parser said. May set the cause. */
void reading_conclude(struct reading *r);
/* How the parser's part verifies the body; VERIFIED_NONE: not at all. */
enum verified_by reading_verified(const struct reading *r);
/* The members of `report` that are its own. */
void reading_report(const struct reading *r, uint64_t now, struct attempt_report *report);

#endif
