/* Memory that is there when malloc(3) has none, for libraries that end the process, or go on with
 * nothing, where they get none: blocks that belong to the program from its start, and take no
 * memory until they are used. Any thread, without a lock. */
#ifndef PENSTOCK_BASE_RESERVE_H
#define PENSTOCK_BASE_RESERVE_H

#include <stdbool.h>
#include <stddef.h>

/* A block of at least `size` bytes, aligned as malloc's; NULL with errno ENOMEM: all are taken, or
 * none is that large. */
void *reserve_take(size_t size);
void reserve_give(void *block);

/* Is it one of these? And how many bytes has it. */
bool reserve_owns(const void *block);
size_t reserve_size(const void *block);

/* libuv ends the process when a table of its own cannot grow: has it take from the reserve before.
 * Once, before any other call of libuv. 0 or a negative errno. */
int reserve_for_libuv(void);

#endif
