#include "fuzz_parse.h"

static const struct fuzz_choice choices[] = {{{{NULL, NULL}}}};

FUZZ_PARSER(parser_count, choices)
