#include "ctl/view.h"
#include "base/json_read.h"
#include "ctl/table.h"
#include "ctl/text.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 8

void view_put_scalar(struct buf *b, const json_t *value)
{
    if (json_is_string(value)) {
        buf_put(b, json_string_value(value), json_string_length(value));
        return;
    }
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
    if (text)
        buf_puts(b, text);
    else
        b->failed = true;
    free(text);
}

static void put_cell(struct table *t, const json_t *value)
{
    struct buf cell = BUF_INIT;
    if (value)
        view_put_scalar(&cell, value);
    t->cells.failed |= cell.failed;
    table_cell(t, cell.data ? cell.data : "");
    buf_deinit(&cell);
}

static void put_pairs(struct table *t, const json_t *object, const char *prefix, int depth)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        struct buf name = BUF_INIT;
        buf_printf(&name, "%s%s%s", prefix, *prefix ? "." : "", key);
        if (!name.failed && json_object_size(value) > 0 && depth < MAX_DEPTH) {
            put_pairs(t, value, name.data, depth + 1);
        } else if (!name.failed && !json_is_null(value)) {
            table_cell(t, name.data);
            put_cell(t, value);
        }
        t->cells.failed |= name.failed;
        buf_deinit(&name);
    }
}

static bool is_list_of_objects(const json_t *value)
{
    return json_is_object(json_array_get(value, 0));
}

/* Columns by the first object's members. */
static void put_list(struct buf *b, const json_t *list)
{
    struct table t;
    const char *key;
    json_t *value, *row, *first = json_array_get(list, 0);
    size_t i, columns = json_object_size(first);
    if (columns == 0)
        return;
    table_init(&t, columns);
    size_t used = 0;
    json_object_foreach(first, key, value) if (used++ < t.columns) table_cell(&t, key);
    json_array_foreach(list, i, row)
    {
        used = 0;
        json_object_foreach(first, key, value) if (used++ < t.columns)
            put_cell(&t, json_object_get(row, key));
    }
    table_print(&t, 0, b);
    table_deinit(&t);
}

void view_put(struct buf *b, const json_t *value)
{
    struct table t;
    const char *key;
    json_t *member;
    if (!json_is_object(value)) {
        struct buf text = BUF_INIT;
        view_put_scalar(&text, value);
        if (text.data)
            text_put_safe(b, text.data, text.len);
        buf_putc(b, '\n');
        buf_deinit(&text);
        return;
    }
    table_init(&t, 2);
    json_t *plain = json_copied(value);
    json_object_foreach((json_t *)value, key, member) if (is_list_of_objects(member))
        json_object_del(plain, key);
    put_pairs(&t, plain, "", 0);
    json_decref(plain);
    table_print(&t, 0, b);
    table_deinit(&t);
    json_object_foreach((json_t *)value, key, member)
    {
        if (!is_list_of_objects(member))
            continue;
        buf_putc(b, '\n');
        text_put_safe(b, key, strlen(key));
        buf_puts(b, ":\n");
        put_list(b, member);
    }
}
