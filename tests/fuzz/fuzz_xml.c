#define FUZZ_OTHER_WORDS
#include "fuzz_parse.h"

static const struct fuzz_choice choices[] = {
    {{{NULL, NULL}}},
    {{{"path", "/a/b"}, {"trim", "no"}}},
    {{{"path", "b"}}},
    {{{"max_record", "60"}, {"max_depth", "4"}}},
};

FUZZ_PARSER(parser_xml, choices)
