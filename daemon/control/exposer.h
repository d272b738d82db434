/* The figures over HTTP on a loopback address or a unix socket: GET /metrics for Prometheus, / for
 * a browser (page.h), /healthz and /readyz for who looks after services.
 *
 * libmicrohttpd has a thread of its own, which speaks HTTP and hands out finished text; it never
 * looks at the daemon. Who asks waits (suspended) until the control loop has put the text together,
 * which all who wait share, and which whoever comes within a fifth of a second gets as well: so
 * however many ask, the loop does it five times a second at most. Bounds: 10 s without a sign, 16
 * KiB of request, and 16 connections: for another one the oldest that asks for nothing is closed,
 * so that clients who only hold on to theirs shut no scrape out. */
#ifndef PENSTOCK_CONTROL_EXPOSER_H
#define PENSTOCK_CONTROL_EXPOSER_H

#include "api/api.h"
#include "base/error.h"
#include "terms/settings.h"

#include <sys/types.h>
#include <uv.h>

struct exposer;

struct exposer_config {
    struct mailbox *mailbox; /* the control loop's */
    struct api *api;
    uv_loop_t *loop;
    const char *listen;     /* as [metrics] listen */
    enum metrics_page page; /* as [metrics] page */
    mode_t mode;            /* of a unix socket, … */
    const char *group;      /* … and its group; NULL */
    mode_t dir_mode;
};

/* 0, or a negative errno with a message in *err. */
int exposer_new(const struct exposer_config *config, struct exposer **ret_exposer,
                struct error *err);

/* Once the jobs are drained: answers who waits, ends the thread. Control loop. Takes NULL. */
void exposer_stop(struct exposer *exposer);

/* After exposer_stop and the mailbox's last delivery. Takes NULL. */
void exposer_free(struct exposer *exposer);

#endif
