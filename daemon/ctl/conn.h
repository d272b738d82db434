/* The client's connection to the daemon, and everything else that the client waits for meanwhile,
 * by poll(2). */
#ifndef PENSTOCK_CTL_CONN_H
#define PENSTOCK_CTL_CONN_H

#include "client/daemon_line.h"
#include "client/wire.h"

#include <poll.h>

struct conn {
    struct wire wire;
    bool
        ignores_stdout; /* conn_poll lets the process live when standard output's reader has gone */
    uint64_t waits_since; /* clock_now of the first conn_poll; 0: there was none */
    uint64_t deadline;    /* clock_now: nothing is waited for any longer; 0: none */
    bool heard;           /* the daemon has said something */
    bool unwatched;       /* that it says nothing is not told, or has been */
    bool holds_on; /* the first signal only sets `stops`: a call that is made has its answer, if
                    * that comes within 10 s */
    bool stops;
    bool owed; /* the answer to the last conn_call did not come */
};

/* Waits until the daemon sent or took something, one of `extra` (at most three; revents are set) is
 * ready, or timeout_ms (-1: none) is over. 0; -EINTR: a signal, or the time after the first one is
 * over; -ECONNRESET: the daemon has closed the connection and every line was taken; -ETIMEDOUT: the
 * deadline is over; or another negative errno. Flushes standard output before, ends the process if
 * its reader has gone. */
int conn_poll(struct conn *conn, struct pollfd *extra, size_t extra_count, int timeout_ms);

/* Sends one request and waits for its answer; other lines are passed over. `text` of the answer is
 * valid until the next call on the connection. 0, or a negative errno with a message in *err
 * (-EINTR: Ctrl-C). An error answer is a 0 here. */
int conn_call(struct conn *conn, const char *method, json_t *params, struct answer *ret_answer,
              struct error *err);

/* Does the daemon answer a ping, on a connection of its own? One that waits for a job says nothing
 * either; one that cannot start may still have its socket, from systemd. Waits for a second at
 * most. */
bool conn_answers(const struct conn *conn);

#endif
