/* The config, read again while the daemon runs. Reading takes as long as it takes: files, users and
 * groups, and plug-ins that describe themselves in processes of their own, each of which may hang
 * for seconds. So it has a thread of its own, and what was read takes effect on the control loop,
 * as a whole or not at all.
 *
 * One reading at a time. Who asks while one is under way has another after it, because the files
 * may have changed since it began; all who wait for that share it. All functions: the control
 * loop. */
#ifndef PENSTOCK_RELOAD_H
#define PENSTOCK_RELOAD_H

#include "api/api.h"
#include "load.h"
#include "outlet.h"

#include <stdbool.h>

struct sink_targets;
struct reload;

struct reload_config {
    const struct load_options *options;
    struct mailbox *mailbox;        /* the control loop's */
    const struct settings *started; /* what only a restart changes is as it was then */
    const struct outlet *outlet;
    void (*begin)(void *arg); /* a reading begins; `end` follows, perhaps not at a stop */
    /* Takes both over. */
    void (*apply)(void *arg, const struct loaded *fresh, struct sink_targets *sinks);
    void (*end)(void *arg, bool good);
    void *arg;
};

/* NULL: out of memory. */
struct reload *reload_new(const struct reload_config *config);

/* Reads it, and answers `request` (jobs.h; never from within; NULL: by a signal, the log tells). */
void reload_request(struct reload *reload, struct api_reload *request);

/* The daemon stops: who waits is refused, and what a reading finds is dropped. Idempotent. */
void reload_stop(struct reload *reload);

/* After reload_stop, before the mailbox is closed: nothing is posted from here on. */
void reload_abandon(struct reload *reload);

/* After the loop has ended; waits a moment for the thread. False: it still reads, and what it uses
 * must stay. Takes NULL. */
bool reload_free(struct reload *reload);

#endif
