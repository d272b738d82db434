#include "fuzz_parse.h"

static const struct fuzz_choice choices[] = {
    {{{NULL, NULL}}},
    {{{"on_error", "skip"}}},
    {{{"max_line", "20"}}},
    {{{"max_line", "20"}, {"on_error", "skip"}}},
};

FUZZ_PARSER(parser_ndjson, choices)
