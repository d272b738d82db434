/* The texts that go to a client: answers and notifications of JSON-RPC 2.0, without their newline.
 * Each appends to a buffer and keeps -ENOMEM there (buf.failed). PROTOCOL.md has the list of codes
 * and kinds. */
#ifndef PENSTOCK_CONTROL_REPLY_H
#define PENSTOCK_CONTROL_REPLY_H

#include "api/api.h"
#include "base/buf.h"

#include <jansson.h>
#include <stdint.h>

/* JSON-RPC 2.0's own codes; the others are enum api_error. */
enum {
    REPLY_PARSE_ERROR = -32700,
    REPLY_INVALID_REQUEST = -32600,
    REPLY_METHOD_NOT_FOUND = -32601,
};

/* The stable lower-case name of a code; "internal" for one that is not in the list. */
const char *reply_kind(int code);

/* `id` is the request's id as JSON text. */
void reply_result(struct buf *b, const char *id, const json_t *result);
void reply_result_text(struct buf *b, const char *id, const char *result, size_t len);

/* `field` may be NULL: data then has the kind alone. */
void reply_error(struct buf *b, const char *id, int code, const char *message, const char *field);

/* {"jsonrpc":"2.0","method":METHOD,"params":PARAMS}, by splicing: `params` is JSON text. */
void reply_notify(struct buf *b, const char *method, const char *params, size_t len);

/* How many bytes reply_notify adds around `params`. */
size_t reply_notify_size(const char *method);

/* Gives each {"error":{"code":…}} in an array of results its data.kind, if it has none. */
void reply_complete_errors(json_t *results);

#endif
