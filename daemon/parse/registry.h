/* The parsers by name: the built-in ones, the [parser "NAME"] sections that give one of them another
 * name and options, and (later) plug-ins and pipelines. Made once from the config; immutable, reference
 * counted: a reload makes a new one, and running jobs keep theirs. */
#ifndef PENSTOCK_PARSE_REGISTRY_H
#define PENSTOCK_PARSE_REGISTRY_H

#include "base/error.h"
#include "parse/task.h"
#include "penstock/parser.h"

#include <stdbool.h>
#include <stddef.h>

struct registry;

/* A parser under a name. Immutable, lives as long as its registry. */
struct parser_def {
    const char *name;
    const struct penstock_parser *impl;
    const struct parse_pair *options; /* set in the config; a job's own win */
    size_t option_count;
    const char *origin; /* "built-in", or the config's file */
};

/* The built-in parsers alone. */
struct registry *registry_new(void);
struct registry *registry_ref(struct registry *registry);
void registry_unref(struct registry *registry);

/* Before it is shared: adds NAME as `type` (a built-in's name) with options. 0, or -EINVAL (unknown type
 * or option, bad value), -EEXIST and a sentence. */
int registry_add(struct registry *registry, const char *name, const char *type,
                 const struct parse_pair *options, size_t option_count, const char *origin,
                 struct error *err);

/* NULL if there is none of that name. */
const struct parser_def *registry_find(const struct registry *registry, const char *name);

/* The i-th in order of names; NULL past the end. */
const struct parser_def *registry_at(const struct registry *registry, size_t i);

/* Checks a job's options for a parser: each is known, and impl->check is content with the merged values
 * (job, then definition, then default). 0 or -EINVAL and a sentence that names the option. */
int registry_check_options(const struct parser_def *def, const struct parse_pair *options,
                           size_t option_count, struct error *err);

/* The built-in parsers, one file each in parse/parsers/. */
extern const struct penstock_parser parser_count, parser_lines, parser_csv, parser_ndjson;

#endif
