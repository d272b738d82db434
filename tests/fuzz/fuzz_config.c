/* The config reader and the settings: any text is read or refused with a sentence that names its
 * place. */
#include "base/config.h"
#include "base/config_ini.h"
#include "base/config_tree.h"
#include "base/utf8.h"
#include "terms/settings.h"
#include "terms/settings_load.h"
#include "terms/settings_table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

/* A sentence is one line of UTF-8. */
static void require_sentence(const struct error *err, const char *begin)
{
    size_t len = strlen(err->text);
    require(len > 0 && utf8_valid(err->text, len) == len && !strpbrk(err->text, "\r\n"));
    require(strncmp(err->text, begin, strlen(begin)) == 0);
}

/* What is wrong on a line is told with its place; what several sections do not agree on, with a
 * section or key. */
static void require_place(const struct error *err)
{
    static const char *const begins[] = {"f:", "[", "control.", "fetch."};
    size_t i = 0;
    while (i < sizeof begins / sizeof begins[0] &&
           strncmp(err->text, begins[i], strlen(begins[i])) != 0)
        i++;
    require(i < sizeof begins / sizeof begins[0]);
    require_sentence(err, begins[i]);
}

static void check_tree(const struct config *config)
{
    for (size_t s = 0; s < config->count; s++) {
        const struct config_section *section = &config->sections[s];
        require(config_find(config, section->kind, section->name) == section);
        for (size_t k = 0; k < section->count; k++) {
            const struct config_key *key = &section->keys[k];
            require(config_key(section, key->name) == key);
            for (size_t v = 0; v < key->count; v++)
                require(*key->values[v].text && key->values[v].line > section->line - 1);
        }
    }
}

/* The first line as the argument of --set. */
static void try_set(const char *text, size_t len)
{
    struct config config = {0};
    struct error err = {""};
    char *line = strndup(text, strcspn(text, "\n") < len ? strcspn(text, "\n") : len);
    require(line != NULL);
    if (config_set(&config, line, &err) < 0)
        require_sentence(&err, "--set ");
    free(line);
    config_deinit(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config = {0};
    struct settings *settings = NULL;
    struct error err = {""};
    struct settings_row row;

    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    setenv("HOME", "/home/u", 1);
    char *text = malloc(size + 1);
    require(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    if (config_parse(&config, text, size, "f", &err) < 0) {
        require_sentence(&err, "f:");
    } else {
        check_tree(&config);
        if (settings_load(&config, &settings, &err) < 0)
            require_place(&err);
        else
            require(settings->sink_count > 0 && settings->socket && settings_row(0, &row));
    }
    try_set(text, size);
    settings_free(settings);
    config_deinit(&config);
    free(text);
    return 0;
}
