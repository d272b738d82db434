/* Followers: who gets which line. */
#ifndef PENSTOCK_JOB_FOLLOW_H
#define PENSTOCK_JOB_FOLLOW_H

#include "job/job.h"

struct follow_tap;
int follow_init(struct jobs *jobs);
void follow_deinit(struct jobs *jobs);
/* `own`: the follower may see it, that is known. */
bool follow_add_id(struct follower *follower, struct jobs *jobs, uint64_t id, bool own);
/* A job's end stands in the store: followers by id that have not had its verdict get it. */
void follow_ended(struct jobs *jobs, const struct store_job *row, const char *verdict, size_t len);
/* The sink's thread: a written chunk; takes it over. */
void follow_chunk(struct jobs *jobs, struct sink_chunk *chunk);

#endif
