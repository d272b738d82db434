#include "terms/settings_walk.h"

#include "base/buf.h"
#include "terms/params.h"
#include "terms/settings_table.h"
#include "terms/spec_redact.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct walk {
    const struct settings *settings;
    void (*value)(void *arg, const struct settings_value *value);
    void *arg;
    const char *section, *name; /* where it is */
    int result;
};

/* --- one value -------------------------------------------------------------------------------- */

/* Is NAME=VALUE struck for its name's sake? */
static bool is_secret_name(const struct walk *w, const char *name)
{
    struct buf asked = BUF_INIT, shown = BUF_INIT;
    buf_printf(&asked, "%s=x", name);
    if (asked.data)
        spec_redact_text(&shown, asked.data, &w->settings->redact);
    bool secret = !asked.data || !shown.data || strcmp(asked.data, shown.data) != 0;
    buf_deinit(&asked);
    buf_deinit(&shown);
    return secret;
}

/* As spec_redact_text, and without the user and password of a URL in a text. */
static void put_shown(const struct walk *w, const char *text, struct buf *shown)
{
    struct buf b = BUF_INIT;
    const char *scheme;
    for (const char *p = text; (scheme = strstr(p, "://")); text = p) {
        const char *host = scheme + 3;
        size_t len = strcspn(host, "/?# \t\"'");
        const char *at = memrchr(host, '@', len);
        buf_put(&b, text, (size_t)(host - text));
        if (at)
            buf_puts(&b, "***");
        p = at ? at : host;
    }
    buf_puts(&b, text);
    if (b.len > 0 && !b.failed)
        spec_redact_text(shown, b.data, &w->settings->redact);
    shown->failed |= b.failed;
    buf_deinit(&b);
}

static void tell(struct walk *w, const struct field *field, const char *key, size_t i,
                 const char *text)
{
    struct buf shown = BUF_INIT;
    /* Of an option that is a secret nothing is shown: its value may have spaces. */
    if (!field && is_secret_name(w, key + strlen("option.")))
        buf_puts(&shown, "***");
    else
        put_shown(w, text, &shown);
    struct settings_value value = {.section = w->section,
                                   .name = w->name,
                                   .key = key,
                                   .field = field,
                                   .i = i,
                                   .text = text,
                                   .shown = shown.len > 0 ? shown.data : ""};
    if (shown.failed)
        w->result = -ENOMEM;
    else
        w->value(w->arg, &value);
    buf_deinit(&shown);
}

/* `always`: also if it says nothing. */
static void put_field(struct walk *w, const struct field *field, const void *object, bool always)
{
    for (size_t i = 0; i < field_lines(field, object); i++) {
        struct buf text = BUF_INIT;
        field_put(field, object, i, &text);
        if (text.failed)
            w->result = -ENOMEM;
        else if (always || text.len > 0)
            tell(w, field, field->name, i, text.len > 0 ? text.data : "");
        buf_deinit(&text);
    }
}

/* --- sections --------------------------------------------------------------------------------- */

/* Keys with a default that only one type may have. */
static bool is_of_other_type(enum section_id id, const struct field *field, const void *object)
{
    const struct settings_sink *sink = id == SECTION_SINK ? object : NULL;
    if (sink && strcmp(field->name, "format") == 0)
        return sink->type != SINK_JOURNAL;
    if (sink && sink->type == SINK_STORED)
        return strcmp(field->name, "type") != 0 && strcmp(field->name, "table") != 0;
    return id == SECTION_PARSER && strcmp(field->name, "output") == 0 &&
           ((const struct settings_parser *)object)->stages.count == 0;
}

static void put_fields(struct walk *w, enum section_id id, const char *name, const void *object)
{
    const struct section *section = &settings_sections[id];
    w->section = section->kind;
    w->name = name;
    for (size_t i = 0; i < section->count; i++)
        if (!is_of_other_type(id, &section->fields[i], object))
            put_field(w, &section->fields[i], object, !name);
}

static void put_params(struct walk *w, const struct job_params *params)
{
    for (size_t i = 0; i < PARAM_COUNT_; i++)
        if (params->set & (UINT64_C(1) << i))
            put_field(w, &params_fields[i], params, true);
}

static void put_parser(struct walk *w, const struct settings_parser *parser)
{
    put_fields(w, SECTION_PARSER, parser->name, parser);
    for (size_t i = 0; i < parser->option_count; i++) {
        struct buf key = BUF_INIT;
        buf_printf(&key, "option.%s", parser->options[i].name);
        if (key.failed)
            w->result = -ENOMEM;
        else
            tell(w, NULL, key.data, 0, parser->options[i].value);
        buf_deinit(&key);
    }
    put_params(w, &parser->params);
}

int settings_walk(const struct settings *settings,
                  void (*value)(void *arg, const struct settings_value *value), void *arg)
{
    struct walk w = {.settings = settings, .value = value, .arg = arg};
    for (int id = SECTION_DAEMON; id < SECTION_DEFAULTS; id++)
        put_fields(&w, (enum section_id)id, NULL, settings);
    put_fields(&w, SECTION_DEFAULTS, NULL, settings);
    put_params(&w, &settings->defaults);
    put_fields(&w, SECTION_CEILINGS, NULL, settings);
    put_params(&w, &settings->ceilings);
    for (size_t i = 0; i < settings->sink_count; i++)
        put_fields(&w, SECTION_SINK, settings->sinks[i].name, &settings->sinks[i]);
    for (size_t i = 0; i < settings->host_count; i++) {
        put_fields(&w, SECTION_HOST, settings->hosts[i].pattern, &settings->hosts[i]);
        put_params(&w, &settings->hosts[i].params);
    }
    for (size_t i = 0; i < settings->credential_count; i++)
        put_fields(&w, SECTION_CREDENTIAL, settings->credentials[i].name,
                   &settings->credentials[i]);
    for (size_t i = 0; i < settings->quota_count; i++)
        put_fields(&w, settings->quotas[i].group ? SECTION_GROUP : SECTION_USER,
                   settings->quotas[i].name, &settings->quotas[i]);
    for (size_t i = 0; i < settings->parser_count; i++)
        put_parser(&w, &settings->parsers[i]);
    return w.result;
}
