/* What the members of a fleet should have alike in their configs, as a short text. */
#ifndef PENSTOCK_TERMS_SETTINGS_DIGEST_H
#define PENSTOCK_TERMS_SETTINGS_DIGEST_H

#include "terms/settings.h"

#define SETTINGS_DIGEST_SIZE 9

/* Eight hexadecimal digits and a NUL. They are others if [host], [parser] or [credential] sections
 * differ in what a job meets there: their names, limits, types, options and stages. No secret and
 * no place of a file goes in. */
void settings_digest(const struct settings *settings, char ret_digest[SETTINGS_DIGEST_SIZE]);

#endif
