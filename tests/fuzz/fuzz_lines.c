#include "fuzz_parse.h"

static const struct fuzz_choice choices[] = {
    {{{NULL, NULL}}},
    {{{"skip_empty", "yes"}}},
    {{{"max_line", "5"}}},
    {{{"max_line", "1"}, {"skip_empty", "yes"}}},
};

FUZZ_PARSER(parser_lines, choices)
