#include "parse/inner.h"

#include "parse/registry.h"

#include <stdio.h>

static const struct penstock_parser *const parsers[] = {
    &parser_count, &parser_csv,   &parser_digest, &parser_feed, &parser_fixed,
    &parser_json,  &parser_lines, &parser_ndjson, &parser_xml,
};
#define PARSERS (sizeof parsers / sizeof parsers[0])

/* "csv_delimiter" */
static void prefixed_name(const struct penstock_parser *parser, const char *name, char *to,
                          size_t size)
{
    snprintf(to, size, "%s_%s", parser->name, name);
}

const struct penstock_parser *inner_choose(struct options *o)
{
    const char *names[PARSERS + 1] = {NULL};
    for (size_t i = 0; i < PARSERS; i++)
        names[i] = parsers[i]->name;
    return parsers[option_choice(o, "parser", names)];
}

struct inner_values {
    struct options *outer;
    const struct penstock_parser *parser;
};

static const char *get_inner(void *arg, const char *name)
{
    const struct inner_values *values = arg;
    char prefixed[64];
    prefixed_name(values->parser, name, prefixed, sizeof prefixed);
    return values->outer->get(values->outer->arg, prefixed);
}

void inner_check(struct options *o, const struct penstock_parser *parser)
{
    struct inner_values values = {o, parser};
    char message[200] = "its value will not do";
    if (parser->check && parser->check(get_inner, &values, message, sizeof message) != 0)
        option_fault(o, "%s: %s", parser->name, message);
}

void inner_take(struct inner *inner, const struct penstock_parser *parser, struct penstock_run *run)
{
    const struct penstock_option *option = parser->options;
    char prefixed[64];
    inner->parser = parser;
    inner->option_count = 0;
    for (; option && option->name && inner->option_count < INNER_PAIRS; option++) {
        prefixed_name(parser, option->name, prefixed, sizeof prefixed);
        const char *value = run->option(run, prefixed);
        if (value)
            inner->options[inner->option_count++] = (struct parse_pair){option->name, value};
    }
}
