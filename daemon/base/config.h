/* The config file as sections, keys and values, whatever they mean: config_ini.c reads the syntax,
 * this keeps where each value stood, so that whoever finds it wrong can say "FILE:LINE: KEY: …".
 *
 *   - comments (# or ;) on lines of their own, in the first column; no continuation lines; UTF-8
 *   - [section] or [section "NAME"] at the start of a line; sections of the same kind and name
 *     merge
 *   - kinds and keys are lower case (a-z 0-9 _ . -); names are printable ASCII without " and !
 *   - a repeated key adds to its list, an empty value clears it; the last of a single value wins
 *   - FILE, then FILE.d/[*].conf in order of their names, then --set SECTION.KEY=VALUE in turn
 *     (SECTION may carry a quoted name: `host "example.org".connections=2`) */
#ifndef PENSTOCK_BASE_CONFIG_H
#define PENSTOCK_BASE_CONFIG_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config_value {
    char *text;
    char *file; /* or "--set" */
    unsigned line;
};

struct config_key {
    char *name;
    struct config_value *values; /* after clearing; may be empty */
    size_t count;
};

struct config_section {
    char *kind; /* "sink" of [sink "records"] */
    char *name; /* "records", or NULL */
    char *file; /* where it was first opened */
    unsigned line;
    struct config_key *keys;
    size_t count;
};

struct config {
    struct config_section *sections; /* in order of first appearance */
    size_t count;
    size_t bytes; /* of the files that were read */
};

/* Reads `path` and its drop-ins, which must be regular files of root's or of this user's that not
 * everybody may write (as must the directory of the drop-ins); only /dev/null and a pipe that this
 * process was given are read as well. -ENOENT: neither is there (the caller decides whether that
 * matters); drop-ins without a main file are read. 0, or a negative errno with a message in *err
 * with file and line; *ret is untouched then. */
int config_read(const char *path, struct config *ret_config, struct error *err);

/* One --set argument: adds its value under the file name "--set". */
int config_set(struct config *config, const char *assignment, struct error *err);

#endif
