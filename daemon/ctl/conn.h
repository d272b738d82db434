/* A connection to the daemon: requests out, lines in, and everything else that the client waits for
 * meanwhile, by poll(2). */
#ifndef PENSTOCK_CTL_CONN_H
#define PENSTOCK_CTL_CONN_H

#include "base/buf.h"
#include "base/error.h"
#include "base/jsonl.h"

#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conn {
    int fd;
    char path[512]; /* where it leads */
    struct jsonl in;
    struct buf out; /* requests that the socket has not taken yet */
    uint64_t requests;
    bool closed; /* the daemon has; what it sent before can still be read */
    bool
        ignores_stdout; /* conn_poll does not end the process when standard output's reader has gone */
};

/* Connects: to `path`; if that is NULL, to $PENSTOCK_SOCKET; else to the user's own daemon, then to the
 * system's. 0, or a negative errno and a sentence that says what to do. */
int conn_open(struct conn *conn, const char *path, struct error *err);
void conn_close(struct conn *conn);

/* Queues a request (params: a reference that is taken over; NULL: none) and gives its id, from 1 on. 0, or
 * -EMSGSIZE or -ENOMEM and a sentence. */
int conn_send(struct conn *conn, const char *method, json_t *params, uint64_t *ret_id,
              struct error *err);

/* Sends what is queued so far, and a descriptor with it (SCM_RIGHTS, unix(7)); waits until the socket has taken
 * the first byte. 0, or a negative errno and a sentence. */
int conn_pass(struct conn *conn, int fd, struct error *err);

/* Waits until the daemon sent or took something, one of `extra` (at most three; revents are set) is ready, or
 * timeout_ms (-1: none) is over. 0; -EINTR: Ctrl-C; -ECONNRESET: the daemon has closed the connection and
 * every line was taken; or another negative errno. Flushes standard output before, ends the process if its
 * reader has gone. */
int conn_poll(struct conn *conn, struct pollfd *extra, size_t extra_count, int timeout_ms);

/* The next line from the daemon; valid until the next call on the connection. 1, 0: none yet, -EMSGSIZE. */
int conn_line(struct conn *conn, char **ret_line, size_t *ret_len);

/* One line, read as an answer. */
struct answer {
    json_t *root;                /* owned */
    uint64_t id;                 /* of the request; 0: none */
    json_t *result;              /* borrowed; NULL with an error */
    int code;                    /* of the error; 0: none */
    const char *message, *field; /* borrowed; field may be NULL */
    const char *text;            /* the raw line, borrowed */
    size_t len;
};
/* 0; 1: it is a notification; -EBADMSG: it is neither. */
int answer_read(const char *line, size_t len, struct answer *ret_answer);
void answer_deinit(struct answer *answer);

/* Sends one request and waits for its answer; other lines are passed over. `text` of the answer is valid until
 * the next call on the connection. 0, or a negative errno and a sentence (-EINTR: Ctrl-C). An error answer is
 * a 0 here. */
int conn_call(struct conn *conn, const char *method, json_t *params, struct answer *ret_answer,
              struct error *err);

/* Why waiting ended: a sentence for a result of conn_poll. */
int conn_explain(const struct conn *conn, int code, struct error *err);

#endif
