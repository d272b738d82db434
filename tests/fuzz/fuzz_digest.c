#include "fuzz_parse.h"

static const struct fuzz_choice choices[] = {
    {{{NULL, NULL}}},
    {{{"algorithms", "md5 sha1 sha512"}}},
};

FUZZ_PARSER(parser_digest, choices)
