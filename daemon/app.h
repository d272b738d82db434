/* The daemon as a whole: builds the parts bottom up, runs, tears down top down. */
#ifndef PENSTOCK_APP_H
#define PENSTOCK_APP_H

#include "base/config.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* What the command line says. Strings are borrowed from argv. */
struct app_options {
    const char *config;      /* --config, or NULL for the default path, which may be missing */
    const char *const *sets; /* --set, in order */
    size_t set_count;
};

/* Reads config, drop-ins and --set, and builds everything that can be built without touching
 * anything: prints what is wrong to standard error. The exit status: 0, or 1. */
int app_check(const struct app_options *options);

/* Runs until a signal, or until nobody reads its standard output any more. The exit status: 0 after
 * a signal, 1 if it could not start or lost its standard output. */
int app_run(const struct app_options *options);

/* penstockd --parse: one parser in the foreground. The exit status. */
struct app_parse {
    const char *parser, *path;
    const char *const *options; /* K=V */
    size_t option_count;
    long long cut; /* -1: none */
};
int app_parse(const struct app_options *options, const struct app_parse *parse);

#endif
