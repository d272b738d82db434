/* penstock/client.h: a URL opened as a FILE or as a descriptor, in a program of one's own, and the
 * rest of what penstockd does for its clients. Link with -lpenstock (pkg-config: libpenstock).
 *
 *     FILE *body = penstock_open("https://example.org/rates.csv", NULL);
 *     int r = body ? parse(body) : -1;
 *     struct penstock_verdict verdict;
 *     if (body && penstock_close(body, r, &verdict) != 0)
 *         fprintf(stderr, "%s: %s\n", verdict.error_kind, verdict.error_message);
 *
 * What a reader can rely on
 *  - An end means that the whole body has arrived and was verified. A body that was cut, cancelled
 *    or refused, and the death of penstockd by whatever cause, give a read error: EIO from a FILE,
 *    ECONNRESET from a descriptor.
 *  - A reader that is slow makes the download wait, down to the origin's TCP window: memory is
 *    bounded whatever the body's size.
 *  - A connection that breaks is resumed where it broke, and the reader does not notice.
 *
 * Threads, signals, processes
 *  - Each body and each struct penstock has one user at a time; different ones may be used by
 *    different threads at once.
 *  - No function installs a signal handler, starts a thread or a process, or changes what the
 *    program has.
 *  - Each descriptor is close-on-exec. After a fork(2), a body belongs to one of the two processes:
 *    the other leaves it alone (and may exec(3) or _exit(2)).
 *
 * Options are text: "digest=sha256 max_body=1G label.team=data". Their names are those of
 * penstockctl's options (penstockctl(1), with _ for -), of the protocol (penstock-protocol(7)) and
 * of the config. `label.K=V`, `option.K=V` and `header="NAME: V"` may be repeated, `socket=PATH`
 * names the daemon's socket. A value with white space stands in double quotes, in which a backslash
 * takes the next character as it is. NULL is none.
 *
 * Errors: a function that returns int gives 0 or more, or a negative errno; penstock_error and its
 * kin tell in words.
 *
 * Versioning: what is declared here stays as it is in every library of the same soname. Functions
 * may be added. */
#ifndef PENSTOCK_CLIENT_H
#define PENSTOCK_CLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a job ended. */
enum penstock_state {
    PENSTOCK_STATE_DONE = 0,      /* all checks agree */
    PENSTOCK_STATE_FAILED = 1,    /* error_kind says why */
    PENSTOCK_STATE_CANCELLED = 2, /* by somebody, or by the daemon's stop */
    PENSTOCK_STATE_UNKNOWN = 3,   /* the daemon could not be asked any more */
};

struct penstock_verdict {
    uint64_t job;
    uint32_t attempt;
    uint32_t resumes; /* after broken connections */
    enum penstock_state state;
    int status;     /* HTTP's, 0: there was no answer */
    uint64_t bytes; /* of the body as it arrived */
    uint64_t records;
    double seconds;          /* from submission to verdict */
    char verified_by[16];    /* length, chunked, http2, digest, …; "" if not done */
    char error_kind[32];     /* truncated, http_status, …; "" if it has not failed */
    char error_message[512]; /* UTF-8, one line */
    uint64_t reserved[16];   /* 0 */
};

/* --- one body --------------------------------------------------------------------------------- */

/* Opens a URL for reading: submits a job, and waits until the body's first byte is there, or its
 * verified end. Attempts that fail before that are made again, as the daemon is configured. The
 * FILE has no descriptor and cannot seek. NULL: penstock_error(NULL) says why, and errno is EINVAL
 * (the daemon refuses the URL or an option), ENOENT, ECONNREFUSED or EACCES (the daemon cannot be
 * reached), EIO (the body cannot be had), ENOMEM or EMFILE. */
FILE *penstock_open(const char *url, const char *options);

/* Closes it and tells how the job ended. `result` is what the reader made of the body: 0 if it is
 * content (also with a part of it: verified_by is then `enough`), anything else fails the job as
 * `parser_failed`. Waits for the verdict, which is filled into *ret_verdict unless that is NULL.
 * Returns 0 if the job is done; 1 if it has failed or was cancelled; -EBADF if it is no FILE of
 * penstock_open's; or another negative errno, when the daemon has gone before it could say.
 *
 * A plain fclose(3) instead cancels the job. */
int penstock_close(FILE *body, int result, struct penstock_verdict *ret_verdict);

/* The same for code that reads descriptors: a connected unix stream socket. It gives what a read of
 * the FILE would give; where a FILE gives EIO, read(2) gives ECONNRESET. The kernel says that once:
 * whoever reads on after the error sees an end that is none. It can be the standard input of
 * another program: wc, sort, cat, gzip, tar, grep, awk and python exit with "Connection reset by
 * peer" after a cut (sed, perl -n and a shell's `read` do not look at errors: do not use
 * it for these). Returns the descriptor, or -1 with errno as above. */
int penstock_open_fd(const char *url, const char *options);

/* As penstock_close; closes `fd`. */
int penstock_close_fd(int fd, int result, struct penstock_verdict *ret_verdict);

/* Why a read failed, or "" if none has; NULL: why the last penstock_open or penstock_open_fd of
 * this thread failed. After a cut it waits for the daemon's word of it, and the job's verdict is
 * settled by that. UTF-8; valid until the next call for the same body, or of the same thread. */
const char *penstock_error(FILE *body);
const char *penstock_error_fd(int fd);

/* --- a connection, for a loop of one's own ---------------------------------------------------- */

struct penstock;

/* What the daemon answers with an error, or the end of the connection (code 0). Valid during the
 * callback. */
struct penstock_fault {
    int code; /* JSON-RPC's, penstock-protocol(7) has them; 0: the connection has ended */
    const char *message; /* names the field and the remedy */
    const char *field;   /* "" if it is about none */
};

/* An answer: its JSON and NULL, or NULL and a fault. Called by penstock_process, penstock_ask or
 * penstock_disconnect, exactly once a call. It may make calls, but not disconnect. */
typedef void (*penstock_answer)(void *arg, const char *result, const struct penstock_fault *fault);

/* A line of the log that the connection follows, as JSON; NULL: the end of it (every job that was
 * followed by id has ended). */
typedef void (*penstock_event)(void *arg, const char *line);

/* Connects to the socket at a path; NULL: to $PENSTOCK_SOCKET, else to the user's own daemon, else
 * to the system's. 0; or a negative errno, and penstock_error(NULL) says why. */
int penstock_connect(const char *path, struct penstock **ret_connection);

/* Ends the connection: calls without an answer get a fault. Takes NULL. */
void penstock_disconnect(struct penstock *connection);

/* For poll(2) or the like: the descriptor, and the events to be waited for now (POLLIN,
 * POLLOUT). */
int penstock_get_fd(const struct penstock *connection);
short penstock_get_events(const struct penstock *connection);

/* Sends and receives what can be had without waiting, and makes the callbacks. How many lines came;
 * or a negative errno (-ECONNRESET: the daemon has closed the connection; all calls were answered
 * by then). */
int penstock_process(struct penstock *connection);

/* Queues a call of a method of the protocol, its parameters as JSON (NULL: none). 0; -EINVAL: that
 * is no JSON; -EMSGSIZE: over 1 MiB; -ECONNRESET: the connection has ended; -ENOMEM. `answer` may
 * be NULL. */
int penstock_call(struct penstock *connection, const char *method, const char *params,
                  penstock_answer answer, void *arg);

/* penstock_call of `submit`, with a URL and options as text. */
int penstock_submit(struct penstock *connection, const char *url, const char *options,
                    penstock_answer answer, void *arg);

/* Where the lines of `follow`, and of `submit` with "follow", go from now on. */
void penstock_on_event(struct penstock *connection, penstock_event event, void *arg);

/* penstock_call that waits for its answer; callbacks of others are made meanwhile. *ret_result is
 * to be freed by free(3). 0; 1: the daemon says no, and penstock_fault_of says why; or a negative
 * errno. */
int penstock_ask(struct penstock *connection, const char *method, const char *params,
                 char **ret_result);

/* The fault of the last penstock_ask that returned 1, valid until the next one. */
const struct penstock_fault *penstock_fault_of(const struct penstock *connection);

#ifdef __cplusplus
}
#endif

#endif
