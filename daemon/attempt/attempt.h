/* An attempt: one try at a job, over three threads.
 *
 *   control loop   makes it, sends it from hop to hop, aborts it, and learns that it ended
 *                  (attempt.c)
 *   fetch loop     its transfers and the writer side of its body pipe (download.h)
 *   worker         its parser, from the body's first byte on (reading.h)
 *
 * Each of the three has a struct of its own; what they tell each other is atomic (cause.h,
 * progress.h) or comes by mail, and nobody but attempt.c sees two of them. The attempt has ended
 * once nothing of it runs on the fetch loop and its parser has returned, was never engaged, or was
 * abandoned (invariant 4). Reference counted: the control loop's reference, one of the worker's
 * while it runs, one for each mail under way to the fetch loop. */
#ifndef PENSTOCK_ATTEMPT_ATTEMPT_H
#define PENSTOCK_ATTEMPT_ATTEMPT_H

#include "attempt/cause.h"
#include "attempt/env.h"
#include "attempt/hop.h"
#include "attempt/report.h"
#include "base/buf.h"
#include "record/spool.h"
#include "terms/spec.h"

#include <stdbool.h>
#include <stdint.h>

struct attempt;
struct credential;
struct policy;
struct sink_credit;

/* All on the control loop. */
struct attempt_ops {
    /* The origin answered with a redirect, and no transfer of the attempt runs now: go on with
     * attempt_hop, or attempt_abort. `url` is absolute and lives as long as the hop. In mid-body,
     * too, when the rest is asked for; and if attempt_asks_again, it is the job's own URL. */
    void (*redirected)(struct attempt *a, const char *url);
    /* For a command of a client's (run_fd): its body begins; or all of it is in the pipe, and
     * verified. Not after an abort. */
    void (*begun)(struct attempt *a);
    void (*delivered)(struct attempt *a);
    /* Some records may go to the store before the end: attempt_batch, and attempt_batch_over once
     * it has answered. Not after an abort. */
    void (*batch)(struct attempt *a);
    /* The download has failed and the parser has not returned yet: it has EIO now, and should. At
     * most once, not after an abort by the control loop. */
    void (*aborted)(struct attempt *a);
    /* Exactly once, last. Never from within a call of the control loop's into the attempt. */
    void (*ended)(struct attempt *a);
};

/* Unless it is said otherwise, all that follows is the control loop's. */

/* 0 and a reference, or -ENOMEM. `spec` is the job's, and stays until `ended`. `credential`: to be
 * sent to the job's own origin, or NULL; takes ownership of it in any case. `user` is for
 * attempt_user. */
int attempt_new(const struct attempt_env *env, const struct attempt_ops *ops, void *user,
                const struct spec *spec, struct registry *registry, struct policy *policy,
                struct credential *credential, uint64_t job, uint32_t number,
                struct attempt **ret_attempt);
void attempt_unref(struct attempt *a); /* any thread; takes NULL */
void *attempt_user(const struct attempt *a);

/* Its records' lines name the schedule. Before the first hop. 0 or -ENOMEM. */
int attempt_name_schedule(struct attempt *a, const char *name);
/* Its request is conditional, by these validators of an earlier body, if they are of the same page;
 * each may be NULL. What the response has of them is reported. Before the first hop. 0 or
 * -ENOMEM. */
int attempt_remember(struct attempt *a, const char *etag, const char *modified, const char *page);
/* The body goes to a command of a client's, by this pipe; takes ownership of the descriptor. Before
 * the first hop. */
void attempt_lend(struct attempt *a, int fd);
/* Its records wait for the reader whose credit this is: it takes a reference. NULL: they wait for
 * nobody. Before the first hop. */
void attempt_press(struct attempt *a, struct sink_credit *credit);
/* The store is to have the records with the verdict (attempt_stored): whatever they are in the way
 * of, too many or not to be written down, fails the attempt. `batches`: some of those that the log
 * has already go to the store before it (`batch`). Before the first hop. */
void attempt_store_records(struct attempt *a, bool batches);

/* Sends it to `url` on `host`: the first hop, or the next after `redirected`. 0 or -ENOMEM. */
int attempt_hop(struct attempt *a, const char *url, const char *host,
                const struct hop_traits *traits);

/* The redirect is none of an origin's: the URL that the job was led to has expired in mid-body, and
 * the job's own is asked for the rest. Its chain of hops begins anew with attempt_begin_again,
 * which takes ownership of the credential. */
bool attempt_asks_again(const struct attempt *a);
void attempt_begin_again(struct attempt *a, struct credential *credential);

/* Ends it with this cause unless it has one, or has ended. True if this cause is the one; `ended`
 * follows once its parser returns. */
bool attempt_abort(struct attempt *a, enum error_kind kind, const char *message);
bool attempt_cancel(struct attempt *a, bool interrupted, const char *message);

/* Its parser has not returned although it should: gives the worker up. After attempt_abort. True if
 * it was abandoned: `ended` follows. False if the parser had returned. */
bool attempt_abandon(struct attempt *a);

/* The client's command has ended, with this exit status (128 + N: by signal N); or nobody is left
 * who could tell. No-ops unless the body has begun, and after the first. */
void attempt_command_ended(struct attempt *a, int status);
void attempt_returned(struct attempt *a);

/* After `batch`: all records up to that batch's end; the file is the attempt's, for reading alone,
 * and stays while there is a reference. */
struct spool attempt_batch(const struct attempt *a);
void attempt_batch_over(struct attempt *a);

/* Why it cannot succeed; NULL: as far as it is known by now it can. */
const struct cause *attempt_cause(const struct attempt *a);
/* It has one: may another attempt do better? */
bool attempt_worth_retrying(const struct attempt *a);

/* At any time; `now` as of clock_now. */
void attempt_report(const struct attempt *a, uint64_t now, struct attempt_report *ret_report);

/* After `ended`: makes the checks that need both sides. NULL if it succeeded; or why it did not.
 * Its records are complete now. */
const struct cause *attempt_conclude(struct attempt *a);
/* After attempt_conclude: the members of the verdict that tell what the body's text was like. */
void attempt_put_text(struct buf *line, const struct attempt *a);
/* After attempt_conclude: what the head said, of a job that asks for nothing else. */
void attempt_put_head(struct buf *line, const struct attempt *a);
/* After attempt_conclude: the records that were held back, for the log if the job is done. NULL:
 * there are none. */
struct spool *attempt_spool(struct attempt *a);
/* After attempt_conclude: all of its records, for the store if the job is done
 * (attempt_store_records). NULL: there are none. */
const struct spool *attempt_stored(struct attempt *a);
/* After attempt_conclude: all of its records, to be kept (keep_records); NULL: it has none. 0; or a
 * negative errno: they were too many (-EOVERFLOW), or could not be written. */
int attempt_records(struct attempt *a, const struct spool **ret_spool);
/* After attempt_conclude: is there a body that is worth being kept? Then attempt_store_body gives
 * it a place: on a thread that may block, once. 0 and the path, newly allocated; -ENODATA; or
 * another negative errno. */
bool attempt_keeps_body(const struct attempt *a);
int attempt_store_body(struct attempt *a, char **ret_path);

/* After `ended`: no byte of the body has come to the command. */
bool attempt_untouched(const struct attempt *a);

#endif
