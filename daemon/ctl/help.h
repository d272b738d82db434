/* The help texts, made from the tables of commands and options. */
#ifndef PENSTOCK_CTL_HELP_H
#define PENSTOCK_CTL_HELP_H

#include "base/buf.h"
#include "ctl/args.h"

void help_put(struct buf *b, const struct command *commands);
void help_put_command(struct buf *b, const struct command *command);

/* What holds where the option is not given, as the help shows it; NULL: there is nothing to say. */
const char *help_standard(enum opt opt);

#endif
