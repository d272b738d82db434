/* What the daemon refuses because of what was typed: told in the words of the command line, and a
 * fault of usage. */
#ifndef PENSTOCK_CTL_REFUSED_H
#define PENSTOCK_CTL_REFUSED_H

#include "ctl/args.h"

#include <stdbool.h>
#include <stddef.h>

/* Is the error about an option that was given, or about the URL that was? Then *ret_text has the
 * daemon's message with the option's name in place of the member's. `field` may be NULL. */
bool refusal_is_usage(const struct args *args, int code, const char *field, const char *message,
                      struct error *ret_text);

#endif
