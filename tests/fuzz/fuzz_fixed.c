#include "fuzz_parse.h"

static const struct fuzz_choice choices[] = {
    {{{NULL, NULL}}},
    {{{"columns", "a:1 b:3 c:2"}}},
    {{{"columns", "a:2,-:1,a:3,rest:*"}, {"trim", "no"}}},
    {{{"columns", "a:2 b:2"}, {"ragged", "fail"}}},
    {{{"columns", "a:1 -:2"}, {"ragged", "fail"}, {"comment", "#"}, {"skip_lines", "1"}}},
    {{{"columns", "a:3"}, {"max_line", "8"}}},
};

FUZZ_PARSER(parser_fixed, choices)
