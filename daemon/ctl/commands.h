/* The table of commands. */
#ifndef PENSTOCK_CTL_COMMANDS_H
#define PENSTOCK_CTL_COMMANDS_H

#include "ctl/ctl.h"

/* The table, which ends with a NULL name. */
extern const struct command commands[];

#endif
