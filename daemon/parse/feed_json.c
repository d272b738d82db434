#include "parse/feed_json.h"

#include "base/error.h"
#include "base/json_read.h"
#include "parse/feed_entry.h"
#include "parse/json_scan.h"
#include "parse/task.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAME 4096

/* What is being cut out of the text. */
enum cut { CUT_NOTHING, CUT_NAME, CUT_MEMBER, CUT_ITEM };

struct feed_json {
    struct penstock_run *run;
    size_t max_record;
    struct json_scan scan;
    enum cut cut;
    uint64_t line, cut_line; /* of what is read, and of the value that is cut out */
    struct buf part;         /* its text, as far as it came in earlier pieces */
    struct buf quoted;       /* an item's, with quotes around its large numbers */
    struct buf name;         /* of the member at hand, with its quotes */
    bool in_items, items, version;
    struct feed_entry entry;
    struct feed_about about;
    struct buf record;
};

struct feed_json *feed_json_new(struct penstock_run *run, size_t max_record, size_t max_depth)
{
    struct feed_json *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->run = run;
    j->max_record = max_record;
    j->line = 1;
    json_scan_init(&j->scan, (unsigned)max_depth, 1);
    return j;
}

void feed_json_free(struct feed_json *j)
{
    if (!j)
        return;
    feed_entry_deinit(&j->entry);
    buf_deinit(&j->about.title);
    buf_deinit(&j->about.link);
    buf_deinit(&j->part);
    buf_deinit(&j->quoted);
    buf_deinit(&j->name);
    buf_deinit(&j->record);
    free(j);
}

static int fail(struct feed_json *j, enum error_kind kind, uint64_t line, const char *why)
{
    parse_task_fail(j->run, kind, line, PENSTOCK_NO_OFFSET, why);
    return -EINVAL;
}

static int fail_memory(struct feed_json *j)
{
    return fail(j, KIND_RESOURCES, 0, "out of memory");
}

static int fail_unread(struct feed_json *j, const json_error_t *why)
{
    if (json_error_code(why) == json_error_out_of_memory)
        return fail_memory(j);
    return fail(j, KIND_PARSER_FAILED, j->cut_line, why->text);
}

/* --- an item ---------------------------------------------------------------------------------- */

/* A string's text, or a number's; NULL for anything else. */
static const char *text_of(const json_t *value, char *to, size_t size, size_t *ret_len)
{
    if (json_is_string(value)) {
        *ret_len = json_string_length(value);
        return json_string_value(value);
    }
    if (json_is_integer(value))
        *ret_len = (size_t)snprintf(to, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        *ret_len = (size_t)snprintf(to, size, "%.17g", json_real_value(value));
    else
        return NULL;
    return to;
}

static void keep(struct feed_json *j, enum feed_field field, const json_t *value, const char *type)
{
    char number[64];
    size_t len;
    const char *text = text_of(value, number, sizeof number, &len);
    if (text)
        feed_entry_keep(&j->entry, field, text, len, type);
}

static void keep_authors(struct feed_json *j, const json_t *item)
{
    const json_t *authors = json_object_get(item, "authors"), *author;
    size_t i;
    json_array_foreach(authors, i, author)
        keep(j, FEED_AUTHOR, json_object_get(author, "name"), NULL);
    if (json_array_size(authors) == 0)
        keep(j, FEED_AUTHOR, json_object_get(json_object_get(item, "author"), "name"), NULL);
}

static void keep_attachments(struct feed_json *j, const json_t *item)
{
    const json_t *file;
    size_t i, len;
    json_array_foreach(json_object_get(item, "attachments"), i, file)
    {
        char length[64], duration[64];
        const char *size =
            text_of(json_object_get(file, "size_in_bytes"), length, sizeof length, &len);
        const char *time =
            text_of(json_object_get(file, "duration_in_seconds"), duration, sizeof duration, &len);
        struct feed_file f = {json_string_value(json_object_get(file, "url")),
                              json_string_value(json_object_get(file, "mime_type")), size, time};
        feed_entry_keep_file(&j->entry, FEED_ENCLOSURE, &f);
    }
}

static void keep_tags(struct feed_json *j, const json_t *item)
{
    const json_t *tag;
    size_t i;
    json_array_foreach(json_object_get(item, "tags"), i, tag)
    {
        if (json_is_string(tag))
            feed_entry_keep_category(&j->entry, json_string_value(tag), json_string_length(tag));
    }
}

static size_t number_len(const char *text, size_t len)
{
    size_t n = 0;
    if (text[0] == '-' || (text[0] >= '0' && text[0] <= '9'))
        while (n < len && memchr("0123456789.eE+-", text[n], 15))
            n++;
    return n;
}

static bool loses_digits(const char *number, size_t len)
{
    return len > 18 || memchr(number, '.', len) || memchr(number, 'e', len) ||
           memchr(number, 'E', len);
}

/* The text, with quotes around numbers that would lose digits in a machine's: ids are made of such.
 * The scan has looked at it, so that these are numbers. */
static void quote_numbers(const char *text, size_t len, struct buf *to)
{
    bool string = false;
    size_t from = 0;
    for (size_t i = 0, n; i < len; i += n) {
        n = string ? 0 : number_len(text + i, len - i);
        if (n > 0 && loses_digits(text + i, n)) {
            buf_put(to, text + from, i - from);
            buf_printf(to, "\"%.*s\"", (int)n, text + i);
            from = i + n;
        } else if (n == 0) {
            string ^= text[i] == '"';
            n = string && text[i] == '\\' && i + 1 < len ? 2 : 1;
        }
    }
    buf_put(to, text + from, len - from);
}

static int take_item(struct feed_json *j, const char *text, size_t len)
{
    static const struct {
        const char *name;
        enum feed_field field;
        const char *type;
    } members[] = {{"id", FEED_ID, NULL},
                   {"title", FEED_TITLE, "text"},
                   {"url", FEED_LINK, NULL},
                   {"external_url", FEED_LINK, NULL},
                   {"date_published", FEED_PUBLISHED, NULL},
                   {"date_modified", FEED_UPDATED, NULL},
                   {"summary", FEED_SUMMARY, "text"},
                   {"content_html", FEED_CONTENT, "html"},
                   {"content_text", FEED_CONTENT, "text"},
                   {"image", FEED_IMAGE, NULL},
                   {"banner_image", FEED_IMAGE, NULL}};
    json_error_t why;
    bool failed;
    buf_reset(&j->quoted);
    quote_numbers(text, len, &j->quoted);
    if (j->quoted.failed)
        return fail_memory(j);
    json_t *item = json_read(j->quoted.data, j->quoted.len, JSON_ALLOW_NUL, &why);
    if (!item)
        return fail_unread(j, &why);
    feed_entry_reset(&j->entry);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        keep(j, members[i].field, json_object_get(item, members[i].name), members[i].type);
    keep_authors(j, item);
    keep_tags(j, item);
    keep_attachments(j, item);
    json_decref(item);
    feed_entry_size(&j->entry, &failed);
    feed_entry_put(&j->entry, &j->about, &j->record);
    if (failed || j->record.failed)
        return fail_memory(j);
    return parse_task_emit(j->run, j->record.data, j->record.len);
}

/* --- the feed's own members ------------------------------------------------------------------- */

static bool is_name(const struct feed_json *j, const char *name)
{
    size_t len = strlen(name);
    return j->name.len == len + 2 && memcmp(j->name.data + 1, name, len) == 0;
}

static bool is_own(const struct feed_json *j)
{
    return is_name(j, "title") || is_name(j, "home_page_url") || is_name(j, "version");
}

static int take_member(struct feed_json *j, const char *text, size_t len)
{
    json_error_t why;
    json_t *value = json_read(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    if (!value)
        return fail_unread(j, &why);
    const char *string = json_string_value(value);
    if (string && is_name(j, "version"))
        j->version = strstr(string, "jsonfeed.org") != NULL;
    else if (string && is_name(j, "title"))
        buf_put(&j->about.title, string, strlen(string));
    else if (string)
        buf_put(&j->about.link, string, strlen(string));
    json_decref(value);
    return j->about.title.failed || j->about.link.failed ? fail_memory(j) : 0;
}

/* --- the way through the text ----------------------------------------------------------------- */

static void begin_cut(struct feed_json *j, enum cut cut, char first)
{
    j->cut = cut;
    j->cut_line = j->line;
    buf_reset(&j->part);
    buf_putc(&j->part, first);
}

static int end_cut(struct feed_json *j)
{
    enum cut cut = j->cut;
    j->cut = CUT_NOTHING;
    if (j->part.failed)
        return fail_memory(j);
    if (cut == CUT_ITEM)
        return take_item(j, j->part.data, j->part.len);
    if (cut == CUT_MEMBER)
        return take_member(j, j->part.data, j->part.len);
    buf_reset(&j->name);
    return buf_put(&j->name, j->part.data, j->part.len) < 0 ? fail_memory(j) : 0;
}

static int begin_value(struct feed_json *j, char first)
{
    unsigned depth = j->scan.depth - (first == '{' || first == '[');
    if (depth == 0)
        return j->scan.values > 0 ? fail(j, KIND_PARSER_FAILED, j->line, "more than one JSON value")
                                  : 0;
    if (depth == 2) {
        if (first != '{')
            return fail(j, KIND_PARSER_FAILED, j->line, "an item of the feed is no object");
        begin_cut(j, CUT_ITEM, first);
    } else if (is_name(j, "items")) {
        if (first != '[' || j->items)
            return fail(j, KIND_PARSER_FAILED, j->line,
                        "the feed's items are no array, or come twice");
        j->items = j->in_items = true;
        j->scan.watch = 2;
    } else if (is_own(j)) {
        begin_cut(j, CUT_MEMBER, first);
    }
    return 0;
}

static int end_value(struct feed_json *j)
{
    if (j->cut == CUT_ITEM || j->cut == CUT_MEMBER)
        return end_cut(j);
    if (j->in_items && j->scan.depth == 1) {
        j->in_items = false;
        j->scan.watch = 1;
    }
    return 0;
}

static int take_event(struct feed_json *j, enum json_event event, char last)
{
    struct error why;
    switch (event) {
    case JSON_BEGIN:
        return begin_value(j, last);
    case JSON_END:
        return end_value(j);
    case JSON_NAME:
        begin_cut(j, CUT_NAME, last);
        return 0;
    case JSON_NAME_END:
        return end_cut(j);
    case JSON_BAD:
        return fail(j, KIND_PARSER_FAILED, j->line, j->scan.reason);
    case JSON_TOO_DEEP:
        error_set(&why, 0, "nested deeper than %u levels (option max_depth)", j->scan.max_depth);
        return fail(j, KIND_LIMIT_EXCEEDED, j->line, why.text);
    default:
        return 0;
    }
}

static int check_size(struct feed_json *j)
{
    struct error why;
    size_t most = j->cut == CUT_NAME ? MAX_NAME : j->max_record;
    if (j->cut == CUT_NOTHING || j->part.len <= most)
        return 0;
    error_set(&why, 0, "the %s has more than %zu bytes (option max_record)",
              j->cut == CUT_ITEM ? "entry" : "member", most);
    return fail(j, KIND_LIMIT_EXCEEDED, j->cut_line, why.text);
}

int feed_json_take(struct feed_json *j, const char *data, size_t len)
{
    size_t used;
    int r = 0;
    while (r == 0 && len > 0) {
        bool cutting = j->cut != CUT_NOTHING;
        enum json_event event = json_scan(&j->scan, data, len, &used);
        for (size_t i = 0; i < used; i++)
            j->line += data[i] == '\n';
        if (cutting && buf_put(&j->part, data, used) < 0)
            return fail_memory(j);
        r = check_size(j);
        if (r == 0)
            r = take_event(j, event, used > 0 ? data[used - 1] : '\0');
        data += used;
        len -= used;
    }
    return r;
}

int feed_json_end(struct feed_json *j)
{
    enum json_event event = json_scan_end(&j->scan);
    int r = take_event(j, event, '\0');
    if (r < 0)
        return r;
    if (!j->items || !j->version)
        return fail(j, KIND_PARSER_FAILED, 0,
                    "this is no JSON Feed: it has no items, or no version of jsonfeed.org");
    return 0;
}
