/* The parser within a parser: what `archive` and `warc` hand the bytes on to, and its options,
 * which stand among the outer parser's with the inner one's name in front: csv_delimiter. Any
 * thread. */
#ifndef PENSTOCK_PARSE_INNER_H
#define PENSTOCK_PARSE_INNER_H

#include "parse/options.h"
#include "parse/task.h"

#include <stddef.h>

#define INNER_PAIRS 24 /* options of an inner parser, at most */

struct inner {
    const struct penstock_parser *parser;
    struct parse_pair
        options[INNER_PAIRS]; /* those of it, under its own names; borrowed from the run */
    size_t option_count;
};

/* The parser that option "parser" names. */
const struct penstock_parser *inner_choose(struct options *o);

/* A fault of the inner parser's options is one of the outer's. */
void inner_check(struct options *o, const struct penstock_parser *parser);

void inner_take(struct inner *inner, const struct penstock_parser *parser,
                struct penstock_run *run);

/* For the outer parser's table of options. */
#define INNER_HELP "as of the inner parser"
/* clang-format off */
#define INNER_OPTIONS \
    {"parser", "count", "what reads them: count csv digest feed fixed json lines ndjson xml"}, \
    {"csv_delimiter", ",", INNER_HELP}, \
    {"csv_quote", "\"", INNER_HELP}, \
    {"csv_header", "yes", INNER_HELP}, \
    {"csv_ragged", "keep", INNER_HELP}, \
    {"csv_max_record", "512K", INNER_HELP}, \
    {"csv_max_fields", "4096", INNER_HELP}, \
    {"csv_quotes", "lax", INNER_HELP}, \
    {"csv_comment", "none", INNER_HELP}, \
    {"csv_skip_lines", "0", INNER_HELP}, \
    {"fixed_columns", "text:*", INNER_HELP}, \
    {"fixed_trim", "yes", INNER_HELP}, \
    {"fixed_ragged", "keep", INNER_HELP}, \
    {"fixed_comment", "none", INNER_HELP}, \
    {"fixed_skip_lines", "0", INNER_HELP}, \
    {"fixed_max_line", "512K", INNER_HELP}, \
    {"digest_algorithms", "sha256", INNER_HELP}, \
    {"feed_strict", "no", INNER_HELP}, \
    {"feed_max_record", "1M", INNER_HELP}, \
    {"feed_max_depth", "128", INNER_HELP}, \
    {"json_pointer", "", INNER_HELP}, \
    {"json_each", "element", INNER_HELP}, \
    {"json_max_record", "1M", INNER_HELP}, \
    {"json_max_depth", "128", INNER_HELP}, \
    {"lines_match", "", INNER_HELP}, \
    {"lines_exclude", "", INNER_HELP}, \
    {"lines_skip_empty", "no", INNER_HELP}, \
    {"lines_max_line", "512K", INNER_HELP}, \
    {"ndjson_on_error", "fail", INNER_HELP}, \
    {"ndjson_max_line", "1M", INNER_HELP}, \
    {"ndjson_max_depth", "128", INNER_HELP}, \
    {"xml_path", "/*/*", INNER_HELP}, \
    {"xml_trim", "yes", INNER_HELP}, \
    {"xml_max_record", "1M", INNER_HELP}, \
    {"xml_max_depth", "128", INNER_HELP}
/* clang-format on */

#endif
