/* Members of a zip that wait for its directory, as they may be links: small ones whose content is
 * one line, as a link's target is. One owner, one thread. */
#ifndef PENSTOCK_PARSE_HELD_H
#define PENSTOCK_PARSE_HELD_H

#include <stdbool.h>
#include <stddef.h>

/* A link's target is a path. */
#define HELD_SIZE ((size_t)4095)

/* Bytes of all of them. When they are full, what comes is no longer held. */
#define HELD_ALL ((size_t)1 << 20)

struct held_member {
    size_t number; /* in the directory's list */
    bool link;
    char *name, *head, *data; /* name and head as struct member's */
    size_t len;
};

struct held {
    struct held_member *members; /* by number */
    size_t count, size, bytes;
};

void held_deinit(struct held *held);

/* May this be a link's target, and is there room? */
bool held_wants(const struct held *held, const char *data, size_t len);

/* Copies all of it. `number` is above the earlier ones. 0 or -ENOMEM. */
int held_add(struct held *held, size_t number, const char *name, const char *head, const char *data,
             size_t len);

/* NULL: it is not here. */
struct held_member *held_find(struct held *held, size_t number);

#endif
