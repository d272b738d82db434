/* A row becomes `running` in the store before a line of its attempt is written. */
#ifndef PENSTOCK_JOB_CLAIM_H
#define PENSTOCK_JOB_CLAIM_H

#include "job/job.h"

void job_start(struct job *job);                            /* has permit and slot */
void claim_learn(struct host *host, const struct job *job); /* it gives its slot back */
void claim_ahead(struct host *host); /* the next jobs of a host where jobs come and go fast */
/* May this row be claimed together with its submission? If so a claim_unfold has to follow. */
bool claim_fold(struct jobs *jobs, const struct store_job *row);
void claim_unfold(struct jobs *jobs, const struct store_job *row);
void claim_drain(struct jobs *jobs); /* what was claimed and has not started is queued again */
void claim_watch(struct job *job);   /* it is claimed and in the window: not for long */
void claim_give_back(struct host *host, uint64_t now); /* those for which it was too long */

#endif
