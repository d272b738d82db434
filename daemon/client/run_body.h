/* One body of a `run`, from the submission to the verdict: what the daemon says of it on a
 * connection of its own, beside the pipe or the socket that the bytes come through. Blocking; one
 * thread at a time.
 *
 *   opened  the daemon has the write end, we have the read end; the job has an id
 *   begun   the body's first byte is in the pipe, or its verified end
 *   over    `whole`: all of it is in the pipe; `cut`: no more will come; or the daemon has gone
 *   ended   the verdict has come */
#ifndef PENSTOCK_CLIENT_RUN_BODY_H
#define PENSTOCK_CLIENT_RUN_BODY_H

#include "base/error.h"
#include "client/wire.h"
#include "penstock/client.h"

#include <stdbool.h>
#include <sys/types.h>

struct body {
    struct wire wire;
    /* the read end: a pipe's, non-blocking, or a socket; -1 once it is closed or given away */
    int fd;
    uint64_t job; /* 0: not acknowledged yet */
    bool begun, whole, cut, ended;
    bool said;                       /* how the reader ended */
    struct penstock_verdict verdict; /* if `ended` */
    struct error why;                /* why no more will come; "" */
};

/* Opens, and waits until it has begun. 0; or a negative errno (as penstock_open has them) with a
 * message in *err. Then there is nothing to be closed. */
int body_open(struct body *body, const char *url, const char *options, bool socket,
              struct error *err);

/* Reads from the pipe. The number of bytes; 0: the verified end; -EIO with `why`. */
ssize_t body_read(struct body *body, void *data, size_t size);

/* Where the daemon has closed its end of the socket (`fd`), waits until it has said whether the
 * body is whole; if it is not, also for the verdict: then `why` has its words. */
void body_hear_end(struct body *body);

/* Says how the reader ended (an exit status), and waits for the verdict. 0; or a negative errno,
 * when the daemon has gone. Closes `fd`. */
int body_finish(struct body *body, int status);

/* Frees what it holds; a job that has not ended is cancelled by that. */
void body_close(struct body *body);

#endif
