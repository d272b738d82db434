/* Before a parser that is a process: the body decoded, or copied to where it is kept, by a thread
 * that reads the body's pipe and writes another one. The other one has a body object of its own,
 * whose state says of the decoded bytes what the first one's says of the raw ones: complete only if
 * the decoding was whole. */
#ifndef PENSTOCK_PARSE_PROCESS_DECODE_H
#define PENSTOCK_PARSE_PROCESS_DECODE_H

#include "flow/body.h"
#include "flow/decode.h"
#include "record/kind.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct process_decode {
    pthread_t thread;
    struct decode *decode;
    struct body *source; /* borrowed */
    struct body *body;   /* of the decoded bytes; a reference */
    int in, out;         /* owned by the thread once it runs */
    bool drain;          /* read on when nobody wants more */
    bool running;
    void (*tee)(void *arg, const char *data, size_t len); /* as a parse_task's; or NULL */
    void *tee_arg;
    /* Results, after process_decode_wait. */
    bool ended;   /* the whole of the source was read, and is good */
    bool vouched; /* the decoding alone shows it */
    enum error_kind kind;
    char message[512];
};

/* What of a plan is for pipelines: files are left as they are unless their coding was named, as a
 * pipeline may well begin with zcat. */
bool process_decode_wanted(struct decode_plan *plan);

/* `tee` and `tee_arg` are set, all else is set here; an empty plan passes the body on as it is.
 * Takes `in` over (also on failure). 0; the decoded bytes' read end, and a further duplicate of
 * their write end, both the caller's; or a negative errno. */
int process_decode_start(struct process_decode *d, const struct decode_plan *plan,
                         struct body *source, int in, bool drain, int *ret_read, int *ret_write);

/* Waits for its end: nobody must hold the decoded bytes' read end any more, or the source must have
 * ended. Takes a zeroed one. */
void process_decode_wait(struct process_decode *d);

/* After its end; takes a zeroed one. */
void process_decode_deinit(struct process_decode *d);

#endif
