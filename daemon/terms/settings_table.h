/* The sections and their keys: the table behind settings.h. */
#ifndef PENSTOCK_SPEC_SETTINGS_TABLE_H
#define PENSTOCK_SPEC_SETTINGS_TABLE_H

#include "terms/field.h"

/* What a key of a section may be besides its fields. */
enum section_takes {
    TAKES_FIELDS,
    TAKES_PARAMS,   /* all job parameters */
    TAKES_CEILINGS, /* those that can have one */
    TAKES_OPTIONS,  /* all job parameters but `parser`, and option.K */
};

struct section {
    const char *kind;
    const char *example; /* a name; NULL for a section without names */
    const struct field
        *fields; /* offsets are in struct settings, or in the struct of a named section */
    size_t count;
    enum section_takes takes;
};

enum section_id {
    SECTION_DAEMON,
    SECTION_CONTROL,
    SECTION_STORE,
    SECTION_FLEET,
    SECTION_QUEUE,
    SECTION_FETCH,
    SECTION_FLOW,
    SECTION_RESULTS,
    SECTION_PARSE,
    SECTION_POLICY,
    SECTION_METRICS,
    SECTION_DEFAULTS,
    SECTION_CEILINGS,
    SECTION_SINK,
    SECTION_HOST,
    SECTION_CREDENTIAL,
    SECTION_PARSER,
    SECTION_USER,
    SECTION_GROUP,
    SECTION_COUNT_
};
extern const struct section settings_sections[SECTION_COUNT_];

/* Is it "example.org", "*.example.org" or "*"? 0, or -EINVAL with a message in *err. */
int check_pattern(const char *text, struct error *err);

#define CEILING_MAX_BODY "1T" /* the one ceiling that stands without being set */

/* The table's rows, section by section: each key once, the job parameters under "defaults" and
 * "ceilings" only ([parser "…"] and [host "…"] take them too). */
struct settings_row {
    const char *section; /* "fetch", "host", … */
    const char *name; /* [section "…"]: an example of a name; NULL for a section without names */
    const char *key;
    const char *standard; /* the default as one would write it; "" for none */
    const char *help;     /* one or more lines */
};
/* The i-th; false past the end. */
bool settings_row(size_t i, struct settings_row *ret_row);

#endif
