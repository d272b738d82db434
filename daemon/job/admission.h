/* Which job runs next. Control loop. */
#ifndef PENSTOCK_JOB_ADMISSION_H
#define PENSTOCK_JOB_ADMISSION_H

#include <stdint.h>

struct host;
struct jobs;

/* Redirected jobs that wait for a slot go on, then others start, as far as slots and permits go. */
void admission_run(struct jobs *jobs);
/* Its clock has rung: the host may go on, or may be forgotten. */
void admission_host_clock(struct host *host);
/* A row of it has fallen due. */
void admission_host_due(struct host *host);
/* Why a queued job does not start: "paused", "sink", "store", "user" (who has max_running of them
 * running, or others that come first), "host" or "worker"; in a fleet also "member" (another one
 * starts it), "owner" (nobody does just now) or "parser" (this one does, and has no such parser).
 * For waiting_for. */
const char *admission_obstacle(const struct jobs *jobs, const char *host, const char *parser,
                               uint32_t uid);

#endif
