/* The parsers by name: the built-in ones, plug-ins, and the [parser "NAME"] sections, which give
 * one of them another name and options, or define a pipeline of processes. Made once from the
 * config; immutable, reference counted: a reload makes a new one, and running jobs keep theirs. */
#ifndef PENSTOCK_PARSE_REGISTRY_H
#define PENSTOCK_PARSE_REGISTRY_H

#include "base/error.h"
#include "parse/process.h"
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
    const char *origin;                /* "built-in", the config's file, or a plug-in's */
    const struct process_def *process; /* its runs are processes; NULL: they are on threads */
};

/* What a [parser "NAME"] section says. Borrowed. */
struct parser_section {
    const char *name;
    const char *type; /* "exec", or a parser's name; NULL: the parser of this name */
    const struct parse_pair *options;
    size_t option_count;
    const char *const *stages; /* of type exec: command lines */
    size_t stage_count;
    bool json; /* of type exec: each line of its output is a JSON value */
    enum parser_isolation {
        ISOLATION_STANDARD, /* plug-ins are isolated, built-in parsers are not */
        ISOLATION_THREAD,
        ISOLATION_PROCESS,
    } isolation;
    bool sandbox;   /* where it is isolated */
    uint64_t grace; /* as of struct process_def */
    struct pipeline_limits limits;
    const char *origin;
};

/* The built-in parsers alone. NULL: out of memory. */
struct registry *registry_new(void);
struct registry *registry_ref(struct registry *registry);
void registry_unref(struct registry *registry); /* takes NULL */

/* Before it is shared: adds NAME as `type` (a built-in's name; NULL: NAME itself) with options,
 * which are copied; of one given twice the last counts. A built-in's own name may be given once, to
 * set its options. 0, or -EINVAL (bad name, unknown type or option, bad value), -EEXIST, -ENOMEM
 * with a message in *err. */
int registry_add(struct registry *registry, const char *name, const char *type,
                 const struct parse_pair *options, size_t option_count, const char *origin,
                 struct error *err);

/* Before sections are defined: the plug-ins of a directory. One that cannot be used is left out,
 * and told by registry_fault. 0 or -ENOMEM. Blocks (parse/plugin.h). */
int registry_add_plugins(struct registry *registry, const char *dir);

/* One file. 0, or a negative errno with a message in *err. */
int registry_add_plugin(struct registry *registry, const char *file, struct error *err);

/* The i-th plug-in that cannot be used, and why; NULL past the end. */
const char *registry_fault(const struct registry *registry, size_t i, const char **ret_why);

/* There is no such parser only because a plug-in cannot be used: why. Else NULL. */
const char *registry_absent(const struct registry *registry, const char *name);

/* The same as registry_add, for all that a section can say. REGISTRY_ABSENT: it needs a plug-in
 * that cannot be used, and is left out as well. */
#define REGISTRY_ABSENT 1
int registry_define(struct registry *registry, const struct parser_section *section,
                    struct error *err);

/* NULL if there is none of that name. */
const struct parser_def *registry_find(const struct registry *registry, const char *name);

/* The i-th in order of names; NULL past the end. */
const struct parser_def *registry_at(const struct registry *registry, size_t i);

/* Checks a job's options for a parser: each is known, and impl->check is content with the merged
 * values (job, then definition, then default). 0 or -EINVAL with a message in *err that names the
 * option. Any thread. */
int registry_check_options(const struct parser_def *def, const struct parse_pair *options,
                           size_t option_count, struct error *err);

/* What a run's facts carry as options: the job's and, where it gives none, the definition's; the
 * strings are borrowed from both. 0 and a newly allocated list (NULL if empty), or -ENOMEM. */
int registry_merge_options(const struct parser_def *def, const struct parse_pair *options,
                           size_t option_count, struct parse_pair **ret_options, size_t *ret_count);

/* The built-in parsers, one file each in parse/parsers/. */
extern const struct penstock_parser parser_count, parser_lines, parser_csv, parser_ndjson,
    parser_json, parser_digest, parser_xml, parser_feed, parser_fixed, parser_archive, parser_warc;

#endif
