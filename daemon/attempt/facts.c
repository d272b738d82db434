#include "attempt/facts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t pairs_text(const struct parse_pair *pairs, size_t count)
{
    size_t text = 0;
    for (size_t i = 0; i < count; i++)
        text += strlen(pairs[i].name) + strlen(pairs[i].value) + 2;
    return text;
}

/* Copies pairs behind one another; their strings go to *end. Returns where the next pair goes. */
static struct parse_pair *copy_pairs(struct parse_pair *to, const struct parse_pair *from,
                                     size_t count, char **end)
{
    for (size_t i = 0; i < count; i++, to++) {
        to->name = *end;
        *end = stpcpy(*end, from[i].name) + 1;
        to->value = *end;
        *end = stpcpy(*end, from[i].value) + 1;
    }
    return to;
}

_Static_assert(sizeof(struct parse_pair) == sizeof(struct transfer_header) &&
                   sizeof(struct parse_pair) == sizeof(struct settings_pair),
               "all three are a name and a value");

int facts_keep(const struct spec *spec, const char *shown_url,
               const struct transfer_response *response, struct parse_facts *ret_facts,
               void **ret_block)
{
    const char *url = shown_url ? shown_url : spec->shown_url;
    const struct parse_pair *headers = (const struct parse_pair *)response->headers;
    const struct parse_pair *labels = (const struct parse_pair *)spec->labels;
    struct parse_pair *options, *pair;
    size_t option_count;

    if (registry_merge_options(spec->parser, (const struct parse_pair *)spec->options,
                               spec->option_count, &options, &option_count) < 0)
        return -ENOMEM;
    size_t pairs = response->header_count + option_count + spec->label_count;
    size_t text = strlen(url) + 1 + pairs_text(headers, response->header_count) +
                  pairs_text(options, option_count) + pairs_text(labels, spec->label_count);
    void *block = pair = malloc(pairs * sizeof *pair + text);
    if (!pair) {
        free(options);
        return -ENOMEM;
    }
    char *end = (char *)(pair + pairs);
    struct parse_facts facts = {.url = end,
                                .status = response->status,
                                .header_count = response->header_count,
                                .option_count = option_count,
                                .label_count = spec->label_count};
    end = stpcpy(end, url) + 1;
    facts.headers = pair;
    facts.options = pair = copy_pairs(pair, headers, response->header_count, &end);
    facts.labels = pair = copy_pairs(pair, options, option_count, &end);
    copy_pairs(pair, labels, spec->label_count, &end);
    free(options);
    *ret_facts = facts;
    *ret_block = block;
    return 0;
}
