/* Which job runs next. Control loop. */
#ifndef PENSTOCK_JOB_ADMISSION_H
#define PENSTOCK_JOB_ADMISSION_H

struct jobs;

/* Redirected jobs that wait for a slot go on, then others start, as far as slots and permits go. */
void admission_run(struct jobs *jobs);
/* The timer: rows fall due, hosts may go on. */
void admission_check_due(struct jobs *jobs);
/* Why a queued job does not start: "paused", "sink", "store", "host" or "worker"; for
 * waiting_for. */
const char *admission_obstacle(const struct jobs *jobs, const char *host, const char *parser);

#endif
