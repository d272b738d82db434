/* A command line as its words. */
#ifndef PENSTOCK_FLOW_PIPELINE_SPLIT_H
#define PENSTOCK_FLOW_PIPELINE_SPLIT_H

#include "flow/pipeline.h"

/* Splits a command line, quoted as in systemd's ExecStart: words apart by white space; '…' and "…"
 * hold what is in them together; \ escapes as in C (\n, \t, \x41, \101, \s for a space …), outside
 * quotes and within. Nothing is expanded: $, % and * are themselves. What only a shell would
 * understand, an unquoted | < > & or ;, is refused with the remedy. 0 and a newly allocated
 * NULL-terminated list (pipeline_argv_free), -EINVAL with a message in *err, or -ENOMEM. */
int pipeline_split(const char *text, char ***ret_argv, struct error *err);

/* --- command lines: pipeline_split.c ---------------------------------------------------------- */

void pipeline_argv_free(char **argv); /* takes NULL */

#endif
