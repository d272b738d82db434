/* From the command line and the config file to what the daemon lives by, all or nothing. */
#ifndef PENSTOCK_LOAD_H
#define PENSTOCK_LOAD_H

#include "base/error.h"
#include "fetch/policy.h"
#include "parse/registry.h"
#include "terms/settings.h"

#include <stddef.h>
#include <stdio.h>

/* What the command line says. Strings are borrowed from argv. */
struct load_options {
    const char *config;      /* --config, or NULL for the default path, which may be missing */
    const char *const *sets; /* --set, in order */
    size_t set_count;
    const char *plugin; /* one more plug-in, of --plugin; or NULL */
};

/* One reading of the config. Immutable. */
struct loaded {
    struct settings *settings;
    struct registry *registry; /* a reference */
    struct policy *policy;     /* a reference */
};

/* Reads config, drop-ins and --set and builds from them. 0, or a negative errno with a message in
 * *err with file, line and key; *ret is untouched then. Touches nothing but the files it reads;
 * plug-ins describe themselves in processes of their own. */
int loaded_read(const struct load_options *options, struct loaded *ret_loaded, struct error *err);
void loaded_free(struct loaded *loaded);

/* Logs what is no error and yet not right: plug-ins that cannot be used. */
void loaded_warn(const struct loaded *loaded);

/* --check: reads, and prints what is wrong to standard error. The exit status: 0, or 1. */
int load_check(const struct load_options *options);

/* --dump: reads, and writes what holds and where each value is from, as a config (settings_dump.h);
 * what is wrong to standard error. The exit status: 0, or 1. */
int load_dump(const struct load_options *options, FILE *out);

/* The store stands where we chose ourselves: its directory is made. */
bool load_default_place(const struct settings *s);

#endif
