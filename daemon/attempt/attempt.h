/* An attempt: one try at a job, over three threads.
 *
 *   control loop   makes it, sends it from hop to hop, aborts it, and learns that it ended
 *   fetch loop     its transfer and the writer side of its body pipe (attempt_fetch.c)
 *   worker         its parser, from the body's first byte on
 *
 * Each part of the struct belongs to one of them; what crosses over is atomic or comes by mail. The
 * attempt has ended once nothing of it runs on the fetch loop (`over`) and its parser has returned,
 * was never engaged, or was abandoned (invariant 4). Reference counted: the control loop's
 * reference, one of the worker's while it runs, one for each abort under way to the fetch loop.
 *
 * The first cause wins: whoever finds out first why the attempt cannot succeed sets it, once, by
 * compare-exchange, and only then aborts the body. So what a parser says after an abort is never
 * taken for the cause. */
#ifndef PENSTOCK_ATTEMPT_ATTEMPT_H
#define PENSTOCK_ATTEMPT_ATTEMPT_H

#include "base/mailbox.h"
#include "fetch/transfer.h"
#include "flow/body_pipe.h"
#include "attempt/checksum.h"
#include "attempt/condition.h"
#include "attempt/encoding.h"
#include "attempt/keep.h"
#include "attempt/report.h"
#include "attempt/resume.h"
#include "parse/pool.h"
#include "parse/relay.h"
#include "parse/task.h"
#include "record/sink.h"
#include "record/spool.h"
#include "terms/identity.h"
#include "terms/spec.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Why an attempt did not succeed. */
struct cause {
    enum error_kind kind;
    bool cancelled;   /* somebody cancelled the job: the verdict is `cancelled`, not `failed` */
    bool interrupted; /* the daemon stops: no verdict at all, the job runs again */
    char message[768];
};

/* What all attempts share. Outlives them. */
struct attempt_env {
    struct mailbox *control;
    struct fetch *fetch;
    struct pool *pool;
    struct sink *sink;
    size_t pipe_size;
    struct pipe_budget *pipe_budget;
    size_t max_record;
    uint64_t decode_ratio, decode_window; /* as in struct decode_plan */
    uint64_t max_header;
    uint64_t resume_delay; /* ns before the first resume; doubles while they are fruitless */
    const struct proxy *proxy;
    uv_loop_t *loop; /* the control loop's, for what must be read before a hop */
    const char *spool_dir;
    uint64_t spool_max;
};

/* What the settings say of a hop's host. Borrowed for the call. */
struct attempt_host {
    const char *client_cert, *client_key;               /* paths, or NULL */
    int http;                                           /* as transfer_request's */
    uint64_t bytes_per_second;                          /* 0: no limit */
    const struct settings_credential *proxy_credential; /* of [fetch], whatever the host; or NULL */
    const struct strings *redact;                       /* what is not shown of its URL */
};

struct attempt;
/* All on the control loop. */
struct attempt_ops {
    /* The origin answered with a redirect, and no transfer of the attempt runs now: go on with
     * attempt_hop, or attempt_abort. `url` is absolute and lives as long as the hop. In mid-body, too, when the rest
     * is asked for; and if attempt_asks_again, it is the job's own URL. */
    void (*redirected)(struct attempt *a, const char *url);
    /* For a command of a client's (run_fd): its body begins; or all of it is in the pipe, and verified. Not
     * after an abort. */
    void (*begun)(struct attempt *a);
    void (*delivered)(struct attempt *a);
    /* The download has failed and the parser has not returned yet: it has EIO now, and should. At
     * most once, not after an abort by the control loop. */
    void (*aborted)(struct attempt *a);
    /* Exactly once, last. Never from within a call of the control loop's into the attempt. */
    void (*ended)(struct attempt *a);
};

enum attempt_parser { PARSER_IDLE, PARSER_RUNNING, PARSER_RETURNED, PARSER_ABANDONED };
enum attempt_mode {
    MODE_HEAD,      /* no response yet */
    MODE_STREAM,    /* the body goes to the parser */
    MODE_UNCHANGED, /* the origin says that there is nothing new: no parser runs */
    MODE_EXCERPT,   /* an answer that no parser sees: its first bytes go into the message */
};

#define ATTEMPT_EXCERPT 512

struct attempt {
    atomic_int refs;
    /* Set by attempt_new, immutable. */
    const struct attempt_env *env;
    const struct attempt_ops *ops;
    void *user;
    const struct spec *spec; /* the job's; valid until `ended` */
    struct registry *registry;
    struct policy *policy;
    uint64_t job;
    uint32_t number;
    char *extra; /* further members of its records' lines; NULL: none */

    /* Control loop's. */
    struct fetch_loop *loop; /* of the hop under way */
    uint64_t started;
    unsigned hops;
    bool over, ended;
    bool
        again; /* set on the fetch loop, before parked_mail: the next hop begins anew, at the job's own URL */
    struct mail parked_mail, over_mail, parsed_mail, begun_mail, delivered_mail, broken_mail;
    bool told_begin; /* `begun` was called */

    /* Fetch loop's while a transfer is under way; read by the control loop once it is over. */
    struct transfer transfer;
    struct transfer_request request;
    const char **headers; /* ours, and those of the job's that this hop gets */
    size_t header_count;
    bool elsewhere;   /* another origin than the job's was asked */
    char *url, *host; /* of this hop */
    char *shown_url;  /* the same without secrets; NULL: it is the first, whose is the spec's */
    struct identity identity;
    struct cookies *cookies; /* of all its requests; NULL: it follows no redirect */
    const char *proxy;       /* of this hop; NULL: none */
    int http;                /* as transfer_request's */
    uint64_t bytes_per_second;
    const char *method;
    struct transfer_result end;
    enum attempt_mode mode;
    int status;
    char *redirect, *retry_after; /* or NULL */
    char excerpt[ATTEMPT_EXCERPT + 1];
    size_t excerpt_len;
    int run_fd; /* the write end of a client's pipe, until it is engaged; -1: a parser of ours */
    struct body_pipe pipe;
    bool pipe_open, pipe_closing, transferring;
    struct resume resume;
    uv_timer_t resume_timer;
    bool resume_timer_open;
    uint64_t
        again_at; /* bytes taken when the job's own URL was asked for the rest last; 0: never */
    bool resume_pending; /* it waits for its back-off, or for room in the pipe */
    struct condition condition;
    struct encoding encoding;
    struct checksum checksum;
    enum verified_by verified;
    uint64_t pipe_full_ns, read_wait_ns;
    struct mail abort_mail, go_on_mail;

    /* Shared. */
    atomic_bool cause_claimed; /* by whoever came first, who then fills in and publishes `cause` */
    struct cause first_cause;
    _Atomic(struct cause *) cause;
    _Atomic enum attempt_parser parser;
    _Atomic uint64_t bytes; /* of the body, taken */
    _Atomic int64_t length; /* Content-Length, -1 if not told */
    atomic_bool paused;     /* the pipe is full */
    atomic_bool engaged;    /* task is valid: parse_task_busy may be asked */

    /* Worker's, from the engagement on. */
    struct body *body;
    struct parse_task task;
    struct pool_job pool_job;
    struct relay relay; /* of a client's command: task.relay points here then */
    void *facts;        /* one block that holds what task.facts points at */
    uint64_t hold_max;  /* 0: records go to the sink as they come */
    struct spool spool; /* else here; finish.c's once it has ended well */
    struct keep keep;
};

/* Control loop. 0 and a reference, or -ENOMEM. `credential`: to be sent to the job's own origin; taken over in
 * any case; or NULL. `extra` goes into each record's line (sink_source). */
int attempt_new(const struct attempt_env *env, const struct attempt_ops *ops, void *user,
                const struct spec *spec, struct registry *registry, struct policy *policy,
                struct credential *credential, uint64_t job, uint32_t number,
                struct attempt **ret_attempt);
/* Its records' lines name the schedule. Before the first hop. 0 or -ENOMEM. */
int attempt_name_schedule(struct attempt *a, const char *name);
/* Its request is conditional, by these validators of an earlier body, if they are of the same page; each may be NULL. What
 * the response has of them is reported. Before the first hop. 0 or -ENOMEM. */
int attempt_remember(struct attempt *a, const char *etag, const char *modified, const char *page);
/* The body goes to a command of a client's, by this pipe; takes ownership of the descriptor. Before the first hop. */
void attempt_lend(struct attempt *a, int fd);
struct attempt *attempt_ref(struct attempt *a);
void attempt_unref(struct attempt *a); /* any thread; takes NULL */

/* Sends it to `url` on `host`: the first hop, or the next after `redirected`. 0 or -ENOMEM. Control
 * loop. */
int attempt_hop(struct attempt *a, const char *url, const char *host,
                const struct attempt_host *traits);

/* The redirect is none of an origin's: the URL that the job was led to has expired in mid-body, and the job's own is
 * asked for the rest. Its chain of hops begins anew with attempt_begin_again, which takes the credential over. */
bool attempt_asks_again(const struct attempt *a);
void attempt_begin_again(struct attempt *a, struct credential *credential);

/* Ends it with this cause unless it has one. True if this cause is the one. Control loop; `ended`
 * follows once its parser returns. */
bool attempt_abort(struct attempt *a, enum error_kind kind, const char *message);
bool attempt_cancel(struct attempt *a, bool interrupted, const char *message);

/* Its parser has not returned although it should: gives the worker up. After attempt_abort. True if
 * it was abandoned: `ended` follows. False if the parser had returned. Control loop. */
bool attempt_abandon(struct attempt *a);

/* Sets the cause. True if it is the first. Any thread that has a reference. Does not stop anything. */
bool attempt_fail(struct attempt *a, enum error_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The client's command has ended, with this exit status (128 + N: by signal N); or nobody is left who could
 * tell. Control loop; no-ops unless the body has begun, and after the first. */
void attempt_command_ended(struct attempt *a, int status);
void attempt_returned(struct attempt *a);

/* At any time; `now` as of clock_now. */
void attempt_report(const struct attempt *a, uint64_t now, struct attempt_report *ret_report);

/* After `ended`: makes the checks that need both sides. NULL if it succeeded; or why it did not. Its records are complete
 * now. */
const struct cause *attempt_conclude(struct attempt *a);
/* After attempt_conclude: the members of the verdict that tell what the body's text was like. */
void attempt_put_text(struct buf *line, const struct attempt *a);
/* After attempt_conclude: the records that were held back, for the log if the job is done. NULL: there are none. */
struct spool *attempt_spool(struct attempt *a);
/* After attempt_conclude: is there a body that is worth being kept? Then attempt_store_body gives it a place: on a thread
 * that may block, once. 0 and the path, newly allocated; -ENODATA; or another negative errno. */
bool attempt_keeps_body(const struct attempt *a);
int attempt_store_body(struct attempt *a, char **ret_path);

/* After `ended`: no byte of the body has come to the command. */
bool attempt_untouched(const struct attempt *a);

/* After `ended`: NULL if it succeeded. */
static inline const struct cause *attempt_cause(const struct attempt *a)
{
    return atomic_load_explicit(&((struct attempt *)a)->cause, memory_order_acquire);
}

static inline bool attempt_engaged(const struct attempt *a)
{
    return atomic_load_explicit(&((struct attempt *)a)->engaged, memory_order_acquire);
}

/* hold.c, on the worker's thread: a record that is held back, as sink_emit; the parser has returned. */
int attempt_hold(struct attempt *a, const char *json, size_t len);
void attempt_held(struct attempt *a, bool good);

/* attempt_engage.c: the body has a pipe: engages a worker, which gets its read end (taken over). 0, or negative
 * with the cause set. Fetch loop. */
int attempt_engage(struct attempt *a, int read_fd);

/* attempt_fetch.c, for attempt.c alone. */
void attempt_fetch_init(struct attempt *a);
void attempt_fetch_start(struct attempt *a); /* control loop */
int attempt_keep_facts(struct attempt *a, const struct transfer_response *response); /* -ENOMEM */
/* The value of a response's header, the last of several, or NULL. */
const char *attempt_header(const struct transfer_response *response, const char *name);
/* Starts the transfer that a->resume asks for. Fetch loop. */
void attempt_fetch_again(struct attempt *a);
/* Is it a redirect? Then a->redirect says to where, or the cause is set. Fetch loop. */
bool attempt_redirected(struct attempt *a, const struct transfer_response *response);
void attempt_fetch_abort(struct attempt *a); /* control loop: posts; takes a reference until done */

/* attempt_resume.c, for attempt_fetch.c alone; all on the fetch loop. */
/* A transfer has ended, as a->end says, which may be corrected here. True: the attempt goes on, and another transfer
 * starts by itself later. */
bool attempt_resume_try(struct attempt *a);
/* The pipe has room again. */
void attempt_resume_drained(struct attempt *a);
/* Nothing more will be resumed. The timer is closed; `closed` comes from the loop if it was open (true). */
bool attempt_resume_stop(struct attempt *a, uv_close_cb closed);
/* As resume_check, resume_compare and resume_whole; negative with the cause set, or to stop the transfer. */
int attempt_resume_check(struct attempt *a, const struct transfer_response *response);
int attempt_resume_compare(struct attempt *a, const char *data, size_t len, size_t *ret_skip);
int attempt_resume_whole(struct attempt *a);

void attempt_parsed(struct attempt *a); /* worker: the parser has returned; drops its reference */

#endif
