/* The bound on look-ups of names that nobody answers.
 *
 * libcurl makes a thread for each look-up and leaves it behind when the transfer's time is up: the
 * C library's getaddrinfo cannot be called off. A resolver that hangs would so be given one thread
 * more by each attempt, until the process may have no other, for a parser or a pipeline either.
 * libcurl tells neither how many there are nor when one ends; so its calls of getaddrinfo come to a
 * function of that name in this program, which counts them, and fails at once while
 * RESOLVER_LEFT_MAX look-ups that nobody waits for are under way. Any thread. */
#ifndef PENSTOCK_FETCH_RESOLVER_H
#define PENSTOCK_FETCH_RESOLVER_H

#include <stdbool.h>

#define RESOLVER_LEFT_MAX 512

/* There are `change` more transfers (fewer if it is negative). Each may have a look-up under way
 * without being over the limit. */
void resolver_count_transfers(int change);

/* Is a look-up refused now? */
bool resolver_is_full(void);

#endif
