#include "base/config_tree.h"

#include "base/config_build.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEY_CHARS "abcdefghijklmnopqrstuvwxyz0123456789_.-"

int config_check_key(const char *key, struct error *err)
{
    if (key[0] >= 'a' && key[0] <= 'z' && key[strspn(key, KEY_CHARS)] == '\0')
        return 0;
    return error_set(err, -EINVAL,
                     "'%.60s' is no key; keys are lower case: a letter, then a-z 0-9 _ . -", key);
}

/* The quoted part of a header: `"NAME"` at p, up to `end`. */
static int split_name(const char *p, const char *end, char **ret_name, struct error *err)
{
    if (end - p < 3 || *p != '"' || end[-1] != '"')
        return error_set(err, -EINVAL, "a section is [KIND] or [KIND \"NAME\"], NAME in quotes");
    for (const char *c = p + 1; c < end - 1; c++)
        if (*c == '"' || *c == '!' || (unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
            return error_set(err, -EINVAL, "a section's name is printable ASCII without \" and !");
    *ret_name = strndup(p + 1, (size_t)(end - p) - 2);
    return *ret_name ? 0 : error_set(err, -ENOMEM, "out of memory");
}

int config_split_header(const char *text, char **ret_kind, char **ret_name, struct error *err)
{
    const char *end = text + strlen(text);
    size_t kind_len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    char *name = NULL;

    while (end > text && isspace((unsigned char)end[-1]))
        end--;
    const char *p = text + kind_len + strspn(text + kind_len, " \t");
    if (kind_len == 0)
        return error_set(err, -EINVAL, "'%.60s' is no section; kinds are lower case: [KIND]", text);
    if (p < end) {
        int r = split_name(p, end, &name, err);
        if (r < 0)
            return r;
    }
    char *kind = strndup(text, kind_len);
    if (!kind) {
        free(name);
        return error_set(err, -ENOMEM, "out of memory");
    }
    *ret_kind = kind;
    *ret_name = name;
    return 0;
}

/* Makes room for one more item in an array (whose pointer is at `array`) that grows at powers of
 * two. 0 or -ENOMEM. */
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
    if (config->count == CONFIG_SECTIONS_MAX) {
        errno = E2BIG;
        return NULL;
    }
    struct config_section section = {
        .kind = strdup(kind),
        .name = name ? strdup(name) : NULL,
        .file = strdup(file),
        .line = line,
    };
    if (!section.kind || (name && !section.name) || !section.file ||
        grow(&config->sections, config->count, sizeof section) < 0) {
        free_section(&section);
        errno = ENOMEM;
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
    if (section->count == CONFIG_KEYS_MAX) {
        errno = E2BIG;
        return NULL;
    }
    struct config_key key = {.name = strdup(name)};
    if (!key.name || grow(&section->keys, section->count, sizeof key) < 0) {
        free(key.name);
        errno = ENOMEM;
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
        return -errno;
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
