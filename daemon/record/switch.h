/* Other targets for a sink that runs. */
#ifndef PENSTOCK_RECORD_SWITCH_H
#define PENSTOCK_RECORD_SWITCH_H

#include "record/sink.h"

#include <stddef.h>
#include <stdint.h>

struct sink_targets;
struct target;

/* Other targets for a sink that runs, opened but not written to. Any thread, which it may hold up
 * as opening a file does. 0, or a negative errno with a message in *err as of sink_new; then
 * nothing is open and the `fd`s stay the caller's. */
int sink_targets_open(const struct sink_target *targets, size_t count,
                      struct sink_targets **ret_targets, struct error *err);
void sink_targets_free(struct sink_targets *targets); /* takes NULL */

/* From some line on (soon: between two batches, and not within the records of a spool) these are
 * the targets; takes ownership of them. Who writes to the same path, or to standard output, before
 * and after goes on as it is. Who is left has all lines before that one, synced if syncing is on.
 * One that fails, or whose reader stalls for retry_ns, is not waited for: what it lacks goes to
 * those that are new. Any thread; does not wait. A later call takes the place of one that has not
 * taken effect yet. */
void sink_switch(struct sink *sink, struct sink_targets *targets);

/* --- for the sink itself ---------------------------------------------------------------------- */

typedef int target_opener(struct target *t, const struct sink_target *from, struct error *err);
/* All or none, into an empty set. */
int switch_open(const struct sink_target *targets, size_t count, target_opener *opener,
                struct sink_targets *ret_set, struct error *err);

/* For the thread. */
void switch_heed(struct sink *s);

/* Puts `coming` in its place if that may be done now. */
void switch_targets(struct sink *s);

/* When one that leaves is not waited for any more; UINT64_MAX: never, or nothing is coming. */
uint64_t switch_by(const struct sink *s);

#endif
