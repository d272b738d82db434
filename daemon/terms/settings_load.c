/* From the config's sections and keys to struct settings, by the table. Every error is told with
 * its place. */
#include "terms/settings_load.h"

#include "terms/params.h"
#include "terms/quota.h"
#include "terms/settings_table.h"

#include "base/buf.h"
#include "base/config_tree.h"
#include "parse/registry.h"
#include "terms/settings_check.h"
#include "terms/settings_paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A section of the config on its way into an object. */
struct loading {
    const struct config_section *config;
    const struct section *section;
    void *object;                   /* where the fields are */
    struct job_params *params;      /* or NULL */
    struct settings_parser *parser; /* whose options; or NULL */
};

static int no_memory(struct error *err)
{
    return error_set(err, -ENOMEM, "out of memory");
}

/* --- places ----------------------------------------------------------------------------------- */

/* "FILE:LINE: " or "--set: ". */
static int fail_at(const char *file, unsigned line, const struct config_section *section,
                   const char *key, const char *why, struct error *err)
{
    char number[16] = "";
    const char *q = section->name ? " \"" : "", *name = section->name ? section->name : "",
               *end = section->name ? "\"" : "";
    if (line)
        snprintf(number, sizeof number, ":%u", line);
    if (!key)
        return error_set(err, -EINVAL, "%s%s: [%s%s%s%s]: %s", file, number, section->kind, q, name,
                         end, why);
    return error_set(err, -EINVAL, "%s%s: %s%s%s%s.%s: %s", file, number, section->kind, q, name,
                     end, key, why);
}

static int fail_section(const struct config_section *section, const char *why, struct error *err)
{
    return fail_at(section->file, section->line, section, NULL, why, err);
}

static int fail_key(const struct config_section *section, const struct config_key *key,
                    size_t value, const char *why, struct error *err)
{
    if (value < key->count)
        return fail_at(key->values[value].file, key->values[value].line, section, key->name, why,
                       err);
    return fail_at(section->file, section->line, section, key->name, why, err);
}

/* --- names that are not known ----------------------------------------------------------------- */

static bool takes_param(const struct section *section, size_t param)
{
    switch (section->takes) {
    case TAKES_FIELDS:
        return false;
    case TAKES_PARAMS:
        return true;
    case TAKES_CEILINGS:
        return params_has_ceiling(param);
    case TAKES_OPTIONS:
        return param != PARAM_PARSER;
    }
    return false;
}

static void list_key(struct buf *names, struct suggest *near, const char *name)
{
    suggest_offer(near, name);
    buf_printf(names, "%s%s", names->len ? ", " : "", name);
}

/* Is it the option of a built-in parser that somebody wrote without its prefix? Then that is
 * said. */
static bool put_option(const struct config_key *key, struct buf *why)
{
    const struct parser_def *def;
    struct suggest near;
    suggest_init(&near, key->name);
    for (size_t i = 0; i < PARAM_COUNT_; i++) /* which a parser cannot have set */
        if (strcmp(params_fields[i].name, key->name) == 0)
            return false;
    struct registry *registry = registry_new();
    for (size_t i = 0; registry && (def = registry_at(registry, i)); i++)
        for (const struct penstock_option *o = def->impl->options; o && o->name; o++)
            suggest_offer(&near, o->name);
    if (near.best)
        buf_printf(why,
                   "unknown key; a parser's own option is written option.%s (`penstockctl "
                   "parsers` lists them)",
                   near.best);
    bool found = near.best;
    registry_unref(registry);
    return found;
}

static int unknown_key(const struct loading *l, const struct config_key *key, struct error *err)
{
    struct buf names = BUF_INIT, why = BUF_INIT;
    struct suggest near;
    char text[96];

    suggest_init(&near, key->name);
    for (size_t i = 0; i < l->section->count; i++)
        list_key(&names, &near, l->section->fields[i].name);
    if (l->section->takes == TAKES_OPTIONS)
        list_key(&names, &near, "option.NAME");
    for (size_t i = 0; i < PARAM_COUNT_; i++)
        if (takes_param(l->section, i))
            list_key(&names, &near, params_fields[i].name);
    if (near.best)
        buf_printf(&why, "unknown key%s", suggest_text(&near, text, sizeof text));
    else if (l->section->takes != TAKES_OPTIONS || !put_option(key, &why))
        buf_printf(&why, "unknown key; [%s] has %s", l->section->kind,
                   names.data ? names.data : "none");
    int r = why.failed ? no_memory(err) : fail_key(l->config, key, 0, why.data, err);
    buf_deinit(&names);
    buf_deinit(&why);
    return r;
}

static int unknown_section(const struct config_section *section, struct error *err)
{
    struct buf why = BUF_INIT;
    struct suggest near;
    char text[96];

    suggest_init(&near, section->kind);
    for (size_t i = 0; i < SECTION_COUNT_; i++)
        suggest_offer(&near, settings_sections[i].kind);
    buf_printf(&why, "unknown section%s", suggest_text(&near, text, sizeof text));
    for (size_t i = 0; i < SECTION_COUNT_ && !near.best; i++)
        buf_printf(&why, "%s%s", i ? ", " : "; the sections are ", settings_sections[i].kind);
    int r = why.failed ? no_memory(err) : fail_section(section, why.data, err);
    buf_deinit(&why);
    return r;
}

/* --- keys ------------------------------------------------------------------------------------- */

static const struct field *find_field(const struct section *section, const char *name)
{
    for (size_t i = 0; i < section->count; i++)
        if (strcmp(section->fields[i].name, name) == 0)
            return &section->fields[i];
    return NULL;
}

/* The values' texts as an array. NULL: out of memory. */
static const char **key_texts(const struct config_key *key)
{
    const char **texts = calloc(key->count + 1, sizeof *texts);
    for (size_t i = 0; texts && i < key->count; i++)
        texts[i] = key->values[i].text;
    return texts;
}

static int set_param(const struct loading *l, int param, const char *const *texts, size_t count,
                     size_t *ret_bad, struct error *err)
{
    enum field_type type = params_fields[param].type;
    *ret_bad = 0;
    /* An empty value leaves a parameter to the next section; only a list can be empty on
     * purpose. */
    if (count == 0 && type != FIELD_LIST)
        return 0;
    return params_set_texts(l->params, param, texts, count, ret_bad, err);
}

static int add_option(const struct loading *l, const struct config_key *key, const char *name,
                      struct error *err)
{
    struct settings_parser *parser = l->parser;
    if (!*name)
        return fail_key(l->config, key, 0, "the option's name is missing: option.NAME", err);
    if (key->count == 0)
        return 0;
    if (pairs_add(&parser->options, &parser->option_count, name, key->values[key->count - 1].text) <
        0)
        return no_memory(err);
    return 0;
}

static int load_key(const struct loading *l, const struct config_key *key, struct error *err)
{
    const struct field *field = find_field(l->section, key->name);
    int param = l->params ? params_find(key->name) : -1;
    struct error why;
    size_t bad = 0;
    int r;

    if (l->parser && strncmp(key->name, "option.", 7) == 0)
        return add_option(l, key, key->name + 7, err);
    if (param >= 0 && !takes_param(l->section, (size_t)param))
        param = -1;
    if (!field && param < 0)
        return unknown_key(l, key, err);
    const char **texts = key_texts(key);
    if (!texts)
        return no_memory(err);
    if (field)
        r = field_set(field, l->object, texts, key->count, &bad, &why);
    else
        r = set_param(l, param, texts, key->count, &bad, &why);
    free(texts);
    if (r == -ENOMEM)
        return no_memory(err);
    return r < 0 ? fail_key(l->config, key, bad, why.text, err) : 0;
}

static int load_keys(const struct loading *l, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < l->config->count && r == 0; i++)
        r = load_key(l, &l->config->keys[i], err);
    return r;
}

/* --- sections with a name --------------------------------------------------------------------- */

/* One more object at the end of an array (whose pointer is at `array`), zeroed but for its fields'
 * defaults. NULL: out of memory. */
static void *add_object(void *array, size_t *count, size_t size, enum section_id id)
{
    const struct section *section = &settings_sections[id];
    char *objects;

    memcpy(&objects, array, sizeof objects);
    objects = reallocarray(objects, *count + 1, size);
    if (!objects)
        return NULL;
    memcpy(array, &objects, sizeof objects);
    void *object = objects + *count * size;
    memset(object, 0, size);
    ++*count; /* from here on settings_free sees it */
    for (size_t i = 0; i < section->count; i++)
        if (field_reset(&section->fields[i], object, NULL) < 0)
            return NULL;
    return object;
}

static bool has_key(const struct config_section *section, const char *name)
{
    const struct config_key *key = config_key(section, name);
    return key && key->count > 0;
}

/* It is no sink of lines: what it means is a property of the store. */
static int check_stored(const struct config_section *config, struct error *err)
{
    static const char *const others[] = {"path", "events", "format", "max_size", "keep"};
    struct error why;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (has_key(config, others[i])) {
            error_set(&why, 0, "%s is not of type postgresql", others[i]);
            return fail_section(config, why.text, err);
        }
    return 0;
}

static int load_sink(struct settings *s, struct loading *l, struct error *err)
{
    struct settings_sink *sink = add_object(&s->sinks, &s->sink_count, sizeof *sink, SECTION_SINK);
    struct error why;

    if (!sink || !(sink->name = strdup(l->config->name)))
        return no_memory(err);
    if (check_name(sink->name, &why) < 0)
        return fail_section(l->config, why.text, err);
    l->object = sink;
    int r = load_keys(l, err);
    if (r < 0)
        return r;
    if (!has_key(l->config, "type"))
        return fail_section(l->config,
                            "type is missing; type = file, stdout, journal or postgresql", err);
    if (sink->type == SINK_STORED && check_stored(l->config, err) < 0)
        return -EINVAL;
    if (sink->type == SINK_FILE && !sink->path)
        return fail_section(l->config, "path is missing; a sink of type file needs one", err);
    if (sink->type != SINK_STORED && sink->table)
        return fail_section(l->config, "table is of type postgresql only", err);
    if (sink->type != SINK_FILE && sink->path)
        return fail_section(l->config, "path is of type file only", err);
    if (sink->type != SINK_JOURNAL && sink->format == SINK_FORMAT_TEXT)
        return fail_section(l->config, "format = text is of type journal only", err);
    for (size_t i = 0; i + 1 < s->sink_count; i++)
        if (s->sinks[i].type == sink->type &&
            (!sink->path || strcmp(s->sinks[i].path, sink->path) == 0))
            return fail_section(l->config, "another sink writes to the same place", err);
    return 0;
}

static void lower(char *text)
{
    for (char *p = text; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + 'a' - 'A');
}

int settings_host_pattern(const char *name, char **ret_pattern)
{
    size_t len = strlen(name);
    if (len > 1 && name[len - 1] == '.')
        len--;
    if (len > 2 && name[0] == '[' && name[len - 1] == ']') {
        name++; /* an IPv6 address as in a URL */
        len -= 2;
    }
    char *pattern = strndup(name, len);
    if (!pattern)
        return -ENOMEM;
    lower(pattern);
    *ret_pattern = pattern;
    return 0;
}

static int load_host(struct settings *s, struct loading *l, struct error *err)
{
    struct settings_host *host = add_object(&s->hosts, &s->host_count, sizeof *host, SECTION_HOST);
    struct error why;

    if (!host || settings_host_pattern(l->config->name, &host->pattern) < 0)
        return no_memory(err);
    if (check_pattern(host->pattern, &why) < 0)
        return fail_section(l->config, why.text, err);
    for (size_t i = 0; i + 1 < s->host_count; i++)
        if (strcmp(s->hosts[i].pattern, host->pattern) == 0)
            return fail_section(l->config, "another section is for the same host", err);
    l->object = host;
    l->params = &host->params;
    int r = load_keys(l, err);
    if (r == 0 && host->client_key && !host->client_cert)
        r = fail_section(l->config, "client_cert is missing; client_key goes with it", err);
    return r;
}

/* Whoever writes stages means exec. */
static int refuse_stages(const struct loading *l, const struct settings_parser *parser,
                         struct error *err)
{
    struct suggest near;
    char why[128];
    suggest_init(&near, parser->type ? parser->type : "");
    suggest_offer(&near, "exec");
    if (!near.best)
        return fail_section(l->config, "stage and output are of type exec only", err);
    snprintf(why, sizeof why, "there is no parser of the type \"%.32s\"; did you mean exec?",
             parser->type);
    return fail_section(l->config, why, err);
}

/* What its type needs, and where it may be sent. */
static int check_credential(const struct settings_credential *c, const struct loading *l,
                            struct error *err)
{
    const struct {
        int type;
        const char *key, *value;
    } needs[] = {{CREDENTIAL_BASIC, "user", c->user},
                 {CREDENTIAL_HEADER, "header", c->header},
                 {CREDENTIAL_QUERY, "query", c->query}};
    char why[96];
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
        snprintf(why, sizeof why, "%s is missing; this type needs it", needs[i].key);
        if (c->type == needs[i].type && !needs[i].value)
            return fail_section(l->config, why, err);
    }
    if (c->hosts.count > 0)
        return 0;
    return fail_section(l->config, "hosts is missing; it says where the secret may be sent", err);
}

static int load_credential(struct settings *s, struct loading *l, struct error *err)
{
    struct settings_credential *credential =
        add_object(&s->credentials, &s->credential_count, sizeof *credential, SECTION_CREDENTIAL);
    struct error why;

    if (!credential || !(credential->name = strdup(l->config->name)))
        return no_memory(err);
    if (check_name(credential->name, &why) < 0)
        return fail_section(l->config, why.text, err);
    l->object = credential;
    int r = load_keys(l, err);
    if (r == 0 && !has_key(l->config, "type"))
        r = fail_section(l->config, "type is missing; type = basic, bearer, header, query or netrc",
                         err);
    for (size_t i = 0; r == 0 && i < credential->hosts.count; i++)
        lower(credential->hosts.items[i]);
    return r < 0 ? r : check_credential(credential, l, err);
}

static int check_parser(const struct settings_parser *parser, const struct loading *l,
                        struct error *err)
{
    bool exec = parser->type && strcmp(parser->type, "exec") == 0;
    if (exec && parser->stages.count == 0)
        return fail_section(l->config, "stage is missing; type exec needs at least one", err);
    if (exec && parser->option_count > 0)
        return fail_section(l->config, "type exec has no options; write them into its stages", err);
    if (!exec && (parser->stages.count > 0 || has_key(l->config, "output")))
        return refuse_stages(l, parser, err);
    return 0;
}

static int load_parser(struct settings *s, struct loading *l, struct error *err)
{
    struct settings_parser *parser =
        add_object(&s->parsers, &s->parser_count, sizeof *parser, SECTION_PARSER);
    struct error why;

    if (!parser || !(parser->name = strdup(l->config->name)) ||
        !(parser->file = strdup(l->config->file)))
        return no_memory(err);
    parser->line = l->config->line;
    if (check_name(parser->name, &why) < 0)
        return fail_section(l->config, why.text, err);
    l->object = l->parser = parser;
    l->params = &parser->params;
    int r = load_keys(l, err);
    return r < 0 ? r : check_parser(parser, l, err);
}

static int load_quota(struct settings *s, struct loading *l, bool group, struct error *err)
{
    struct settings_quota *quota = add_object(&s->quotas, &s->quota_count, sizeof *quota,
                                              group ? SECTION_GROUP : SECTION_USER);
    struct error why = {"out of memory"};
    if (!quota || !(quota->name = strdup(l->config->name)))
        return no_memory(err);
    quota->group = group;
    l->object = quota;
    int r = load_keys(l, err);
    if (r < 0)
        return r;
    r = quota_look_up(quota, &why);
    if (r < 0)
        return r == -ENOMEM ? no_memory(err) : fail_section(l->config, why.text, err);
    for (size_t i = 0; i + 1 < s->quota_count; i++)
        if (s->quotas[i].group == group && s->quotas[i].id == quota->id)
            return fail_section(l->config, "another section is for the same one", err);
    return 0;
}

/* --- all of it -------------------------------------------------------------------------------- */

static int check_section_name(const struct config_section *config, const struct section *section,
                              struct error *err)
{
    char why[96];
    if (!section->example == !config->name)
        return 0;
    if (!section->example)
        return fail_section(config, "this section has no name", err);
    snprintf(why, sizeof why, "a name is missing; write [%s \"%s\"]", section->kind,
             section->example);
    return fail_section(config, why, err);
}

static int load_section(struct settings *s, const struct config_section *config, struct error *err)
{
    size_t id = 0;
    while (id < SECTION_COUNT_ && strcmp(settings_sections[id].kind, config->kind) != 0)
        id++;
    if (id == SECTION_COUNT_)
        return unknown_section(config, err);
    struct loading l = {.config = config, .section = &settings_sections[id], .object = s};
    int r = check_section_name(config, l.section, err);
    if (r < 0)
        return r;
    switch (id) {
    case SECTION_SINK:
        return load_sink(s, &l, err);
    case SECTION_HOST:
        return load_host(s, &l, err);
    case SECTION_CREDENTIAL:
        return load_credential(s, &l, err);
    case SECTION_PARSER:
        return load_parser(s, &l, err);
    case SECTION_USER:
    case SECTION_GROUP:
        return load_quota(s, &l, id == SECTION_GROUP, err);
    case SECTION_DEFAULTS:
        l.params = &s->defaults;
        break;
    case SECTION_CEILINGS:
        l.params = &s->ceilings;
        break;
    default:
        break;
    }
    return load_keys(&l, err);
}

static int set_standards(struct settings *s, struct error *err)
{
    for (int id = SECTION_DAEMON; id < SECTION_DEFAULTS; id++) {
        const struct section *section = &settings_sections[id];
        for (size_t i = 0; i < section->count; i++) {
            int r = field_reset(&section->fields[i], s, err);
            if (r < 0)
                return r;
        }
    }
    int r = params_standard(&s->defaults, err);
    return r < 0 ? r : params_set(&s->ceilings, "max_body", CEILING_MAX_BODY, err);
}

/* Exact names first, then the longer (nearer) pattern, "*" last. */
static int by_nearness(const void *a, const void *b)
{
    const char *p = ((const struct settings_host *)a)->pattern;
    const char *q = ((const struct settings_host *)b)->pattern;
    if ((*p == '*') != (*q == '*'))
        return *p == '*' ? 1 : -1;
    size_t lp = strlen(p), lq = strlen(q);
    return lp != lq ? (lp < lq ? 1 : -1) : strcmp(p, q);
}

/* A place that is not known stays NULL: only a daemon that starts needs it
 * (settings_check_places). */
static int set_paths(struct settings *s, struct error *err)
{
    bool memory = strcmp(s->store_engine, "memory") == 0;
    if (!s->socket && !(s->socket = settings_default_socket()) && errno == ENOMEM)
        return no_memory(err);
    if (!s->store_path && !(s->store_path = settings_default_store()) && errno == ENOMEM)
        return no_memory(err);
    if (!s->spool_dir)
        s->spool_dir = settings_default_spool(memory ? NULL : s->store_path);
    if (!s->results_path && !memory && s->store_path &&
        !(s->results_path = settings_default_results(s->store_path)))
        return no_memory(err);
    return s->spool_dir ? 0 : no_memory(err);
}

/* What follows from several keys together. */
static int finish(struct settings *s, struct error *err)
{
    if (s->proxy && strcmp(s->proxy, "none") == 0) {
        free(s->proxy);
        s->proxy = NULL;
    }
    if (settings_stored_sink(s) && strcmp(s->store_engine, "postgresql") != 0)
        return error_set(
            err, -EINVAL,
            "sink \"%s\": type = postgresql goes with store.engine = postgresql alone, "
            "as records and verdict are one transaction",
            settings_stored_sink(s)->name);
    if (s->sink_count == (settings_stored_sink(s) ? 1 : 0)) {
        struct settings_sink *sink =
            add_object(&s->sinks, &s->sink_count, sizeof *sink, SECTION_SINK);
        if (!sink || !(sink->name = strdup("stdout")))
            return no_memory(err);
        sink->type = SINK_STDOUT;
    }
    if (s->host_count > 0)
        qsort(s->hosts, s->host_count, sizeof *s->hosts, by_nearness);
    quotas_sort(s);
    if (s->allow_downgrade)
        s->defaults.allow_downgrade = 1;
    params_lower(&s->defaults, &s->ceilings);
    int r = set_paths(s, err);
    return r < 0 ? r : settings_check(s, err);
}

int settings_load(const struct config *config, struct settings **ret_settings, struct error *err)
{
    struct settings *s = calloc(1, sizeof *s);
    if (!s)
        return no_memory(err);
    int r = set_standards(s, err);
    for (size_t i = 0; i < config->count && r == 0; i++)
        r = load_section(s, &config->sections[i], err);
    if (r == 0)
        r = finish(s, err);
    if (r < 0) {
        settings_free(s);
        return r;
    }
    *ret_settings = s;
    return 0;
}
