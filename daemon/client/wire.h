/* A connection to the daemon's control socket: requests out, lines in. Nothing here waits but
 * wire_open and wire_pass. One owner.
 *
 * Both the library's public functions and penstockctl stand on this, on daemon_line.h,
 * socket_path.h and ends.h, so that there is one client in the tree. penstockctl does not stand
 * on the public functions: those give the text of an answer or of a line written anew, for
 * programs that know nothing of jansson, where penstockctl prints the daemon's own bytes and
 * reads the rest from the tree that is parsed already; and its `run` watches a command, a
 * terminal and a second process, which no FILE can. It would parse all twice, and be no smaller. */
#ifndef PENSTOCK_CLIENT_WIRE_H
#define PENSTOCK_CLIENT_WIRE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/jsonl.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one line to the daemon may have, its newline not counted. */
#define WIRE_MAX_LINE (1024 * 1024)

struct wire {
    int fd;         /* -1: not open */
    char path[512]; /* where it leads */
    struct jsonl in;
    struct buf out; /* requests that the socket has not taken yet */
    uint64_t requests;
    bool closed; /* the daemon has; what it sent before can still be read */
};

/* Connects: to `path`; if that is NULL, as address_connect says. 0, or a negative errno with a
 * message in *err that says what to do. */
int wire_open(struct wire *wire, const char *path, struct error *err);
void wire_close(struct wire *wire);

/* Queues a request (params: takes ownership of the reference; NULL: none) and gives its id, from 1
 * on. 0, or -EMSGSIZE or -ENOMEM with a message in *err. */
int wire_send(struct wire *wire, const char *method, json_t *params, uint64_t *ret_id,
              struct error *err);

/* Sends what is queued so far, and a descriptor with it (SCM_RIGHTS, unix(7)); waits until the
 * socket has taken the first byte. 0, or a negative errno with a message in *err. */
int wire_pass(struct wire *wire, int fd, struct error *err);

/* Sends as much of what is queued as the socket takes. 0 or a negative errno. */
int wire_flush(struct wire *wire);

/* Reads what is there, at most one piece; wire_line gives the lines in it. At the daemon's end sets
 * `closed`. 0 or a negative errno. */
int wire_receive(struct wire *wire);

/* The next line from the daemon; valid until the next wire_receive. 1; 0: none yet; -EMSGSIZE. */
int wire_line(struct wire *wire, char **ret_line, size_t *ret_len);

/* What a negative errno of these functions means (-ECONNRESET: the daemon has closed the
 * connection), as a message in *err. Returns `code`. */
int wire_explain(const struct wire *wire, int code, struct error *err);

#endif
