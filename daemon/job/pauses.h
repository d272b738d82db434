/* What operators hold back in a fleet (hold.h): it is stored, so that all members hold it, those as
 * well that join later, until somebody resumes it at any of them. Nothing starts here until it is
 * read. Without a fleet nobody calls any of this but pauses_busy. Control loop. */
#ifndef PENSTOCK_JOB_PAUSES_H
#define PENSTOCK_JOB_PAUSES_H

#include "store/shared.h"

#include <stdbool.h>

struct jobs;

/* This daemon is a member, or one again: all is read, before anything starts. */
void pauses_begin(struct jobs *jobs);
void pauses_changed(struct jobs *jobs);    /* some were set, or let go */
void pauses_tick(struct jobs *jobs);       /* what could not be read is read again */
bool pauses_busy(const struct jobs *jobs); /* is the store asked? */

/* The store has taken this of ours, and so it holds here at once. */
void pauses_stored(struct jobs *jobs, const struct store_pause *pause);

#endif
