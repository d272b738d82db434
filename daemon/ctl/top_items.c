#include "ctl/top_items.h"

#include "base/buf.h"
#include "base/readable.h"

#include <string.h>

const char *top_tab_name(enum top_tab tab)
{
    static const char *const names[TOP_TAB_COUNT_] = {"running", "hosts", "failed lately",
                                                      "schedules", "fleet"};
    return names[tab];
}

bool top_tab_shown(const struct top_model *m, enum top_tab tab)
{
    return tab != TOP_FLEET || json_object_get(m->answer, "fleet");
}

static const char *text(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    return s ? s : "";
}

static uint64_t id_of(const json_t *object, const char *name)
{
    json_int_t id = json_integer_value(json_object_get(object, name));
    return id > 0 ? (uint64_t)id : 0;
}

/* As it stands, or as it is shown. */
static bool url_has(const char *url, const char *part)
{
    struct buf b = BUF_INIT;
    readable_put_url(&b, url);
    buf_putc(&b, '\0');
    bool found = strstr(url, part) || (!b.failed && strstr(b.data, part));
    buf_deinit(&b);
    return found;
}

static bool fits(const struct top_item *item, const char *filter)
{
    const char *error =
        text(json_object_get(json_object_get(item->json, "verdict"), "error"), "kind");
    return url_has(item->name, filter) || strstr(item->host, filter) || strstr(error, filter) ||
           url_has(text(item->json, "url"), filter) ||
           (item->row &&
            (strstr(item->row->parser, filter) || strstr(item->row->waiting_for, filter)));
}

static struct top_item item_of(enum top_tab tab, const json_t *json)
{
    if (tab == TOP_HOSTS)
        return (struct top_item){
            .host = text(json, "name"), .name = text(json, "name"), .json = json};
    if (tab == TOP_FAILED)
        return (struct top_item){.id = id_of(json, "id"),
                                 .host = text(json, "host"),
                                 .name = text(json, "url"),
                                 .json = json};
    if (tab == TOP_FLEET)
        return (struct top_item){.host = "", .name = text(json, "name"), .json = json};
    return (struct top_item){
        .id = id_of(json, "last_job"), .host = "", .name = text(json, "name"), .json = json};
}

static json_t *list_of(const struct top_model *m, enum top_tab tab)
{
    if (tab == TOP_HOSTS)
        return json_object_get(m->answer, "hosts");
    if (tab == TOP_FLEET)
        return json_object_get(json_object_get(m->answer, "fleet"), "members");
    return tab == TOP_FAILED ? m->failed : m->schedules;
}

size_t top_items(const struct top_model *m, enum top_tab tab, const char *filter,
                 struct top_item *items)
{
    size_t count = 0, i;
    json_t *json, *list = list_of(m, tab);
    for (i = 0; tab == TOP_RUNNING && i < m->row_count && count < TOP_ITEMS; i++) {
        const struct top_row *row = &m->rows[i];
        items[count] =
            (struct top_item){.id = row->id, .host = row->host, .name = row->url, .row = row};
        count += fits(&items[count], filter);
    }
    if (tab == TOP_RUNNING)
        return count;
    json_array_foreach(list, i, json)
    {
        if (count == TOP_ITEMS)
            break;
        items[count] = item_of(tab, json);
        count += fits(&items[count], filter);
    }
    return count;
}
