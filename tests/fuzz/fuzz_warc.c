#define FUZZ_OTHER_WORDS
#include "fuzz_parse.h"

static const struct fuzz_choice choices[] = {
    {{{NULL, NULL}}},
    {{{"parser", "lines"}, {"headers", "all"}}},
    {{{"parser", "ndjson"}, {"truncated", "take"}, {"types", "response metadata"}}},
    {{{"decode", "none"}, {"max_bytes", "1000"}, {"media", "text/*"}, {"uri", "*a*"}}},
};

FUZZ_PARSER(parser_warc, choices)
