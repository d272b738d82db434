/* The config file as sections, keys and values, whatever they mean: config_ini.c reads the syntax, this keeps
 * where each value stood, so that whoever finds it wrong can say "FILE:LINE: KEY: …".
 *
 *   - comments (# or ;) on lines of their own, in the first column; no continuation lines; UTF-8
 *   - [section] or [section "NAME"] at the start of a line; sections of the same kind and name merge
 *   - kinds and keys are lower case (a-z 0-9 _ . -); names are printable ASCII without " and !
 *   - a repeated key adds to its list, an empty value clears it; the last of a single value wins
 *   - FILE, then FILE.d/[*].conf in order of their names, then --set SECTION.KEY=VALUE in turn (SECTION may
 *     carry a quoted name: `host "example.org".connections=2`) */
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

/* Reads `path` and its drop-ins, which must be regular files of root's or of this user's that not everybody may write
 * (as must the directory of the drop-ins); only /dev/null and a pipe that this process was given are read as well.
 * -ENOENT: neither is there (the caller decides whether that matters); drop-ins without a main file are read. 0, or a
 * negative errno and a sentence with file and line; *ret is untouched then. */
int config_read(const char *path, struct config *ret_config, struct error *err);

/* Reads config text from memory under a file name, adding to `config` (zeroed at first): for tests, fuzzing
 * and defaults. After a failure `config` holds what was read before it, to be freed by config_deinit. */
int config_parse(struct config *config, const char *text, size_t len, const char *file,
                 struct error *err);

/* One --set argument: adds its value under the file name "--set". */
int config_set(struct config *config, const char *assignment, struct error *err);

/* Frees all and leaves an empty config. */
void config_deinit(struct config *config);

/* NULL if there is none. `name` is NULL for a section without one. */
const struct config_section *config_find(const struct config *config, const char *kind,
                                         const char *name);
const struct config_key *config_key(const struct config_section *section, const char *name);

/* Units. Durations: 90, 90s, 500ms, 5min, 1h, 7d (plain: seconds; decimals allowed: 0.5) -> ns; "none" ->
 * 0 where `none_ok`. Sizes: 64K, 1G, 1T (binary), plain bytes; "none" as above. 0 or -EINVAL, with a
 * sentence that says what is accepted (the caller prefixes the field). */
int parse_duration(const char *text, bool none_ok, uint64_t *ret_ns, struct error *err);
int parse_size(const char *text, bool none_ok, uint64_t *ret_bytes, struct error *err);
int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret, struct error *err);
int parse_bool(const char *text, bool *ret, struct error *err);

#endif
