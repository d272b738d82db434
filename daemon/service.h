/* The daemon as a service of systemd: the socket it is given, what it says of itself, the watchdog.
 * Started otherwise, all of it does nothing. The control loop. */
#ifndef PENSTOCK_SERVICE_H
#define PENSTOCK_SERVICE_H

#include "base/error.h"
#include "base/mailbox.h"
#include "fetch/fetch.h"
#include "job/jobs.h"
#include "record/sink.h"
#include "store/store.h"
#include "watchdog.h"

#include <stdbool.h>
#include <uv.h>

/* What it asks for figures, and pings. Borrowed until service_stop. */
struct service_parts {
    uv_loop_t *loop;
    struct mailbox *mailbox;
    struct fetch *fetch;
    struct store *store;
    struct jobs *jobs;
    struct sink *sink;
};

struct service {
    struct service_parts parts;
    uv_timer_t timer;
    struct watchdog watchdog;
    bool managed; /* somebody listens to what it says */
    bool running; /* between start and stop */
    bool stopping;
    char said[512]; /* the last STATUS that was taken */
    char owed[64];  /* a change of state that the manager has not taken; "": none */
};

/* The control socket that the manager listens on (the first descriptor, or the one of that
 * FileDescriptorName=), the caller's from now on; -1 if there is none. Descriptors beyond it are
 * refused by a negative errno with a message in *err. */
int service_socket(struct error *err, int *ret_fd);

/* Everything works: says READY, and from then on figures, trouble and signs of life. 0, or a
 * negative errno with a message in *err. */
int service_start(struct service *s, const struct service_parts *parts, struct error *err);

void service_reloading(struct service *s);
void service_reloaded(struct service *s);
/* It drains; the watchdog is fed on. */
void service_stopping(struct service *s);
/* Something is to be told at once. */
void service_changed(struct service *s);

/* Before the parts go. Idempotent. */
void service_stop(struct service *s);
/* After the loop's end. */
void service_deinit(struct service *s);

#endif
