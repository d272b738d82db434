/* A row becomes `running` in the store before a line of its attempt is written. Control loop. */
#ifndef PENSTOCK_JOB_CLAIM_H
#define PENSTOCK_JOB_CLAIM_H

#include "job/host.h"

struct claims;

int claims_new(struct claims **ret_claims); /* 0 or -ENOMEM */
void claims_free(struct claims *claims);    /* takes NULL */
bool claims_busy(const struct jobs *jobs);  /* is the store asked? */

/* The job has a permit and a slot: it is claimed, then launched. */
void job_start(struct job *job);
/* The next jobs of a host where jobs come and go fast are claimed before there is a slot for
 * them. */
void claim_ahead(struct host *host);

/* May this row be claimed together with its submission? If so a claim_unfold has to follow. */
bool claim_fold(struct jobs *jobs, const struct store_job *row);
void claim_unfold(struct jobs *jobs, const struct store_job *row);

void claim_watch(struct job *job); /* it is claimed and in the window: not for long */
void claim_give_back(struct host *host, uint64_t now); /* those for which it was too long */
/* The drain: what was claimed and has not started is queued again. */
void claim_drain(struct jobs *jobs);

#endif
