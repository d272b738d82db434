/* The parameters of one statement, as text: numbers, texts, and arrays of them. */
#ifndef PENSTOCK_STORE_POSTGRESQL_ARGS_H
#define PENSTOCK_STORE_POSTGRESQL_ARGS_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define ARGS_MAX 24

/* Filled in, sent, and used again: its memory stays. Running out of it shows in args_values. */
struct args {
    struct buf bufs[ARGS_MAX];
    bool null[ARGS_MAX], array[ARGS_MAX];
    int count;
    const char *values[ARGS_MAX];
};

void args_deinit(struct args *args); /* takes a zeroed one */
void args_reset(struct args *args);

/* The next parameter. */
void args_int(struct args *args, int64_t value);
void args_bool(struct args *args, bool value);
void args_text(struct args *args, const char *value); /* NULL is one */

/* Begins `count` arrays as the next parameters; array_… adds to the one of that number, counted
 * from the first parameter; args_close ends all that are open. */
void args_arrays(struct args *args, int count);
void array_int(struct args *args, int at, int64_t value);
void array_bool(struct args *args, int at, bool value);
void array_text(struct args *args, int at, const char *value);
void args_close(struct args *args);

/* For libpq; NULL: there was no memory. */
const char *const *args_values(struct args *args);

#endif
