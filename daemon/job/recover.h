/* What an earlier daemon left: the rows that were running, and the hosts that have a queue. Control
 * loop. */
#ifndef PENSTOCK_JOB_RECOVER_H
#define PENSTOCK_JOB_RECOVER_H

#include <stdbool.h>

struct jobs;
struct recovery;

int recovery_new(struct recovery **ret_recovery); /* 0 or -ENOMEM */
void recovery_free(struct recovery *recovery);    /* takes NULL */

void recover_start(struct jobs *jobs); /* before anything is claimed */
void recover_again(struct jobs *jobs); /* the store could not be read: everything in a second */
void recover_check(struct jobs *jobs); /* jobs->recover has rung */
/* The hosts that have a queue are read (once more, if they are just being read). */
void recover_hosts(struct jobs *jobs);
bool recover_busy(const struct jobs *jobs); /* is the store asked? */

#endif
