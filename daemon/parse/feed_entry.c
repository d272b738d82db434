#include "parse/feed_entry.h"

#include "base/json_string.h"
#include "parse/feed_date.h"

#include <string.h>

void feed_entry_reset(struct feed_entry *e)
{
    for (size_t i = 0; i < FEED_FIELDS; i++) {
        buf_reset(&e->fields[i]);
        e->types[i][0] = '\0';
        e->weak[i] = false;
    }
    e->weakly = e->base64 = e->link_is_id = false;
}

void feed_entry_deinit(struct feed_entry *e)
{
    for (size_t i = 0; i < FEED_FIELDS; i++)
        buf_deinit(&e->fields[i]);
}

/* --- gathering -------------------------------------------------------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void trim(const char **text, size_t *len)
{
    while (*len > 0 && is_space((*text)[*len - 1]))
        (*len)--;
    while (*len > 0 && is_space(**text)) {
        (*text)++;
        (*len)--;
    }
}

void feed_entry_keep(struct feed_entry *e, enum feed_field field, const char *text, size_t len,
                     const char *type)
{
    struct buf *b = &e->fields[field];
    trim(&text, &len);
    if (len == 0 || (b->len > 0 && e->weakly && !e->weak[field]))
        return;
    if (e->weak[field] && !e->weakly)
        buf_reset(b);
    if (b->len > 0 && field != FEED_AUTHOR)
        return;
    e->weak[field] = e->weakly;
    if (b->len > 0)
        buf_puts(b, ", ");
    buf_put(b, text, len);
    if (type)
        memmove(e->types[field], type, strnlen(type, FEED_TYPE - 1) + 1);
}

void feed_entry_keep_category(struct feed_entry *e, const char *text, size_t len)
{
    struct buf *b = &e->fields[FEED_CATEGORY];
    trim(&text, &len);
    if (len == 0)
        return;
    if (b->len > 0)
        buf_putc(b, ',');
    json_put_string(b, text, len);
}

static void put_value(struct buf *b, const char *name, const char *value)
{
    if (!value || !value[0])
        return;
    buf_printf(b, ",\"%s\":", name);
    json_put_string(b, value, strlen(value));
}

/* The same file stands in a feed as <enclosure> and as <media:content>. */
static bool is_there(const struct buf *list, const char *text, size_t len)
{
    return list->len > 0 && memmem(list->data, list->len, text, len);
}

void feed_entry_keep_file(struct feed_entry *e, enum feed_field field, const struct feed_file *file)
{
    struct buf *b = &e->fields[field], begin = BUF_INIT;
    if (!file->url || !file->url[0])
        return;
    buf_puts(&begin, "{\"url\":");
    json_put_string(&begin, file->url, strlen(file->url));
    if (begin.failed) {
        b->failed = true;
    } else if (!is_there(b, begin.data, begin.len)) {
        if (b->len > 0)
            buf_putc(b, ',');
        buf_put(b, begin.data, begin.len);
        put_value(b, "type", file->type);
        put_value(b, "length", file->length);
        put_value(b, "duration", file->duration);
        buf_putc(b, '}');
    }
    buf_deinit(&begin);
}

size_t feed_entry_size(const struct feed_entry *e, bool *ret_failed)
{
    size_t size = 0;
    *ret_failed = false;
    for (size_t i = 0; i < FEED_FIELDS; i++) {
        size += e->fields[i].len;
        *ret_failed |= e->fields[i].failed;
    }
    return size;
}

/* --- the record ------------------------------------------------------------------------------- */

static const char *comma(const struct buf *b)
{
    return b->len > 0 && b->data[b->len - 1] != '{' ? "," : "";
}

/* By pieces: this is done some ten times an entry. */
static void put_name(struct buf *b, const char *name, const char *end)
{
    buf_puts(b, comma(b));
    buf_putc(b, '"');
    buf_puts(b, name);
    buf_puts(b, end);
}

static void put_member(struct buf *b, const char *name)
{
    put_name(b, name, "\":");
}

static void put_string(struct buf *b, const char *name, const struct buf *text)
{
    if (text->len == 0)
        return;
    put_member(b, name);
    json_put_string(b, text->data, text->len);
}

/* A text, and what it is: what is no markup is to be escaped by who shows it. */
static void put_text(struct buf *b, const struct feed_entry *e, const char *name,
                     enum feed_field field)
{
    const char *type = e->types[field];
    if (e->fields[field].len == 0)
        return;
    put_string(b, name, &e->fields[field]);
    if (!type[0])
        return;
    put_name(b, name, "_type\":");
    json_put_string(b, type, strlen(type));
}

static void put_date(struct buf *b, const struct feed_entry *e, const char *name,
                     enum feed_field field)
{
    const struct buf *text = &e->fields[field];
    char date[FEED_DATE_SIZE];
    if (text->len == 0)
        return;
    bool read = feed_date(text->data, text->len, date);
    put_name(b, name, read ? "\":" : "_text\":");
    if (read) {
        buf_putc(b, '"');
        buf_puts(b, date);
        buf_putc(b, '"');
    } else {
        json_put_string(b, text->data, text->len);
    }
}

static void put_list(struct buf *b, const struct feed_entry *e, const char *name,
                     enum feed_field field)
{
    const struct buf *list = &e->fields[field];
    if (list->len == 0)
        return;
    put_member(b, name);
    buf_putc(b, '[');
    buf_put(b, list->data, list->len);
    buf_putc(b, ']');
}

static void put_about(struct buf *b, const struct feed_about *about)
{
    if (about->title.len == 0 && about->link.len == 0)
        return;
    put_member(b, "feed");
    buf_putc(b, '{');
    put_string(b, "title", &about->title);
    put_string(b, "link", &about->link);
    buf_putc(b, '}');
}

/* `to` is taken from `from`, if it is not there. */
static void fill(struct feed_entry *e, enum feed_field to, enum feed_field from)
{
    if (e->fields[to].len == 0 && e->fields[from].len > 0)
        feed_entry_keep(e, to, e->fields[from].data, e->fields[from].len, e->types[from]);
}

/* An RSS guid is a link unless it says otherwise, and a link is as good as an id. */
static void fill_in(struct feed_entry *e)
{
    if (e->link_is_id)
        fill(e, FEED_LINK, FEED_ID);
    fill(e, FEED_ID, FEED_LINK);
    fill(e, FEED_TITLE, FEED_OTHER_TITLE);
    fill(e, FEED_AUTHOR, FEED_OTHER_AUTHOR);
    fill(e, FEED_SUMMARY, FEED_OTHER_SUMMARY);
}

void feed_entry_put(struct feed_entry *e, const struct feed_about *about, struct buf *b)
{
    static const struct {
        const char *name;
        enum feed_field field;
    } rest[] = {{"duration", FEED_DURATION}, {"image", FEED_IMAGE},
                {"explicit", FEED_EXPLICIT}, {"season", FEED_SEASON},
                {"episode", FEED_EPISODE},   {"episode_type", FEED_EPISODE_TYPE}};
    bool failed;
    fill_in(e);
    buf_reset(b);
    buf_putc(b, '{');
    put_text(b, e, "id", FEED_ID);
    put_text(b, e, "title", FEED_TITLE);
    put_text(b, e, "link", FEED_LINK);
    put_date(b, e, "published", FEED_PUBLISHED);
    put_date(b, e, "updated", FEED_UPDATED);
    put_text(b, e, "author", FEED_AUTHOR);
    put_text(b, e, "summary", FEED_SUMMARY);
    put_text(b, e, "content", FEED_CONTENT);
    if (e->base64 && e->fields[FEED_CONTENT].len > 0)
        buf_puts(b, ",\"content_encoding\":\"base64\"");
    if (e->fields[FEED_CONTENT].len == 0 && e->types[FEED_CONTENT_SRC][0]) {
        put_member(b, "content_type");
        json_put_string(b, e->types[FEED_CONTENT_SRC], strlen(e->types[FEED_CONTENT_SRC]));
    }
    put_string(b, "content_src", &e->fields[FEED_CONTENT_SRC]);
    put_list(b, e, "categories", FEED_CATEGORY);
    put_list(b, e, "enclosures", FEED_ENCLOSURE);
    for (size_t i = 0; i < sizeof rest / sizeof rest[0]; i++)
        put_string(b, rest[i].name, &e->fields[rest[i].field]);
    put_list(b, e, "transcripts", FEED_TRANSCRIPT);
    put_list(b, e, "chapters", FEED_CHAPTERS);
    put_about(b, about);
    buf_putc(b, '}');
    /* A field that could not be kept, or filled in above, is none that the feed does not have. */
    feed_entry_size(e, &failed);
    b->failed |= failed || about->title.failed || about->link.failed;
}
