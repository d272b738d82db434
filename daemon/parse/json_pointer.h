/* A JSON Pointer (RFC 6901) and where a scan stands in relation to it. One owner. */
#ifndef PENSTOCK_PARSE_JSON_POINTER_H
#define PENSTOCK_PARSE_JSON_POINTER_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_POINTER_STEPS 32

struct json_step {
    char *name;
    uint64_t index; /* of an array's element; UINT64_MAX: the name is no index */
    uint64_t at;    /* elements seen in the array that this step is taken from */
    bool taken;     /* the object that it is taken from has had the member */
};

struct json_pointer {
    struct json_step steps[JSON_POINTER_STEPS];
    size_t count;
    struct buf name; /* a member's, without its escapes */
};

/* "" is the whole document, "/a/0/b~1c" goes down. 0; -EINVAL with a message in *err; -ENOMEM. Call
 * _deinit in any case. */
int json_pointer_init(struct json_pointer *p, const char *text, struct error *err);
void json_pointer_deinit(struct json_pointer *p);

/* Does the step go to the member whose name's text (between the quotes) is this? False also without
 * memory (p->name.failed). */
bool json_pointer_is_member(struct json_pointer *p, size_t step, const char *text, size_t len);

/* An array or object that the step is taken from begins. */
void json_pointer_enter(struct json_pointer *p, size_t step);

/* The array's elements come one by one: does the step go to this one? */
bool json_pointer_is_element(struct json_pointer *p, size_t step);

/* The step goes to a member of the object. False: it has gone to an earlier one of the same
 * name. */
bool json_pointer_take(struct json_pointer *p, size_t step);

#endif
