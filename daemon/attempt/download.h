/* The download of an attempt: from the response's head to the last byte in the body's pipe, through
 * as many transfers as it takes: one a hop, and one for each resume in mid-body.
 *
 * A fetch loop's from download_start to `over`, or from download_go_on to `parked` or `over`; the
 * control loop's before, between and after. Its body has one pipe, on one loop: a redirect in
 * mid-body leads to another transfer there. */
#ifndef PENSTOCK_ATTEMPT_DOWNLOAD_H
#define PENSTOCK_ATTEMPT_DOWNLOAD_H

#include "attempt/cause.h"
#include "attempt/checksum.h"
#include "attempt/condition.h"
#include "attempt/encoding.h"
#include "attempt/env.h"
#include "attempt/head_facts.h"
#include "attempt/hop.h"
#include "attempt/progress.h"
#include "attempt/report.h"
#include "attempt/resume.h"
#include "base/mailbox.h"
#include "fetch/transfer.h"
#include "flow/body_pipe.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct download;
/* All on the fetch loop. */
struct download_ops {
    /* The head of the response whose body goes to a consumer; its encoding is planned. 0 or
     * -ENOMEM. */
    int (*head)(struct download *d, const struct transfer_response *response);
    /* Its body has a pipe: whoever reads it gets the read end (and ownership of it, in any case).
     * 0; or negative with the cause set. */
    int (*consumer)(struct download *d, int read_fd);
    /* A redirect in mid-body: no transfer runs, and the pipe stays where it is, until
     * download_go_on or download_abort. Its reader may leave meanwhile. */
    void (*parked)(struct download *d);
    /* Nothing of it runs on the fetch loop any more: the last touch. */
    void (*over)(struct download *d);
    /* The mail of a download_go_on or download_abort was read: the memory need not stay for its
     * sake. */
    void (*release)(struct download *d);
};

enum download_mode {
    MODE_HEAD,      /* no response yet */
    MODE_STREAM,    /* the body goes to the parser */
    MODE_UNCHANGED, /* the origin says that there is nothing new: no parser runs */
    MODE_TOLD,      /* the head was all that was asked for: no parser runs */
    MODE_EXCERPT,   /* an answer that no parser sees: its first bytes go into the message */
};

#define DOWNLOAD_EXCERPT 512

struct download {
    /* Immutable. */
    const struct attempt_env *env;
    const struct download_ops *ops;
    const struct spec *spec;
    const struct hop *hop; /* the one under way; the attempt's, see there */
    struct policy *policy; /* a reference of the attempt's */
    struct first_cause *cause;
    struct progress *progress;

    struct fetch_loop *loop; /* the last one; NULL before the first */
    struct transfer transfer;
    struct transfer_request request;
    const char **headers; /* of the request: the hop's, a credential's, conditions */
    enum download_mode mode;
    struct transfer_result end; /* of the last transfer */
    int status;
    char *redirect, *retry_after; /* or NULL */
    /* the redirect is none of an origin's: the job's own URL is to be asked for the rest */
    bool again;
    uint64_t again_at; /* bytes taken when that was last so; 0: never */
    char excerpt[DOWNLOAD_EXCERPT + 1];
    size_t excerpt_len;
    struct body *body;
    struct body_pipe pipe;
    bool pipe_open, pipe_closing, transferring;
    struct resume resume;
    uv_timer_t resume_timer;
    bool resume_timer_open;
    bool resume_pending; /* it waits for its back-off, or for room in the pipe */
    struct condition condition;
    struct head_facts *told; /* of a job that asks for a head alone; else NULL */
    struct encoding encoding;
    struct checksum checksum;
    enum verified_by verified;
    uint64_t pipe_full_ns;
    struct mail abort_mail, go_on_mail;
};

/* Takes a zeroed one whose immutable members are set. 0 or -ENOMEM. Control loop. */
int download_init(struct download *d);
void download_deinit(struct download *d); /* any thread; nothing of it runs; takes a zeroed one */

/* The hop's transfer begins, on this loop. Without a body's pipe. Control loop; `over` follows. */
void download_start(struct download *d, struct fetch_loop *loop);
/* The same after `parked`, where its pipe is: `release` follows, and `parked` or `over`. */
void download_go_on(struct download *d);
/* The cause is set: stops whatever runs. `release` follows, and `over` if it has not come. False:
 * that is under way already, and `release` follows once for both. Control loop. */
bool download_abort(struct download *d);

/* The members of `report` that are its own, after reading_report; `idle`: no transfer is under way.
 * Control loop. */
void download_report(const struct download *d, bool idle, struct attempt_report *report);

#endif
