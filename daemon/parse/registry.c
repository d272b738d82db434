#include "parse/registry.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/suggest.h"
#include "parse/plugin.h"
#include "parse/plugin_check.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_SIZE 256

/* A definition with what it owns. */
struct entry {
    struct parser_def def;
    char *name, *origin;
    struct parse_pair *options;
    struct process_def process;
    struct penstock_parser own; /* a pipeline's: its name and summary */
    char *summary;
    struct plugin *plugin; /* the registry's; NULL: not of a plug-in */
    bool base;             /* built in, or a plug-in under its own name, as it is */
};

/* A name that would be there if its plug-in could be used. */
struct absent {
    char *name;
    const char *why; /* the plug-in's */
};

struct registry {
    atomic_int refs;
    struct entry **entries; /* in order of names */
    size_t count;
    struct plugins plugins;
    struct absent *absent;
    size_t absent_count;
};

static const char built_in[] = "built-in";

/* --- definitions ------------------------------------------------------------------------------ */

static void options_free(struct parse_pair *options, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free((char *)options[i].name);
        free((char *)options[i].value);
    }
    free(options);
}

static void entry_free(struct entry *entry)
{
    if (!entry)
        return;
    options_free(entry->options, entry->def.option_count);
    process_def_deinit(&entry->process);
    free(entry->name);
    free(entry->origin);
    free(entry->summary);
    free(entry);
}

static int entry_copy_options(struct entry *entry, const struct parse_pair *options, size_t count)
{
    if (count == 0)
        return 0;
    entry->options = calloc(count, sizeof *options);
    if (!entry->options)
        return -ENOMEM;
    entry->def.options = entry->options;
    for (size_t i = 0; i < count; i++) {
        struct parse_pair *copy = &entry->options[entry->def.option_count++];
        copy->name = strdup(options[i].name);
        copy->value = strdup(options[i].value);
        if (!copy->name || !copy->value)
            return -ENOMEM;
    }
    return 0;
}

static struct entry *entry_new(const char *name, const struct penstock_parser *impl,
                               const struct parse_pair *options, size_t count, const char *origin)
{
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    entry->name = strdup(name);
    entry->origin = strdup(origin);
    if (!entry->name || !entry->origin || entry_copy_options(entry, options, count) < 0) {
        entry_free(entry);
        return NULL;
    }
    entry->def.name = entry->name;
    entry->def.impl = impl;
    entry->def.origin = entry->origin;
    return entry;
}

/* --- the registry ----------------------------------------------------------------------------- */

/* The place of `name`, or where it would go. */
static size_t place(const struct registry *registry, const char *name)
{
    size_t low = 0, high = registry->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(registry->entries[mid]->name, name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static int insert(struct registry *registry, struct entry *entry)
{
    size_t at = place(registry, entry->name);
    struct entry **entries =
        reallocarray(registry->entries, registry->count + 1, sizeof *registry->entries);
    if (!entries)
        return -ENOMEM;
    registry->entries = entries;
    memmove(entries + at + 1, entries + at, (registry->count - at) * sizeof *entries);
    entries[at] = entry;
    registry->count++;
    return 0;
}

static int insert_new(struct registry *registry, struct entry *entry)
{
    if (entry && insert(registry, entry) == 0)
        return 0;
    entry_free(entry);
    return -ENOMEM;
}

static int add_base(struct registry *registry, const struct penstock_parser *impl,
                    struct plugin *plugin, const char *origin)
{
    struct entry *entry = entry_new(impl->name, impl, NULL, 0, origin);
    if (entry) {
        entry->base = true;
        entry->plugin = plugin;
    }
    return insert_new(registry, entry);
}

struct registry *registry_new(void)
{
    static const struct penstock_parser *const impls[] = {
        &parser_count, &parser_lines, &parser_csv,   &parser_ndjson,  &parser_json, &parser_digest,
        &parser_xml,   &parser_feed,  &parser_fixed, &parser_archive, &parser_warc};
    struct registry *registry = calloc(1, sizeof *registry);
    if (!registry)
        return NULL;
    atomic_init(&registry->refs, 1);
    for (size_t i = 0; i < sizeof impls / sizeof impls[0]; i++)
        if (add_base(registry, impls[i], NULL, built_in) < 0) {
            registry_unref(registry);
            return NULL;
        }
    return registry;
}

struct registry *registry_ref(struct registry *registry)
{
    atomic_fetch_add_explicit(&registry->refs, 1, memory_order_relaxed);
    return registry;
}

void registry_unref(struct registry *registry)
{
    if (!registry || atomic_fetch_sub_explicit(&registry->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < registry->count; i++)
        entry_free(registry->entries[i]);
    for (size_t i = 0; i < registry->absent_count; i++)
        free(registry->absent[i].name);
    free(registry->absent);
    free(registry->entries);
    plugins_deinit(&registry->plugins);
    free(registry);
}

const struct parser_def *registry_find(const struct registry *registry, const char *name)
{
    size_t at = place(registry, name);
    if (at == registry->count || strcmp(registry->entries[at]->name, name) != 0)
        return NULL;
    return &registry->entries[at]->def;
}

const struct parser_def *registry_at(const struct registry *registry, size_t i)
{
    return i < registry->count ? &registry->entries[i]->def : NULL;
}

/* --- options ---------------------------------------------------------------------------------- */

/* The last one counts where a name is given twice. */
static const char *find_last(const struct parse_pair *options, size_t count, const char *name)
{
    for (size_t i = count; i-- > 0;)
        if (strcmp(options[i].name, name) == 0)
            return options[i].value;
    return NULL;
}

struct layers {
    const struct parser_def *def;
    const struct parse_pair *options; /* the job's */
    size_t count;
};

static const char *merged(const struct layers *layers, const struct penstock_option *option)
{
    const char *value = find_last(layers->options, layers->count, option->name);
    if (!value)
        value = find_last(layers->def->options, layers->def->option_count, option->name);
    return value;
}

static const struct penstock_option *find_option(const struct penstock_parser *impl,
                                                 const char *name)
{
    const struct penstock_option *option = impl->options;
    for (; option && option->name; option++)
        if (strcmp(option->name, name) == 0)
            return option;
    return NULL;
}

static const char *get_merged(void *arg, const char *name)
{
    const struct layers *layers = arg;
    const struct penstock_option *option = find_option(layers->def->impl, name);
    if (!option)
        return NULL;
    const char *value = merged(layers, option);
    return value ? value : option->standard;
}

static int refuse_option(const struct parser_def *def, const char *name, struct error *err)
{
    struct suggest suggest;
    char hint[128];
    suggest_init(&suggest, name);
    char known[MESSAGE_SIZE] = "";
    for (const struct penstock_option *o = def->impl->options; o && o->name; o++) {
        suggest_offer(&suggest, o->name);
        size_t used = strlen(known);
        if (used + strlen(o->name) + 3 < sizeof known) {
            strcpy(known + used, used > 0 ? ", " : "");
            strcat(known, o->name);
        }
    }
    if (!known[0])
        return error_set(err, -EINVAL, "option \"%s\": the parser \"%s\" has no options", name,
                         def->name);
    return error_set(err, -EINVAL,
                     "option \"%s\": the parser \"%s\" has no such option (it has: %s)%s", name,
                     def->name, known, suggest_text(&suggest, hint, sizeof hint));
}

int registry_check_options(const struct parser_def *def, const struct parse_pair *options,
                           size_t option_count, struct error *err)
{
    for (size_t i = 0; i < option_count; i++)
        if (!find_option(def->impl, options[i].name))
            return refuse_option(def, options[i].name, err);
    if (!def->impl->check)
        return 0;
    struct layers layers = {def, options, option_count};
    char message[MESSAGE_SIZE] = "its value will not do";
    if (def->impl->check(get_merged, &layers, message, sizeof message) == 0)
        return 0;
    message[sizeof message - 1] = '\0';
    return error_set(err, -EINVAL, "parser \"%s\": %s", def->name, message);
}

int registry_merge_options(const struct parser_def *def, const struct parse_pair *options,
                           size_t option_count, struct parse_pair **ret_options, size_t *ret_count)
{
    struct layers layers = {def, options, option_count};
    const struct penstock_option *known = def->impl->options;
    size_t most = 0, n = 0;
    for (const struct penstock_option *o = known; o && o->name; o++)
        most++;
    struct parse_pair *pairs = most > 0 ? calloc(most, sizeof *pairs) : NULL;
    if (most > 0 && !pairs)
        return -ENOMEM;
    for (size_t i = 0; i < most; i++) {
        const char *value = merged(&layers, &known[i]);
        if (value)
            pairs[n++] = (struct parse_pair){known[i].name, value};
    }
    if (n == 0) {
        free(pairs);
        pairs = NULL;
    }
    *ret_options = pairs;
    *ret_count = n;
    return 0;
}

/* --- adding ----------------------------------------------------------------------------------- */

/* A built-in parser or plug-in, perhaps under its section's settings. */
static const struct entry *find_base(const struct registry *registry, const char *type)
{
    for (size_t i = 0; i < registry->count; i++)
        if (strcmp(registry->entries[i]->def.impl->name, type) == 0 &&
            registry->entries[i]->process.stage_count == 0)
            return registry->entries[i];
    return NULL;
}

static int refuse_type(const struct registry *registry, const char *name, const char *type,
                       struct error *err)
{
    struct suggest suggest;
    char hint[128];
    suggest_init(&suggest, type);
    for (size_t i = 0; i < registry->count; i++)
        suggest_offer(&suggest, registry->entries[i]->def.impl->name);
    suggest_offer(&suggest, "exec");
    return error_set(err, -EINVAL, "parser \"%s\": there is no parser of the type \"%s\"%s", name,
                     type, suggest_text(&suggest, hint, sizeof hint));
}

/* A parser's own name may be defined once, with options for it. */
static int check_free(const struct registry *registry, const char *name, const char *type,
                      struct error *err)
{
    const struct parser_def *def = registry_find(registry, name);
    if (!def)
        return 0;
    if (!container_of(def, struct entry, def)->base)
        return error_set(err, -EEXIST, "parser \"%s\": defined before, in %s", name, def->origin);
    if (strcmp(type, name) != 0)
        return error_set(err, -EEXIST,
                         "parser \"%s\": is the name of a parser (%s); choose another", name,
                         def->origin);
    return 0;
}

static int no_memory(struct error *err)
{
    return error_set(err, -ENOMEM, "out of memory");
}

static int add_absent(struct registry *registry, const char *name, const char *why)
{
    struct absent *list =
        reallocarray(registry->absent, registry->absent_count + 1, sizeof *registry->absent);
    if (!list)
        return -ENOMEM;
    registry->absent = list;
    char *copy = strdup(name);
    if (!copy)
        return -ENOMEM;
    list[registry->absent_count++] = (struct absent){copy, why};
    return 0;
}

const char *registry_absent(const struct registry *registry, const char *name)
{
    for (size_t i = 0; i < registry->absent_count; i++)
        if (strcmp(registry->absent[i].name, name) == 0)
            return registry->absent[i].why;
    return NULL;
}

/* "my_parser | sort": the commands alone, as their arguments are nobody's business but the
 * config's. */
static char *summarize(const struct process_def *process)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < process->stage_count; i++) {
        const char *command = process->stages[i][0], *slash = strrchr(command, '/');
        buf_printf(&b, "%s%s", i ? " | " : "processes: ", slash && slash[1] ? slash + 1 : command);
    }
    return buf_steal(&b);
}

static int set_pipeline(struct entry *entry, const struct parser_section *s, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < s->stage_count && r == 0; i++)
        r = process_def_add_stage(&entry->process, s->stages[i], err);
    if (r < 0)
        return error_set(err, r, "stage: %s", err->text);
    entry->summary = summarize(&entry->process);
    if (!entry->summary)
        return no_memory(err);
    entry->process.output = s->json ? PROCESS_JSON : PROCESS_TEXT;
    entry->process.limits = s->limits;
    entry->def.process = &entry->process;
    entry->own = (struct penstock_parser){.abi = PENSTOCK_PARSER_ABI,
                                          .size = sizeof entry->own,
                                          .name = "exec",
                                          .summary = entry->summary};
    entry->def.impl = &entry->own;
    return 0;
}

/* Where a built-in parser or a plug-in runs: on a thread of ours, or in a process. */
static int set_isolation(struct entry *entry, const struct parser_section *s, struct error *err)
{
    struct plugin *plugin = entry->plugin;
    bool isolated =
        s->isolation == ISOLATION_PROCESS || (s->isolation == ISOLATION_STANDARD && plugin);
    if (!isolated && !plugin)
        return 0;
    if (!isolated && plugin->prints)
        return error_set(err, -EINVAL,
                         "isolation = thread: %s prints its records, which only a process of its "
                         "own can",
                         plugin->file);
    if (!isolated) {
        struct error why;
        if (plugin_load(plugin, &why) < 0) {
            memcpy(plugin->fault, why.text, sizeof plugin->fault);
            return REGISTRY_ABSENT;
        }
        entry->def.impl = plugin->loaded;
        return 0;
    }
    if (plugin && !(entry->process.plugin = strdup(plugin->file)))
        return no_memory(err);
    entry->process.output = plugin && plugin->prints ? PROCESS_TEXT : PROCESS_RECORDS;
    entry->process.sandbox = s->sandbox;
    entry->process.grace = s->grace;
    entry->process.limits = s->limits;
    entry->def.process = &entry->process;
    return 0;
}

/* The entry for a section, complete but for its place. */
static int make_entry(struct registry *registry, const struct parser_section *s,
                      struct entry **ret_entry, struct error *err)
{
    const char *type = s->type ? s->type : s->name;
    const struct entry *base = NULL;
    bool exec = strcmp(type, "exec") == 0;
    if (!exec && !(base = find_base(registry, type)))
        return refuse_type(registry, s->name, type, err);
    const struct penstock_parser *impl = base && base->plugin ? &base->plugin->described
                                         : base               ? base->def.impl
                                                              : NULL;
    struct entry *entry = entry_new(s->name, impl, s->options, s->option_count, s->origin);
    if (!entry)
        return no_memory(err);
    entry->plugin = base ? base->plugin : NULL;
    int r = exec ? set_pipeline(entry, s, err) : set_isolation(entry, s, err);
    if (r == 0)
        r = registry_check_options(&entry->def, s->options, s->option_count, err);
    if (r == REGISTRY_ABSENT && add_absent(registry, s->name, base->plugin->fault) < 0)
        r = no_memory(err);
    if (r != 0)
        entry_free(entry);
    else
        *ret_entry = entry;
    return r;
}

int registry_define(struct registry *registry, const struct parser_section *s, struct error *err)
{
    struct entry *entry = NULL;
    if (!parser_name_valid(s->name))
        return error_set(err, -EINVAL,
                         "parser \"%s\": a name has up to %d characters: a letter a-z first, then "
                         "also digits, - and _",
                         s->name, PARSER_NAME_MAX);
    const char *type = s->type ? s->type : s->name;
    const char *why = find_base(registry, type) ? NULL : registry_absent(registry, type);
    if (why)
        return add_absent(registry, s->name, why) < 0 ? no_memory(err) : REGISTRY_ABSENT;
    int r = check_free(registry, s->name, type, err);
    if (r == 0)
        r = make_entry(registry, s, &entry, err);
    if (r != 0)
        return r;
    if (registry_find(registry, s->name)) {
        struct entry **old = &registry->entries[place(registry, s->name)];
        entry_free(*old);
        *old = entry;
        return 0;
    }
    return insert_new(registry, entry) < 0 ? no_memory(err) : 0;
}

int registry_add(struct registry *registry, const char *name, const char *type,
                 const struct parse_pair *options, size_t option_count, const char *origin,
                 struct error *err)
{
    struct parser_section section = {.name = name,
                                     .type = type,
                                     .options = options,
                                     .option_count = option_count,
                                     .sandbox = true,
                                     .origin = origin};
    return registry_define(registry, &section, err);
}

/* --- plug-ins --------------------------------------------------------------------------------- */

/* The name that a file which cannot be read probably has: without its directory and .so. */
static int note_absent(struct registry *registry, const struct plugin *plugin)
{
    char name[256];
    const char *slash = strrchr(plugin->file, '/');
    snprintf(name, sizeof name, "%s", slash ? slash + 1 : plugin->file);
    char *end = strstr(name, ".so");
    if (end)
        *end = '\0';
    return add_absent(registry, name, plugin->fault);
}

static int add_plugin(struct registry *registry, struct plugin *plugin)
{
    struct parser_section standard = {.sandbox = true};
    struct error err;
    const char *name = plugin->described.name;
    const struct parser_def *other = name ? registry_find(registry, name) : NULL;
    if (other || (name && strcmp(name, "exec") == 0)) {
        snprintf(plugin->fault, sizeof plugin->fault, "its name \"%s\" is taken: %s", name,
                 other ? other->origin : built_in);
        return 0; /* the name is there: another's */
    }
    if (plugin->fault[0] || !name)
        return note_absent(registry, plugin);
    if (add_base(registry, &plugin->described, plugin, plugin->file) < 0)
        return -ENOMEM;
    return set_isolation(registry->entries[place(registry, name)], &standard, &err);
}

int registry_add_plugins(struct registry *registry, const char *dir)
{
    int r = plugins_scan(&registry->plugins, dir);
    for (size_t i = 0; i < registry->plugins.count && r == 0; i++)
        r = add_plugin(registry, registry->plugins.items[i]);
    return r;
}

int registry_add_plugin(struct registry *registry, const char *file, struct error *err)
{
    struct plugin *plugin = plugins_add(&registry->plugins, file);
    int r = plugin ? add_plugin(registry, plugin) : -ENOMEM;
    if (r < 0)
        return no_memory(err);
    return plugin->fault[0] ? error_set(err, -EINVAL, "%s: %s", file, plugin->fault) : 0;
}

const char *registry_fault(const struct registry *registry, size_t i, const char **ret_why)
{
    for (size_t p = 0; p < registry->plugins.count; p++) {
        const struct plugin *plugin = registry->plugins.items[p];
        if (plugin->fault[0] && i-- == 0) {
            *ret_why = plugin->fault;
            return plugin->file;
        }
    }
    return NULL;
}
