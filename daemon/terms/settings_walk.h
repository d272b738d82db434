/* All values of the settings, one after another, as texts that the config would have: for showing
 * them (settings_dump.h) and for comparing two readings (settings_diff.h). */
#ifndef PENSTOCK_TERMS_SETTINGS_WALK_H
#define PENSTOCK_TERMS_SETTINGS_WALK_H

#include "terms/settings.h"

struct field;

/* Valid during the call. */
struct settings_value {
    const char *section;       /* "host" */
    const char *name;          /* "example.org"; NULL for a section without names */
    const char *key;           /* "connections", "option.delimiter" */
    const struct field *field; /* NULL: a parser's option */
    size_t i;                  /* of a key that is repeated (FIELD_LINES); else 0 */
    const char *text;          /* as it holds, with its secrets; "" for none */
    const char *shown;         /* the same for people: what looks like a secret is *** */
};

/* Calls `value` for each, sections without names first. Of a section with a name the keys that say
 * something, of the others all. 0, or -ENOMEM: some were left out. */
int settings_walk(const struct settings *settings,
                  void (*value)(void *arg, const struct settings_value *value), void *arg);

#endif
