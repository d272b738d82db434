/* A job as it was asked for: its members read one by one through a table, then merged with the
 * settings. */
#include "terms/spec.h"
#include "terms/spec_redact.h"

#include "base/clock.h"
#include "base/json_read.h"
#include "base/suggest.h"
#include "terms/params.h"
#include "terms/spec_headers.h"
#include "terms/spec_time.h"
#include "terms/spec_url.h"
#include "terms/spec_values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX 256

static int no_memory(struct error *err)
{
    return error_set(err, -ENOMEM, "out of memory");
}

/* --- members ---------------------------------------------------------------------------------- */

static int read_url(const json_t *value, struct spec *spec, struct error *err)
{
    const char *text = json_string_value(value);
    if (!text)
        return error_set(err, -EINVAL, "it is not a string");
    if (strlen(text) != json_string_length(value))
        return error_set(err, -EINVAL, "it has a NUL");
    int r = spec_read_url(text, &spec->url, &spec->host, err);
    if (r < 0 || strcmp(text, spec->url) == 0)
        return r;
    spec->given_url = strdup(text);
    return spec->given_url ? 0 : no_memory(err);
}

#define METHODS "it is \"GET\" or \"POST\""

static int read_method(const json_t *value, struct spec *spec, struct error *err)
{
    const char *text = json_string_value(value);
    if (!text ||
        (strcmp(text, "GET") != 0 && strcmp(text, "POST") != 0 && strcmp(text, "HEAD") != 0))
        return error_set(err, -EINVAL, METHODS);
    spec->method = strdup(text);
    return spec->method ? 0 : no_memory(err);
}

static int read_body(const json_t *value, struct spec *spec, struct error *err)
{
    return spec_read_body(value, &spec->body, &spec->body_len, err);
}

static int read_headers(const json_t *value, struct spec *spec, struct error *err)
{
    return spec_read_headers(value, &spec->headers, err);
}

static int read_key(const json_t *value, struct spec *spec, struct error *err)
{
    const char *text = NULL;
    int r = spec_read_text(value, KEY_MAX, &text, err);
    if (r < 0)
        return r;
    if (!*text)
        return error_set(err, -EINVAL, "it is empty");
    spec->key = strdup(text);
    return spec->key ? 0 : no_memory(err);
}

/* Set by the methods `run` and `head` alone (submission_row refuses it of others). */
static int read_run(const json_t *value, struct spec *spec, struct error *err)
{
    spec->run = json_is_true(value);
    return spec->run ? 0 : error_set(err, -EINVAL, "true is wanted");
}

static int read_not_before(const json_t *value, struct spec *spec, struct error *err)
{
    return spec_read_time(value, clock_real_us(), &spec->not_before, err);
}

static const struct member {
    const char *name;
    const char *singular; /* the client's option; NULL for none */
    int (*read)(const json_t *value, struct spec *spec, struct error *err);
} members[] = {
    {"url", NULL, read_url},
    {"method", NULL, read_method},
    {"body", NULL, read_body},
    {"headers", "header", read_headers},
    {"options", "option", spec_read_options},
    {"labels", "label", spec_read_labels},
    {"key", NULL, read_key},
    {"not_before", NULL, read_not_before},
    {"run", NULL, read_run},
};
#define MEMBERS (sizeof members / sizeof members[0])

static const struct member *find_member(const char *name)
{
    for (size_t i = 0; i < MEMBERS; i++)
        if (strcmp(members[i].name, name) == 0 ||
            (members[i].singular && strcmp(members[i].singular, name) == 0))
            return &members[i];
    return NULL;
}

static int unknown_member(const char *name, struct error *err)
{
    struct suggest near;
    char text[96];
    suggest_init(&near, name);
    for (size_t i = 0; i < MEMBERS; i++)
        suggest_offer(&near, members[i].name);
    params_suggest(&near);
    return error_set(err, -EINVAL, "%.64s: unknown member of a job%s", name,
                     suggest_text(&near, text, sizeof text));
}

/* A member of its own, and not under its other name as well. */
static int read_member(const json_t *job, const char *name, const json_t *value, struct spec *spec,
                       struct error *err)
{
    struct error why;
    int param = params_find(name), r;
    const struct member *member = find_member(name);

    if (!member && param < 0)
        return unknown_member(name, err);
    if (member && strcmp(name, member->name) != 0 && json_object_get(job, member->name))
        return error_set(err, -EINVAL, "%s: `%s` says the same; give one of them", name,
                         member->name);
    r = member ? member->read(value, spec, &why) : spec_read_param(value, param, &spec->own, &why);
    if (r == -ENOMEM)
        return no_memory(err);
    return r < 0 ? error_set(err, r, "%s: %s", name, why.text) : 0;
}

static int read_members(const json_t *job, struct spec *spec, struct error *err,
                        const char **ret_field)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)job, name, value)
    {
        *ret_field = name;
        int r = read_member(job, name, value, spec, err);
        if (r < 0)
            return r;
    }
    *ret_field = "url";
    if (!spec->url)
        return error_set(err, -EINVAL, "url: it is missing");
    *ret_field = "body";
    if (spec->body && (!spec->method || strcmp(spec->method, "POST") != 0))
        return error_set(err, -EINVAL, "body: it goes with method POST only");
    *ret_field = "method";
    if (spec->method && spec_is_head(spec) && !spec->run) /* as `head` sets both */
        return error_set(err, -EINVAL, "method: " METHODS);
    *ret_field = NULL;
    if (!spec->method)
        spec->method = strdup("GET");
    return spec->method ? 0 : no_memory(err);
}

/* --- merging ---------------------------------------------------------------------------------- */

/* The parser's name, which decides what section counts. */
static const char *parser_name(const struct spec *spec, const struct settings *settings)
{
    const uint64_t bit = UINT64_C(1) << PARAM_PARSER;
    const struct settings_host *host;
    if (spec->own.set & bit)
        return spec->own.parser;
    for (size_t i = 0; (host = settings_host_match(settings, spec->host, i)); i++)
        if (host->params.set & bit)
            return host->params.parser;
    return settings->defaults.parser;
}

/* *ret_asked: what was set before [defaults] were. */
static int merge(struct spec *spec, const struct settings *settings, uint64_t *ret_asked)
{
    struct job_params *p = &spec->effective;
    const char *name = parser_name(spec, settings);
    const struct settings_parser *parser = name ? settings_parser_find(settings, name) : NULL;
    const struct settings_host *host;

    int r = params_inherit(p, &spec->own);
    if (r == 0 && parser)
        r = params_inherit(p, &parser->params);
    for (size_t i = 0; r == 0 && (host = settings_host_match(settings, spec->host, i)); i++)
        r = params_inherit(p, &host->params);
    *ret_asked = p->set;
    return r < 0 ? r : params_inherit(p, &settings->defaults);
}

static int find_parser(struct spec *spec, struct registry *registry, struct error *err)
{
    const char *name = spec->effective.parser ? spec->effective.parser : "";
    const struct parser_def *def;
    struct suggest near;
    char text[96];

    spec->registry = registry_ref(registry);
    spec->parser = registry_find(registry, name);
    if (spec->parser)
        return 0;
    const char *why = registry_absent(registry, name);
    if (why)
        return error_set(err, -EINVAL, "parser: the plug-in of '%.64s' cannot be used: %s", name,
                         why);
    suggest_init(&near, name);
    for (size_t i = 0; (def = registry_at(registry, i)); i++)
        suggest_offer(&near, def->name);
    return error_set(err, -EINVAL, "parser: there is none called '%.64s'%s", name,
                     suggest_text(&near, text, sizeof text));
}

static int check_options(const struct spec *spec, struct error *err)
{
    struct error why;
    struct parse_pair *pairs = calloc(spec->option_count + 1, sizeof *pairs);
    if (!pairs)
        return no_memory(err);
    for (size_t i = 0; i < spec->option_count; i++)
        pairs[i] = (struct parse_pair){spec->options[i].name, spec->options[i].value};
    int r = registry_check_options(spec->parser, pairs, spec->option_count, &why);
    free(pairs);
    return r < 0 ? error_set(err, r, "options: %s", why.text) : 0;
}

/* The parameter that a sentence of params_check_ceilings begins with. */
static const char *field_of(const struct error *err)
{
    for (size_t i = 0; i < PARAM_COUNT_; i++) {
        size_t len = strlen(params_fields[i].name);
        if (strncmp(err->text, params_fields[i].name, len) == 0 && err->text[len] == ':')
            return params_fields[i].name;
    }
    return NULL;
}

static int check_bytes(const struct spec *spec, struct error *err, const char **ret_field)
{
    const struct job_params *p = &spec->effective;
    if (p->max_body == 0 || p->min_bytes <= p->max_body)
        return 0;
    *ret_field = spec->own.set & (UINT64_C(1) << PARAM_MIN_BYTES) ? "min_bytes" : "max_body";
    return error_set(err, -EINVAL,
                     "%s: min_bytes (%llu) and max_body (%llu) cannot both hold: no body would do",
                     *ret_field, (unsigned long long)p->min_bytes, (unsigned long long)p->max_body);
}

static int complete(struct spec *spec, const struct settings *settings, struct registry *registry,
                    struct error *err, const char **ret_field)
{
    uint64_t asked;
    int r = params_check_ceilings(&spec->own, &settings->ceilings, err);
    if (r < 0) {
        *ret_field = field_of(err);
        return r;
    }
    if (merge(spec, settings, &asked) < 0)
        return no_memory(err);
    *ret_field = "parser";
    r = find_parser(spec, registry, err);
    if (r < 0)
        return r;
    params_fit(&spec->effective, asked, spec->parser->impl);
    r = check_bytes(spec, err, ret_field);
    if (r < 0)
        return r;
    *ret_field = "options";
    r = check_options(spec, err);
    if (r < 0)
        return r;
    *ret_field = NULL;
    spec->shown_url = spec_redact_url(spec->url, &settings->redact);
    return spec->shown_url ? 0 : no_memory(err);
}

int spec_parse(const json_t *job, const struct settings *settings, struct registry *registry,
               struct spec **ret_spec, struct error *err, const char **ret_field)
{
    struct error why; /* `err` may be NULL */
    const char *field = NULL;
    struct spec *spec;
    int r;

    *ret_field = NULL;
    if (!json_is_object(job))
        return error_set(err, -EINVAL, "a job is an object with at least the member url");
    spec = calloc(1, sizeof *spec);
    if (!spec)
        return no_memory(err);
    r = read_members(job, spec, &why, &field);
    if (r == 0)
        r = complete(spec, settings, registry, &why, &field);
    if (r < 0) {
        spec_free(spec);
        *ret_field = r == -ENOMEM ? NULL : field;
        return error_set(err, r, "%s", why.text);
    }
    *ret_spec = spec;
    return 0;
}

void spec_free(struct spec *spec)
{
    if (!spec)
        return;
    free(spec->url);
    free(spec->given_url);
    free(spec->shown_url);
    free(spec->host);
    free(spec->method);
    free(spec->body);
    free(spec->key);
    strings_deinit(&spec->headers);
    pairs_free(spec->options, spec->option_count);
    pairs_free(spec->labels, spec->label_count);
    params_deinit(&spec->own);
    params_deinit(&spec->effective);
    registry_unref(spec->registry);
    free(spec);
}

char *spec_store_text(const json_t *job)
{
    json_t *copy = json_copied(job);
    int failed = !copy;
    for (size_t i = 0; i < MEMBERS && !failed; i++) {
        json_t *value = members[i].singular ? json_object_get(copy, members[i].singular) : NULL;
        if (!value)
            continue;
        failed = json_object_set(copy, members[i].name, value) < 0 ||
                 json_object_del(copy, members[i].singular) < 0;
    }
    char *text = failed ? NULL : json_dumps(copy, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(copy);
    return text;
}

static bool status_matches(const char *item, int status)
{
    if (item[1] == 'x')
        return status / 100 == item[0] - '0';
    return strtol(item, NULL, 10) == status;
}

bool spec_status_accepted(const struct job_params *params, int status)
{
    if (status == 200 || status == 203 || status == 204)
        return true;
    if (status == 206)
        return false;
    for (size_t i = 0; i < params->accept_status.count; i++)
        if (status_matches(params->accept_status.items[i], status))
            return true;
    return false;
}
