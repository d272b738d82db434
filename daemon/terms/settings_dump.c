/* A value is told as it holds (settings_walk.h) and not as somebody wrote it: so defaults, what
 * several files add to one list, and what a ceiling has lowered are seen as well. Where it is from
 * is looked up in the config's tree by the section's and the key's names. */
#include "terms/settings_dump.h"

#include "base/config_tree.h"
#include "terms/field.h"
#include "terms/params.h"
#include "terms/settings_load.h"
#include "terms/settings_walk.h"

#include <stdlib.h>
#include <string.h>

struct dump {
    const struct config *config;
    struct buf *out;
    /* The section that is being told, and where it stands in the config; NULL: nowhere. */
    const char *section, *name;
    const struct config_section *from;
};

/* --- where a value is from -------------------------------------------------------------------- */

/* It may be written otherwise in the config: in capitals, with a dot behind it. */
static const struct config_section *host_section(const struct config *config, const char *pattern)
{
    const struct config_section *found = NULL;
    for (size_t i = 0; i < config->count && !found; i++) {
        const struct config_section *section = &config->sections[i];
        char *normal = NULL;
        if (strcmp(section->kind, "host") == 0 && strcasestr(section->name, pattern) &&
            settings_host_pattern(section->name, &normal) == 0 && strcmp(normal, pattern) == 0)
            found = section;
        free(normal);
    }
    return found;
}

static const struct config_key *key_of(const struct dump *d, const char *name)
{
    const struct config_key *key = d->from ? config_key(d->from, name) : NULL;
    return key && key->count > 0 ? key : NULL;
}

static void put_place(struct buf *b, const struct config_value *value)
{
    buf_puts(b, value->file);
    if (value->line)
        buf_printf(b, ":%u", value->line);
}

/* A list is from all places that it was put together from, one of FIELD_LINES from its own; of
 * others the last value counts. */
static void put_places(struct buf *b, const struct config_key *key,
                       const struct settings_value *value)
{
    enum field_type type = value->field ? value->field->type : FIELD_STRING;
    bool all = type == FIELD_LIST || type == FIELD_EVENTS;
    size_t last = type == FIELD_LINES ? value->i : key->count - 1;
    for (size_t v = all ? 0 : last; v <= last; v++) {
        if (all && v > 0)
            buf_putc(b, ' ');
        put_place(b, &key->values[v]);
    }
}

/* --- what has changed it since ---------------------------------------------------------------- */

/* Does what the config, or the default, says by itself come to `text`? */
static bool says_so(const struct settings_value *value, const struct config_key *key)
{
    const struct field *field = value->field;
    const char *own = key ? key->values[key->count - 1].text : field->standard;
    struct job_params alone = {0};
    struct buf b = BUF_INIT;
    size_t bad;
    bool same = true;
    if (field->type != FIELD_LIST && *own && field_set(field, &alone, &own, 1, &bad, NULL) == 0) {
        field_put(field, &alone, 0, &b);
        same = strcmp(b.len > 0 ? b.data : "", value->text) == 0;
    }
    field_clear(field, &alone);
    buf_deinit(&b);
    return same;
}

static const char *changed_by(const struct settings_value *value, const struct config_key *key)
{
    if (strcmp(value->section, "defaults") != 0 || says_so(value, key))
        return "";
    return strcmp(value->key, "allow_downgrade") == 0 ? ", and policy.allow_downgrade"
                                                      : ", lowered to its ceiling";
}

/* ---------------------------------------------------------------------------------------------- */

static void begin_section(struct dump *d, const struct settings_value *value)
{
    d->section = value->section;
    d->name = value->name;
    d->from = strcmp(value->section, "host") == 0
                  ? host_section(d->config, value->name)
                  : config_find(d->config, value->section, value->name);
    if (value->name)
        buf_printf(d->out, "\n[%s \"%s\"]\n", value->section, value->name);
    else
        buf_printf(d->out, "\n[%s]\n", value->section);
}

static void put_value(void *arg, const struct settings_value *value)
{
    struct dump *d = arg;
    if (d->section != value->section || d->name != value->name)
        begin_section(d, value);
    const struct config_key *key = key_of(d, value->key);
    buf_puts(d->out, "# ");
    if (key)
        put_places(d->out, key, value);
    else
        buf_puts(d->out, "default");
    buf_printf(d->out, "%s\n%s =%s%s\n", changed_by(value, key), value->key,
               *value->shown ? " " : "", value->shown);
}

void settings_dump(const struct settings *settings, const struct config *config, struct buf *b)
{
    struct dump d = {.config = config, .out = b};
    buf_puts(b, "# The configuration in effect. Above each value: the file and line that it is "
                "from.\n");
    if (settings_walk(settings, put_value, &d) < 0)
        b->failed = true;
}
