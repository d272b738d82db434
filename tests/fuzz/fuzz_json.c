#include "fuzz_parse.h"

static const struct fuzz_choice choices[] = {
    {{{NULL, NULL}}},
    {{{"pointer", "/a"}}},
    {{{"each", "member"}}},
    {{{"pointer", "/a/0"}, {"each", "value"}}},
    {{{"max_record", "20"}, {"max_depth", "4"}}},
};

FUZZ_PARSER(parser_json, choices)
