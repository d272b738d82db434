/* Plug-ins: shared objects in a directory, each with one parser. The daemon loads none of them to
 * look: what they say of themselves is asked of penstock-host --describe, and remembered while the
 * file stays as it is. */
#ifndef PENSTOCK_PARSE_PLUGIN_H
#define PENSTOCK_PARSE_PLUGIN_H

#include "base/error.h"
#include "penstock/parser.h"

#include <stdbool.h>
#include <stddef.h>

struct plugin {
    char *file;  /* absolute */
    bool prints; /* PENSTOCK_PARSER_STDIO */
    /* As it describes itself; without its functions. NULL name: it cannot be used. */
    struct penstock_parser described;
    char fault[512];                      /* why not */
    const struct penstock_parser *loaded; /* plugin_load */
    void *manifest;                       /* private: what `described` points into */
};

struct plugins {
    struct plugin **items;
    size_t count;
};

/* Looks at every *.so in `dir`, in order of their names; a directory that is not there is empty.
 * One that cannot be used is listed with its fault. 0 or -ENOMEM. Blocks: seconds, if a plug-in
 * hangs when it is loaded. */
int plugins_scan(struct plugins *plugins, const char *dir);

/* Adds one file; returns it, or NULL: out of memory. */
struct plugin *plugins_add(struct plugins *plugins, const char *file);
void plugins_deinit(struct plugins *plugins);

/* Loads it into this process and calls its setup, each once while the process lives. 0, or -EINVAL
 * with a message in *err. */
int plugin_load(struct plugin *plugin, struct error *err);

#endif
