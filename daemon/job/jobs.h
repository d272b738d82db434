/* The jobs of a daemon, as an object: its making, a reload, its end. Everything here runs on the
 * control loop. */
#ifndef PENSTOCK_JOB_JOBS_H
#define PENSTOCK_JOB_JOBS_H

#include "base/error.h"
#include "base/mailbox.h"

#include <stdint.h>
#include <uv.h>

struct jobs;
struct fetch;
struct pool;
struct store;
struct store_counts;
struct sink;
struct registry;
struct policy;
struct settings;

struct jobs_config {
    uv_loop_t *loop;
    struct mailbox *mailbox; /* the control loop's */
    const struct settings *settings;
    struct fetch *fetch;
    struct pool *pool;
    struct store *store;
    struct sink *sink;
    struct registry *registry;
    struct policy *policy;
};

int jobs_new(const struct jobs_config *config, struct jobs **ret_jobs, struct error *err);

/* The sink or the store began to fail, or works again. */
void jobs_trouble_changed(struct jobs *jobs);

/* A reload: jobs that start from now on live by these. Running ones keep what they have. `settings`
 * must live until the next reload or jobs_close; the others are referenced. */
void jobs_reconfigure(struct jobs *jobs, const struct settings *settings, struct registry *registry,
                      struct policy *policy);

/* Sizes for the daemon's status line: how many run, how many wait. */
void jobs_figures(const struct jobs *jobs, unsigned *ret_running, uint64_t *ret_pending);

/* The name of this daemon among those that share its store; NULL: it has it alone. */
const char *jobs_member(const struct jobs *jobs);

/* Jobs by state as clients see it: one that is claimed and has not started is queued. */
void jobs_counts(struct jobs *jobs, struct store_counts *ret_counts);

/* After a drain (drain.h): closes its handles, then frees; `closed` is called from the loop. */
void jobs_close(struct jobs *jobs, void (*closed)(void *arg), void *arg);

#endif
