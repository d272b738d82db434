/* The settings once they are loaded: looking things up in them, and freeing them. */
#include "terms/access.h"
#include "terms/params.h"
#include "terms/settings_table.h"

#include <stdlib.h>
#include <string.h>

bool settings_pattern_match(const char *pattern, const char *host)
{
    if (strcmp(pattern, "*") == 0)
        return true;
    if (strncmp(pattern, "*.", 2) != 0)
        return strcmp(pattern, host) == 0;
    size_t suffix = strlen(pattern + 1), len = strlen(host);
    return len > suffix && strcmp(host + len - suffix, pattern + 1) == 0;
}

const struct settings_host *settings_host_match(const struct settings *settings, const char *host,
                                                size_t i)
{
    for (size_t h = 0; h < settings->host_count; h++)
        if (settings_pattern_match(settings->hosts[h].pattern, host) && i-- == 0)
            return &settings->hosts[h];
    return NULL;
}

const struct settings_parser *settings_parser_find(const struct settings *settings,
                                                   const char *name)
{
    for (size_t i = 0; i < settings->parser_count; i++)
        if (strcmp(settings->parsers[i].name, name) == 0)
            return &settings->parsers[i];
    return NULL;
}

const struct settings_credential *settings_credential_find(const struct settings *settings,
                                                           const char *name)
{
    for (size_t i = 0; i < settings->credential_count; i++)
        if (strcmp(settings->credentials[i].name, name) == 0)
            return &settings->credentials[i];
    return NULL;
}

static void clear_fields(enum section_id id, void *object)
{
    const struct section *section = &settings_sections[id];
    for (size_t i = 0; i < section->count; i++)
        field_clear(&section->fields[i], object);
}

static void free_hosts(struct settings *s)
{
    for (size_t i = 0; i < s->host_count; i++) {
        clear_fields(SECTION_HOST, &s->hosts[i]);
        params_deinit(&s->hosts[i].params);
        free(s->hosts[i].pattern);
    }
    free(s->hosts);
}

static void free_parsers(struct settings *s)
{
    for (size_t i = 0; i < s->parser_count; i++) {
        clear_fields(SECTION_PARSER, &s->parsers[i]);
        pairs_free(s->parsers[i].options, s->parsers[i].option_count);
        params_deinit(&s->parsers[i].params);
        free(s->parsers[i].name);
        free(s->parsers[i].file);
    }
    free(s->parsers);
}

const struct settings_sink *settings_stored_sink(const struct settings *s)
{
    for (size_t i = 0; i < s->sink_count; i++)
        if (s->sinks[i].type == SINK_STORED)
            return &s->sinks[i];
    return NULL;
}

void settings_free(struct settings *s)
{
    if (!s)
        return;
    for (int id = SECTION_DAEMON; id < SECTION_DEFAULTS; id++)
        clear_fields((enum section_id)id, s);
    params_deinit(&s->defaults);
    params_deinit(&s->ceilings);
    for (size_t i = 0; i < s->sink_count; i++) {
        clear_fields(SECTION_SINK, &s->sinks[i]);
        free(s->sinks[i].name);
    }
    free(s->sinks);
    free_hosts(s);
    free_parsers(s);
    for (size_t i = 0; i < s->credential_count; i++) {
        clear_fields(SECTION_CREDENTIAL, &s->credentials[i]);
        free(s->credentials[i].name);
    }
    free(s->credentials);
    for (size_t i = 0; i < s->quota_count; i++) {
        free(s->quotas[i].name);
        free(s->quotas[i].members);
    }
    free(s->quotas);
    access_free(s->access);
    free(s);
}
