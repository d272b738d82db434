/* Ids of jobs whose ends are awaited, with how many wait for each. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_AWAIT_H
#define PENSTOCK_STORE_POSTGRESQL_PG_AWAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct await {
    struct awaited {
        uint64_t id;
        size_t count;
    } * list; /* by id */
    size_t count, size;
};

void await_deinit(struct await *a);            /* takes a zeroed one */
int await_add(struct await *a, uint64_t id);   /* 0 or -ENOMEM */
void await_drop(struct await *a, uint64_t id); /* one of those that wait; none is no error */
bool await_end(struct await *a, uint64_t id);  /* all of them; false: nobody waits */

#endif
