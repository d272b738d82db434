/* Both are told value by value into objects by path (a hash table), so that thousands of sections
 * take no time. */
#include "terms/settings_diff.h"

#include "base/buf.h"
#include "terms/settings_walk.h"

#include <string.h>

struct values {
    json_t *texts, *shown; /* path -> string */
    bool failed;
};

/* A key that is repeated is one value here: its lines, in order. */
static int add_text(json_t *object, const char *path, const char *text)
{
    const char *before = json_string_value(json_object_get(object, path));
    if (!before)
        return json_object_set_new(object, path, json_string(text));
    return json_object_set_new(object, path, json_sprintf("%s | %s", before, text));
}

static void on_value(void *arg, const struct settings_value *value)
{
    struct values *v = arg;
    struct buf path = BUF_INIT;
    if (value->name)
        buf_printf(&path, "%s \"%s\".%s", value->section, value->name, value->key);
    else
        buf_printf(&path, "%s.%s", value->section, value->key);
    if (path.failed || add_text(v->texts, path.data, value->text) < 0 ||
        add_text(v->shown, path.data, value->shown) < 0)
        v->failed = true;
    buf_deinit(&path);
}

static void values_read(struct values *v, const struct settings *settings)
{
    *v = (struct values){.texts = json_object(), .shown = json_object()};
    if (!v->texts || !v->shown || settings_walk(settings, on_value, v) < 0)
        v->failed = true;
}

static void values_free(struct values *v)
{
    json_decref(v->texts);
    json_decref(v->shown);
}

/* Appends one, unless there are enough. */
static void put(json_t *changes, const char *path, const struct values *from,
                const struct values *to, size_t max, size_t *more)
{
    if (json_array_size(changes) >= max) {
        ++*more;
        return;
    }
    json_t *change = json_pack("{s:s}", "key", path);
    json_t *before = json_object_get(from->shown, path), *after = json_object_get(to->shown, path);
    if (before)
        json_object_set(change, "from", before);
    if (after)
        json_object_set(change, "to", after);
    json_array_append_new(changes, change);
}

json_t *settings_diff(const struct settings *from, const struct settings *to, size_t max,
                      size_t *ret_more)
{
    struct values a, b;
    const char *path;
    json_t *text, *changes = json_array();
    size_t more = 0;
    values_read(&a, from);
    values_read(&b, to);
    json_object_foreach(b.texts, path, text)
    {
        if (!json_equal(text, json_object_get(a.texts, path)))
            put(changes, path, &a, &b, max, &more);
    }
    json_object_foreach(a.texts, path, text)
    {
        if (!json_object_get(b.texts, path))
            put(changes, path, &a, &b, max, &more);
    }
    if (a.failed || b.failed) {
        json_decref(changes);
        changes = NULL;
    }
    values_free(&a);
    values_free(&b);
    *ret_more = more;
    return changes;
}
