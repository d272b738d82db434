/* The settings as a config that says the same, for `penstockd --dump`. */
#ifndef PENSTOCK_TERMS_SETTINGS_DUMP_H
#define PENSTOCK_TERMS_SETTINGS_DUMP_H

#include "base/buf.h"
#include "terms/settings.h"

/* Appends all that holds, section by section, each value below a comment with the file and line
 * that it is from ("# /etc/penstock/penstockd.conf:12"), or "# default". `config` is what
 * `settings` were loaded from. Sections with a name show what stands in them; what they leave out
 * is the nearest other's. Values that look like secrets by [policy] redact (options of parsers,
 * commands) are ***. Out of memory: b->failed. */
void settings_dump(const struct settings *settings, const struct config *config, struct buf *b);

#endif
