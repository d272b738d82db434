#include "parse/columns.h"

#include "base/buf.h"
#include "base/json_string.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A key is JSON: it has no NUL inside. */
static struct column *find(const struct columns *columns, const char *key)
{
    return tree_entry(tree_find_name(&columns->by_key, key), struct column, entry.node);
}

/* `,"name":`, or with n > 1 `,"name_n":`. */
static int put_key(struct buf *b, const char *name, size_t len, unsigned n)
{
    struct buf text = BUF_INIT;
    buf_put(&text, name, len);
    if (n > 1)
        buf_printf(&text, "_%u", n);
    buf_reset(b);
    buf_putc(b, ',');
    if (!text.failed)
        json_put_string(b, text.data, text.len);
    buf_putc(b, ':');
    int r = text.failed || b->failed ? -ENOMEM : 0;
    buf_deinit(&text);
    return r;
}

/* The first numbers were taken before: each name remembers how far, or ten thousand columns of one
 * name would try fifty million. */
static int unique_key(const struct columns *columns, struct buf *b, const char *name, size_t len)
{
    int r = put_key(b, name, len, 1);
    struct column *first = r == 0 ? find(columns, b->data) : NULL;
    while (r == 0 && first) {
        r = put_key(b, name, len, first->next++);
        if (r == 0 && !find(columns, b->data))
            break;
    }
    return r;
}

static int reserve(struct columns *columns)
{
    if (columns->count < columns->size)
        return 0;
    size_t size = columns->size ? columns->size * 2 : 16;
    struct column **items = reallocarray(columns->items, size, sizeof *items);
    if (!items)
        return -ENOMEM;
    columns->items = items;
    columns->size = size;
    return 0;
}

static void column_free(struct column *column)
{
    free(column->key);
    free(column);
}

static int insert(struct columns *columns, struct buf *key)
{
    struct column *column = malloc(sizeof *column);
    if (!column)
        return -ENOMEM;
    *column = (struct column){.len = key->len, .next = 2};
    column->key = buf_steal(key);
    if (!column->key) {
        column_free(column);
        return -ENOMEM;
    }
    column->entry.name = column->key;
    tree_insert(&columns->by_key, &column->entry.node);
    columns->items[columns->count++] = column;
    return 0;
}

int columns_add(struct columns *columns, const char *name, size_t len)
{
    struct buf key = BUF_INIT;
    int r = reserve(columns);
    if (columns->count == 0)
        tree_init(&columns->by_key, tree_by_name);
    if (r == 0)
        r = unique_key(columns, &key, name, len);
    if (r == 0)
        r = insert(columns, &key);
    buf_deinit(&key);
    return r;
}

void columns_deinit(struct columns *columns)
{
    for (size_t i = 0; i < columns->count; i++)
        column_free(columns->items[i]);
    free(columns->items);
    *columns = (struct columns){0};
}
