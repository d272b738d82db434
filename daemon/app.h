/* The daemon as a whole: builds the parts bottom up, runs, tears down top down. */
#ifndef PENSTOCK_APP_H
#define PENSTOCK_APP_H

#include "load.h"

/* Runs until a signal, or until nobody reads its standard output any more. The exit status: 0 after
 * a signal, 1 if it could not start or lost its standard output. */
int app_run(const struct load_options *options);

#endif
