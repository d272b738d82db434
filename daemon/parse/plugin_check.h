/* Is this a parser that can be used? For built-in descriptions as well as those of shared
 * objects. */
#ifndef PENSTOCK_PARSE_PLUGIN_CHECK_H
#define PENSTOCK_PARSE_PLUGIN_CHECK_H

#include "base/error.h"
#include "penstock/parser.h"

#include <stdbool.h>
#include <stdint.h>

/* 0, or -EINVAL with a message in *err that says what is wrong. */
int parser_check(const struct penstock_parser *parser, struct error *err);

#define PARSER_NAME_MAX 32
bool parser_name_valid(const char *name);

/* Its flags: 0 for one that was compiled before there were any. */
uint32_t parser_flags(const struct penstock_parser *parser);

/* Loads a shared object and checks its parser. NULL with a message in *err. It stays loaded for
 * good: a thread that was given up may still run its code. */
const struct penstock_parser *plugin_open(const char *file, struct error *err);

#endif
