#include "base/config_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for one more item in an array (whose pointer is at `array`) that grows at powers of two. 0 or
 * -ENOMEM. */
static int grow(void *array, size_t count, size_t item)
{
    void *items;
    if ((count & (count - 1)) != 0)
        return 0;
    memcpy(&items, array, sizeof items);
    items = reallocarray(items, count ? 2 * count : 1, item);
    if (!items)
        return -ENOMEM;
    memcpy(array, &items, sizeof items);
    return 0;
}

static bool same_name(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static size_t find_section(const struct config *config, const char *kind, const char *name)
{
    size_t i = 0;
    while (i < config->count && !(strcmp(config->sections[i].kind, kind) == 0 &&
                                  same_name(config->sections[i].name, name)))
        i++;
    return i;
}

static size_t find_key(const struct config_section *section, const char *name)
{
    size_t i = 0;
    while (i < section->count && strcmp(section->keys[i].name, name) != 0)
        i++;
    return i;
}

const struct config_section *config_find(const struct config *config, const char *kind,
                                         const char *name)
{
    size_t i = find_section(config, kind, name);
    return i < config->count ? &config->sections[i] : NULL;
}

const struct config_key *config_key(const struct config_section *section, const char *name)
{
    size_t i = find_key(section, name);
    return i < section->count ? &section->keys[i] : NULL;
}

static void free_values(struct config_key *key)
{
    for (size_t i = 0; i < key->count; i++) {
        free(key->values[i].text);
        free(key->values[i].file);
    }
    free(key->values);
    key->values = NULL;
    key->count = 0;
}

static void free_section(struct config_section *section)
{
    for (size_t i = 0; i < section->count; i++) {
        free_values(&section->keys[i]);
        free(section->keys[i].name);
    }
    free(section->keys);
    free(section->kind);
    free(section->name);
    free(section->file);
}

void config_deinit(struct config *config)
{
    for (size_t i = 0; i < config->count; i++)
        free_section(&config->sections[i]);
    free(config->sections);
    *config = (struct config){0};
}

struct config_section *config_open(struct config *config, const char *kind, const char *name,
                                   const char *file, unsigned line)
{
    size_t i = find_section(config, kind, name);
    if (i < config->count)
        return &config->sections[i];
    struct config_section section = {
        .kind = strdup(kind),
        .name = name ? strdup(name) : NULL,
        .file = strdup(file),
        .line = line,
    };
    if (!section.kind || (name && !section.name) || !section.file ||
        grow(&config->sections, config->count, sizeof section) < 0) {
        free_section(&section);
        return NULL;
    }
    config->sections[config->count] = section;
    return &config->sections[config->count++];
}

static struct config_key *open_key(struct config_section *section, const char *name)
{
    size_t i = find_key(section, name);
    if (i < section->count)
        return &section->keys[i];
    struct config_key key = {.name = strdup(name)};
    if (!key.name || grow(&section->keys, section->count, sizeof key) < 0) {
        free(key.name);
        return NULL;
    }
    section->keys[section->count] = key;
    return &section->keys[section->count++];
}

int config_add(struct config_section *section, const char *key, const char *value, const char *file,
               unsigned line)
{
    struct config_key *k = open_key(section, key);
    if (!k)
        return -ENOMEM;
    if (!*value) {
        free_values(k);
        return 0;
    }
    struct config_value v = {.text = strdup(value), .file = strdup(file), .line = line};
    if (!v.text || !v.file || grow(&k->values, k->count, sizeof v) < 0) {
        free(v.text);
        free(v.file);
        return -ENOMEM;
    }
    k->values[k->count++] = v;
    return 0;
}
