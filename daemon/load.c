#include "load.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/config_tree.h"
#include "base/log.h"
#include "flow/pipeline.h"
#include "flow/pipeline_split.h"
#include "terms/secret.h"
#include "terms/settings_dump.h"
#include "terms/settings_load.h"
#include "terms/settings_paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_CONFIG PENSTOCK_SYSCONFDIR "/penstockd.conf"

static int load_config(const struct load_options *options, struct config *config, struct error *err)
{
    int r = config_read(options->config ? options->config : DEFAULT_CONFIG, config, err);
    if (r == -ENOENT && !options->config)
        r = 0; /* it runs on its defaults */
    for (size_t i = 0; r == 0 && i < options->set_count; i++)
        r = config_set(config, options->sets[i], err);
    return r;
}

static int load_settings(const struct load_options *options, struct settings **ret,
                         struct error *err)
{
    struct config config = {0};
    int r = load_config(options, &config, err);
    if (r == 0)
        r = settings_load(&config, ret, err);
    config_deinit(&config);
    return r;
}

static int add_parser(struct registry *registry, const struct settings_parser *p, struct error *err)
{
    struct parse_pair *pairs = calloc(p->option_count + 1, sizeof *pairs);
    if (!pairs)
        return error_set(err, -ENOMEM, "no memory for parser %s", p->name);
    for (size_t i = 0; i < p->option_count; i++)
        pairs[i] = (struct parse_pair){.name = p->options[i].name, .value = p->options[i].value};
    struct parser_section section = {
        .name = p->name,
        .type = p->type,
        .options = pairs,
        .option_count = p->option_count,
        .stages = (const char *const *)p->stages.items,
        .stage_count = p->stages.count,
        .json = p->output == OUTPUT_JSON,
        .isolation = (enum parser_isolation)p->isolation,
        .sandbox = p->sandbox,
        .grace = p->on_abort == ON_ABORT_ERROR ? p->grace : 0,
        .limits = {.memory = p->memory,
                   .cpu_time = (p->cpu_time + NS_PER_SEC - 1) / NS_PER_SEC,
                   .file_size = p->file_size,
                   .open_files = p->open_files},
        .origin = p->file,
    };
    int r = registry_define(registry, &section, err);
    free(pairs);
    return r;
}

static int tell_parser(const struct settings_parser *p, int r, const char *why, struct error *err)
{
    if (strncmp(why, "parser \"", 8) == 0)
        return error_set(err, r, "%s:%u: %s", p->file, p->line, why);
    return error_set(err, r, "%s:%u: parser \"%s\": %s", p->file, p->line, p->name, why);
}

static int make_registry(const struct load_options *options, const struct settings *s,
                         struct registry **ret, struct error *err)
{
    struct registry *registry = registry_new();
    if (!registry)
        return error_set(err, -ENOMEM, "no memory for the parsers");
    int r = registry_add_plugins(registry, s->plugin_dir);
    if (r < 0)
        error_set(err, r, "no memory for the plug-ins");
    if (r == 0 && options->plugin)
        r = registry_add_plugin(registry, options->plugin, err);
    for (size_t i = 0; r >= 0 && i < s->parser_count; i++) {
        struct error why;
        r = add_parser(registry, &s->parsers[i], &why);
        if (r < 0)
            tell_parser(&s->parsers[i], r, why.text, err);
    }
    if (r < 0)
        registry_unref(registry);
    else
        *ret = registry;
    return r < 0 ? r : 0;
}

static int make_policy(const struct settings *s, struct policy **ret, struct error *err)
{
    struct policy *policy = NULL;
    int r = policy_new((const char *const *)s->allow.items, s->allow.count,
                       (const char *const *)s->deny.items, s->deny.count, &policy, err);
    if (r == 0)
        r = policy_set_translators(policy, (const char *const *)s->nat64.items, s->nat64.count,
                                   err);
    if (r < 0)
        policy_unref(policy);
    else
        *ret = policy;
    return r;
}

static int check_parser(const struct registry *registry, const struct job_params *params,
                        const char *where, struct error *err)
{
    if (!params->parser || registry_find(registry, params->parser) ||
        registry_absent(registry, params->parser))
        return 0;
    return error_set(err, -EINVAL, "%s: parser: there is no parser %.64s", where, params->parser);
}

/* Wherever the config names a parser, there must be one. */
static int check_parsers(const struct settings *s, const struct registry *registry,
                         struct error *err)
{
    char where[320];
    int r = check_parser(registry, &s->defaults, "[defaults]", err);
    for (size_t i = 0; r == 0 && i < s->host_count; i++) {
        snprintf(where, sizeof where, "[host \"%.256s\"]", s->hosts[i].pattern);
        r = check_parser(registry, &s->hosts[i].params, where, err);
    }
    return r;
}

int loaded_read(const struct load_options *options, struct loaded *ret_loaded, struct error *err)
{
    struct loaded l = {0};
    int r = load_settings(options, &l.settings, err);
    if (r == 0)
        r = make_registry(options, l.settings, &l.registry, err);
    if (r == 0)
        r = check_parsers(l.settings, l.registry, err);
    if (r == 0)
        r = make_policy(l.settings, &l.policy, err);
    if (r < 0)
        loaded_free(&l);
    else
        *ret_loaded = l;
    return r;
}

void loaded_free(struct loaded *loaded)
{
    registry_unref(loaded->registry);
    policy_unref(loaded->policy);
    settings_free(loaded->settings);
}

/* --- what is missing on this machine ---------------------------------------------------------- */

static bool can_run(const char *program)
{
    const char *path = getenv("PATH");
    if (strchr(program, '/'))
        return access(program, X_OK) == 0;
    for (const char *p = path ? path : "/usr/bin:/bin"; *p; p += strspn(p, ":")) {
        char full[4096];
        int len = (int)strcspn(p, ":");
        snprintf(full, sizeof full, "%.*s/%s", len, p, program);
        if (access(full, X_OK) == 0)
            return true;
        p += len;
    }
    return false;
}

static void check_stages(const struct settings_parser *parser)
{
    for (size_t i = 0; i < parser->stages.count; i++) {
        char **argv;
        if (pipeline_split(parser->stages.items[i], &argv, NULL) < 0)
            continue;
        if (argv[0] && !can_run(argv[0]))
            fprintf(stderr,
                    "penstockd: warning: %s:%u: parser \"%s\": stage: %s: no such program here\n",
                    parser->file, parser->line, parser->name, argv[0]);
        pipeline_argv_free(argv);
    }
}

/* The configuration may be meant for another machine, or a file may be made later: jobs that need
 * it fail until then. */
static void check_machine(const struct settings *s)
{
    for (size_t i = 0; i < s->parser_count; i++)
        check_stages(&s->parsers[i]);
    for (size_t i = 0; i < s->credential_count; i++) {
        const struct settings_credential *c = &s->credentials[i];
        struct error err;
        if (c->secret_file && secret_look(c->secret_file, &err) < 0)
            fprintf(stderr, "penstockd: warning: credential \"%s\": secret_file: %s\n", c->name,
                    err.text);
    }
}

int load_check(const struct load_options *options)
{
    struct error err;
    struct loaded l;
    if (loaded_read(options, &l, &err) < 0) {
        fprintf(stderr, "penstockd: %s\n", err.text);
        return 1;
    }
    const char *file, *why;
    size_t faults = 0;
    while ((file = registry_fault(l.registry, faults, &why))) {
        fprintf(stderr, "penstockd: plug-in %s: %s\n", file, why);
        faults++;
    }
    check_machine(l.settings);
    loaded_free(&l);
    return faults > 0;
}

int load_dump(const struct load_options *options, FILE *out)
{
    struct error err;
    struct config config = {0};
    struct settings *settings = NULL;
    struct buf text = BUF_INIT;
    int r = load_config(options, &config, &err);
    if (r == 0)
        r = settings_load(&config, &settings, &err);
    if (r == 0) {
        settings_dump(settings, &config, &text);
        if (text.failed)
            r = error_set(&err, -ENOMEM, "out of memory");
        else if (fwrite(text.data, 1, text.len, out) != text.len || fflush(out) != 0)
            r = error_set(&err, -EIO, "standard output: %s", strerror(errno));
    }
    if (r < 0)
        fprintf(stderr, "penstockd: %s\n", err.text);
    buf_deinit(&text);
    settings_free(settings);
    config_deinit(&config);
    return r < 0;
}

void loaded_warn(const struct loaded *loaded)
{
    const char *file, *why;
    for (size_t i = 0; (file = registry_fault(loaded->registry, i, &why)); i++)
        log_warning("plug-in %s: %s", file, why);
}

bool load_default_place(const struct settings *s)
{
    char *path = settings_default_store();
    bool same = path && s->store_path && strcmp(path, s->store_path) == 0;
    free(path);
    return same;
}
