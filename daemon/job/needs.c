#include "job/needs.h"

#include "base/json_read.h"
#include "job/job.h"
#include "parse/registry.h"
#include "terms/settings.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 256

char *needs_of(const struct store_job *row)
{
    struct buf b = BUF_INIT;
    json_error_t why;
    json_t *spec = json_read_text(row->spec, JSON_ALLOW_NUL, &why);
    if (!spec && json_error_code(&why) == json_error_out_of_memory)
        return NULL;
    const char *credential = json_string_value(json_object_get(spec, "credential"));
    json_int_t level = json_integer_value(json_object_get(spec, "level"));
    buf_printf(&b, "parser %s", row->parser);
    if (credential)
        buf_printf(&b, "\ncredential %s", credential);
    if (level > 1)
        buf_printf(&b, "\nlevel %lld", (long long)level);
    json_decref(spec);
    return buf_steal(&b);
}

/* The name in a line of this kind; NULL: it is of another. */
static const char *name_in(const char *line, size_t len, const char *kind, char ret[NAME_MAX_BYTES])
{
    size_t skip = strlen(kind);
    if (len <= skip || len - skip >= NAME_MAX_BYTES || memcmp(line, kind, skip) != 0)
        return NULL;
    memcpy(ret, line + skip, len - skip);
    ret[len - skip] = '\0';
    return ret;
}

static bool line_met(const struct jobs *jobs, const char *line, size_t len)
{
    char name[NAME_MAX_BYTES];
    if (name_in(line, len, "parser ", name))
        return registry_find(jobs->registry, name);
    if (name_in(line, len, "credential ", name))
        return settings_credential_find(jobs->settings, name);
    return name_in(line, len, "level ", name) && atoll(name) <= NEEDS_LEVEL;
}

bool needs_met(const struct jobs *jobs, const char *needs)
{
    for (const char *line = needs;; line = strchr(line, '\n') + 1) {
        size_t len = strcspn(line, "\n");
        if (!line_met(jobs, line, len))
            return false;
        if (!line[len])
            return true;
    }
}

void needs_put(struct buf *b, const char *needs)
{
    for (const char *end; (end = strchr(needs, '\n')); needs = end + 1) {
        buf_put(b, needs, (size_t)(end - needs));
        buf_puts(b, " and ");
    }
    buf_puts(b, needs);
}
