/* A line from a client, read: one request, or an array of them. Everything that JSON-RPC 2.0 and
 * our own bounds say about form is checked here; what the parameters mean is for those who carry
 * them out. */
#ifndef PENSTOCK_CONTROL_MESSAGE_H
#define PENSTOCK_CONTROL_MESSAGE_H

#include "api/api.h"
#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define MESSAGE_MAX_BATCH  1000   /* requests in an array */
#define MESSAGE_MAX_JOBS   1000   /* jobs in one submit */
#define MESSAGE_MAX_IDS    1000   /* ids in one request */
#define MESSAGE_MAX_DEPTH  32     /* objects and arrays within one another */
#define MESSAGE_MAX_VALUES 100000 /* values in a line: what a line of 1 MiB may cost in memory */
#define MESSAGE_RESERVE    4096   /* bytes: the least that message_reserve says */

enum message_kind { MESSAGE_CALL, MESSAGE_FOLLOW, MESSAGE_PING };

struct message_method {
    const char *name;
    enum message_kind kind;
    enum api_method call; /* MESSAGE_CALL */
    bool no_params;
};

struct message {
    char *id; /* as JSON text; NULL: a notification, which gets no answer */
    const struct message_method *method;
    json_t *params;  /* ours; NULL: none */
    bool follow;     /* submit: params said so (the member is taken out) */
    unsigned events; /* and which lines: mask of enum event */
    bool press;      /* submit: and that its jobs wait for the client (taken out as well) */
    int code;        /* not 0: refused, with a message and perhaps a field */
    struct error error;
    const char *field;
};

/* The JSON of a line. 0 and *ret_root (if an array, of 1 to MESSAGE_MAX_BATCH values); or
 * an error code of the protocol (REPLY_…, which no errno is) with a message in *err; or -ENOMEM. */
int message_parse(const char *text, size_t len, json_t **ret_root, struct error *err);

/* Reads one request; a bad one is `refused` in *ret_message. Takes parts out of `value`. 0 or
 * -ENOMEM. */
int message_read(json_t *value, struct message *ret_message);

/* Bytes that its answer may need, roughly: what it takes of the conversation's budget while it is
 * under way. An answer grows with the jobs that were asked for. */
size_t message_reserve(const struct message *message);
void message_deinit(struct message *message);

#endif
