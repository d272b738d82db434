#include "fuzz_parse.h"

static const struct fuzz_choice choices[] = {
    {{{NULL, NULL}}},
    {{{"header", "no"}}},
    {{{"delimiter", "tab"}, {"quote", "'"}}},
    {{{"header", "no"}, {"quote", "none"}, {"delimiter", ";"}}},
    {{{"ragged", "fail"}}},
    {{{"header", "no"}, {"ragged", "fail"}}},
    {{{"max_fields", "3"}, {"max_record", "16"}}},
    {{{"header", "no"}, {"max_fields", "3"}, {"max_record", "16"}}},
    {{{"comment", "#"}, {"quotes", "strict"}, {"skip_lines", "2"}}},
    {{{"comment", "#"}, {"header", "no"}, {"skip_lines", "1"}, {"max_record", "16"}}},
};

FUZZ_PARSER(parser_csv, choices)
