#define FUZZ_OTHER_WORDS
#include "fuzz_parse.h"

static const struct fuzz_choice choices[] = {
    {{{NULL, NULL}}},
    {{{"max_record", "60"}, {"max_depth", "5"}}},
    {{{"strict", "yes"}}},
};

FUZZ_PARSER(parser_feed, choices)
