/* What is kept of an attempt beyond its lines: the body that broke a parser, and records. Control
 * loop. */
#ifndef PENSTOCK_JOB_KEPT_H
#define PENSTOCK_JOB_KEPT_H

#include <stdbool.h>

struct job;

/* The attempt has ended. True: something of it is being kept, and `then` is called afterwards;
 * false: there is nothing to wait for. */
bool kept_begin(struct job *job, void (*then)(struct job *job));

#endif
