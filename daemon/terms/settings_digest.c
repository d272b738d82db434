#include "terms/settings_digest.h"

#include <stdio.h>
#include <string.h>

/* FNV-1a of 32 bits: nobody is to be kept from making two configs look alike. */
struct sum {
    uint32_t hash;
};

static void add(struct sum *sum, const void *data, size_t len)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < len; i++)
        sum->hash = (sum->hash ^ bytes[i]) * UINT32_C(16777619);
}

/* With its NUL, so that texts do not run together. */
static void add_text(struct sum *sum, const char *text)
{
    if (text)
        add(sum, text, strlen(text) + 1);
    else
        add(sum, "\1", 2);
}

static void add_number(struct sum *sum, uint64_t number)
{
    for (int i = 0; i < 8; i++) {
        unsigned char byte = (unsigned char)(number >> 8 * i);
        add(sum, &byte, 1);
    }
}

static void add_strings(struct sum *sum, const struct strings *strings)
{
    add_number(sum, strings->count);
    for (size_t i = 0; i < strings->count; i++)
        add_text(sum, strings->items[i]);
}

static void add_host(struct sum *sum, const struct settings_host *host)
{
    add_text(sum, host->pattern);
    add_number(sum, host->connections);
    add_number(sum, (uint64_t)(host->requests_per_second * 1000));
    add_number(sum, host->bytes_per_second);
    add_number(sum, host->breaker_failures);
    add_number(sum, host->breaker_cooldown);
    add_number(sum, (uint64_t)host->http);
}

static void add_parser(struct sum *sum, const struct settings_parser *parser)
{
    add_text(sum, parser->name);
    add_text(sum, parser->type);
    add_strings(sum, &parser->stages);
    add_number(sum, parser->option_count);
    for (size_t i = 0; i < parser->option_count; i++) {
        add_text(sum, parser->options[i].name);
        add_text(sum, parser->options[i].value);
    }
}

static void add_credential(struct sum *sum, const struct settings_credential *credential)
{
    add_text(sum, credential->name);
    add_number(sum, (uint64_t)credential->type);
    add_text(sum, credential->user);
    add_text(sum, credential->header);
    add_text(sum, credential->query);
    add_strings(sum, &credential->hosts);
}

void settings_digest(const struct settings *settings, char ret_digest[SETTINGS_DIGEST_SIZE])
{
    struct sum sum = {.hash = UINT32_C(2166136261)};
    add_number(&sum, settings->host_connections);
    for (size_t i = 0; i < settings->host_count; i++)
        add_host(&sum, &settings->hosts[i]);
    for (size_t i = 0; i < settings->parser_count; i++)
        add_parser(&sum, &settings->parsers[i]);
    for (size_t i = 0; i < settings->credential_count; i++)
        add_credential(&sum, &settings->credentials[i]);
    const struct settings_sink *stored = settings_stored_sink(settings);
    if (stored && stored->table)
        add_text(&sum, stored->table);
    snprintf(ret_digest, SETTINGS_DIGEST_SIZE, "%08x", (unsigned)sum.hash);
}
