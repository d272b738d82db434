/* From the top: figures and graphs, what is wrong, hosts, jobs, keys. A terminal that is low loses
 * graphs and hosts first; one that is narrow, columns from the least telling on, and what is left
 * of a line is cut. */
#include "ctl/top_layout.h"
#include "ctl/text.h"
#include "ctl/top_rows.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void top_page_deinit(struct top_page *page)
{
    buf_deinit(&page->text);
    page->count = 0;
}

/* --- figures ---------------------------------------------------------------------------------- */

static void add_title(struct lay *l)
{
    struct buf up = BUF_INIT;
    const json_t *answer = l->m->answer, *uptime = json_object_get(answer, "uptime");
    text_put_seconds(&up, json_is_number(uptime) ? json_number_value(uptime) : 0);
    lay_add_text(l, TOP_TITLE, "penstockd %s, up %s%s, at %s", lay_text(answer, "version"),
                 up.data ? up.data : "", l->look->frozen ? "  [frozen]" : "",
                 l->look->path ? l->look->path : "?");
    buf_deinit(&up);
}

static void add_states(struct lay *l)
{
    const json_t *jobs = json_object_get(l->m->answer, "jobs");
    const json_t *totals = json_object_get(l->m->answer, "totals");
    bool wide = !l->look->lines || l->look->columns >= 100;
    lay_add_text(l, TOP_TEXT,
                 wide ? "jobs     %" PRIi64 " running  %" PRIi64 " queued  %" PRIi64
                        " waiting   since its start: %" PRIi64 " done  %" PRIi64 " failed  %" PRIi64
                        " cancelled  %" PRIi64 " retries"
                      : "jobs     %" PRIi64 " running  %" PRIi64 " queued  %" PRIi64
                        " waiting  ended: %" PRIi64 " done %" PRIi64 " failed",
                 lay_number(jobs, "running"), lay_number(jobs, "queued"),
                 lay_number(jobs, "waiting"), lay_number(totals, "done"),
                 lay_number(totals, "failed"), lay_number(totals, "cancelled"),
                 lay_number(totals, "retries"));
}

/* Columns of what is left beside the words. */
static size_t graph_width(const struct lay *l)
{
    size_t columns = l->look->columns;
    size_t max = l->look->lines ? 120 : 40;
    return columns > 60 ? columns - 45 < max ? columns - 45 : max : 12;
}

static void add_series(struct lay *l, const char *name, const struct top_series *s, bool bytes)
{
    struct buf line = BUF_INIT;
    size_t width = graph_width(l);
    buf_printf(&line, "%-8s", name);
    lay_put_figure(&line, top_series_last(s), bytes);
    buf_puts(&line, "  ");
    top_put_graph(&line, s, width, l->look->utf8);
    buf_puts(&line, "  peak");
    lay_put_figure(&line, s->count > 0 ? top_series_peak(s, width) : -1, bytes);
    lay_add(l, TOP_TEXT, &line);
}

static void add_workers(struct lay *l)
{
    struct buf line = BUF_INIT;
    const json_t *workers = json_object_get(l->m->answer, "workers");
    int64_t limit = lay_number(workers, "limit"), active = lay_number(l->m->answer, "active");
    int64_t busy = lay_number(workers, "busy"), abandoned = lay_number(workers, "abandoned");
    buf_puts(&line, "workers  ");
    bool wide = !l->look->lines || l->look->columns >= 100;
    top_put_bar(&line, limit > 0 ? (double)active / (double)limit : 0, wide ? 20 : 10,
                l->look->utf8);
    buf_printf(&line,
               "  %" PRIi64 " of %" PRIi64 " taken, %" PRIi64 " in a parser, %" PRIi64 " lost",
               active, limit, busy, abandoned + lay_number(workers, "lost"));
    if (wide)
        buf_printf(&line, "   %" PRIi64 " connections so far",
                   lay_number(json_object_get(l->m->answer, "fetch"), "connections"));
    lay_add(l, TOP_TEXT, &line);
}

static void add_sinks(struct lay *l)
{
    size_t i;
    json_t *sink;
    json_array_foreach(json_object_get(l->m->answer, "sinks"), i, sink)
    {
        if (json_is_true(json_object_get(sink, "failing")))
            lay_add_text(l, TOP_BAD, "The log %s cannot be written: %s (since %s); nothing starts",
                         lay_text(sink, "name"), lay_text(sink, "error"), lay_text(sink, "since"));
    }
}

/* How many there are, and what is wrong with them. */
static void add_fleet(struct lay *l)
{
    size_t i, stop = 0;
    json_t *member, *fleet = json_object_get(l->m->answer, "fleet");
    const json_t *members = json_object_get(fleet, "members");
    int64_t here = 0, nobodys = lay_number(fleet, "shards") - lay_number(fleet, "owned");
    if (!fleet)
        return;
    json_array_foreach(members, i, member)
    {
        stop += json_is_true(json_object_get(member, "draining"));
        if (json_is_true(json_object_get(member, "self")))
            here = lay_number(member, "shards");
    }
    lay_add_text(l, nobodys > 0 ? TOP_WARN : TOP_TEXT,
                 "fleet    %zu members, %zu of them stop   of %" PRIi64 " shards %" PRIi64
                 " are this one's, %" PRIi64 " nobody's",
                 json_array_size(members), stop, lay_number(fleet, "shards"), here, nobodys);
    if (json_is_false(json_object_get(fleet, "member")))
        lay_add_text(l, TOP_BAD, "This daemon is no member of its fleet just now: nothing starts");
    if (json_is_true(json_object_get(fleet, "configs_differ")))
        lay_add_text(l, TOP_WARN, "The members' configs differ in what all should have alike");
    if (json_is_true(json_object_get(fleet, "standby_lags")))
        lay_add_text(l, TOP_WARN,
                     "No commit waits for the server's standby: a failover loses jobs "
                     "(synchronous_standby_names)");
}

static void add_trouble(struct lay *l)
{
    const json_t *answer = l->m->answer;
    if (l->look->notice)
        lay_add_text(l, TOP_BAD, "%s", l->look->notice);
    if (json_is_true(json_object_get(answer, "draining")))
        lay_add_text(l, TOP_BAD, "The daemon is stopping: nothing starts any more");
    if (json_is_true(json_object_get(answer, "paused")))
        lay_add_text(l, TOP_BAD, "Paused: nothing starts until `penstockctl resume`");
    if (json_is_true(json_object_get(answer, "store_failing")))
        lay_add_text(l, TOP_BAD, "The store cannot write (its disk?): nothing starts");
    add_sinks(l);
}

/* --- hosts, beside running jobs --------------------------------------------------------------- */

static void add_hosts(struct lay *l, size_t max)
{
    size_t i;
    json_t *host, *hosts = json_object_get(l->m->answer, "hosts");
    size_t known = (size_t)lay_number(l->m->answer, "known_hosts"), told = json_array_size(hosts);
    if (told == 0 || max == 0)
        return;
    lay_add_text(l, TOP_TEXT, " ");
    row_add_host_head(l);
    json_array_foreach(hosts, i, host)
    {
        if (i < max)
            row_add_host(l, host);
    }
    if (known > told || told > max)
        lay_add_text(l, TOP_DIM, "and %zu more",
                     (known > told ? known : told) - (told < max ? told : max));
}

/* --- items ------------------------------------------------------------------------------------ */

static void add_item_head(struct lay *l)
{
    static void (*const heads[TOP_TAB_COUNT_])(struct lay *) = {
        [TOP_RUNNING] = row_add_job_head,   [TOP_HOSTS] = row_add_host_head,
        [TOP_FAILED] = row_add_failed_head, [TOP_SCHEDULES] = row_add_schedule_head,
        [TOP_FLEET] = row_add_member_head,
    };
    heads[l->look->tab](l);
}

static void add_item(struct lay *l, const struct top_item *item)
{
    if (item->row)
        row_add_job(l, item->row);
    else if (l->look->tab == TOP_HOSTS)
        row_add_host(l, item->json);
    else if (l->look->tab == TOP_FAILED)
        row_add_failed(l, item->json);
    else if (l->look->tab == TOP_FLEET)
        row_add_member(l, item->json);
    else
        row_add_schedule(l, item->json);
}

/* Cursor and scrolling, so that the cursor is on an item and in sight of `room` lines. */
static void place_cursor(struct lay *l, size_t room)
{
    struct top_look *look = l->look;
    size_t last = l->item_count ? l->item_count - 1 : 0;
    if (look->cursor > last)
        look->cursor = last;
    if (look->skip > look->cursor)
        look->skip = look->cursor;
    if (room > 0 && look->cursor >= look->skip + room)
        look->skip = look->cursor - room + 1;
}

static size_t total_of(const struct lay *l)
{
    size_t active = (size_t)lay_number(l->m->answer, "active");
    bool part = l->look->tab == TOP_RUNNING && !(l->look->filter && *l->look->filter);
    return part && active > l->item_count ? active : l->item_count;
}

static void add_nothing(struct lay *l)
{
    static const char *const words[TOP_TAB_COUNT_] = {
        "nothing runs", "no host is known", "nothing has failed", "there are no schedules",
        "no member is known"};
    bool filtered = l->look->filter && *l->look->filter;
    lay_add_text(l, TOP_DIM, "%s%s%s", words[l->look->tab], filtered ? " with " : "",
                 filtered ? l->look->filter : "");
}

/* `keep` lines at the foot are for others. */
static void add_items(struct lay *l, size_t keep)
{
    struct top_look *look = l->look;
    size_t total = total_of(l), i;
    lay_add_text(l, TOP_TEXT, " ");
    add_item_head(l);
    size_t used = l->page->count + keep;
    size_t room = !look->lines ? SIZE_MAX : look->lines > used ? look->lines - used : 0;
    if (room > 1 && total > room)
        room--; /* for the line that says how many more */
    if (look->lines)
        place_cursor(l, room);
    for (i = look->lines ? look->skip : 0; i < l->item_count && room > 0; i++, room--) {
        if (look->lines && i == look->cursor && !lay_is_full(l))
            l->page->selected = l->page->count;
        add_item(l, &l->items[i]);
    }
    if (total == 0)
        add_nothing(l);
    else if (total > i)
        lay_add_text(l, TOP_DIM, "and %zu more", total - i);
}

static void add_overlay(struct lay *l, size_t keep)
{
    const char *p = l->look->overlay;
    for (size_t n = l->look->overlay_skip; n > 0 && strchr(p, '\n'); n--)
        p = strchr(p, '\n') + 1;
    lay_add_text(l, TOP_TEXT, " ");
    while (*p && l->page->count + keep < l->look->lines) {
        size_t len = strcspn(p, "\n"), fit = text_fit(p, len, l->look->columns);
        /* A line that is too long goes on in the next one, at a blank if there is one. */
        if (fit < len)
            for (size_t back = fit; back > fit / 2; back--)
                if (p[back] == ' ') {
                    fit = back + 1;
                    break;
                }
        struct buf line = BUF_INIT;
        buf_put(&line, p, fit);
        bool bad = memmem(p, len, "failed", 6) != NULL;
        lay_add(l, bad ? TOP_BAD : TOP_TEXT, &line);
        p += fit ? fit : len;
        p += *p == '\n';
    }
}

/* --- the whole -------------------------------------------------------------------------------- */

/* What is being typed is seen at its end: where there is no room for all, its beginning is left
 * out. */
static void put_filter(struct buf *line, const struct top_look *look)
{
    struct buf safe = BUF_INIT;
    const char *cursor = look->typing ? "_" : "";
    text_put_safe(&safe, look->filter, strlen(look->filter));
    size_t used = text_width(line->data, line->len) + strlen("  /") + strlen(cursor), start = 0;
    size_t room = look->lines == 0 ? SIZE_MAX : look->columns > used ? look->columns - used : 0;
    while (look->typing && start < safe.len &&
           text_width(safe.data + start, safe.len - start) > room)
        do
            start++;
        while (start < safe.len && ((unsigned char)safe.data[start] & 0xC0) == 0x80);
    buf_puts(line, "  /");
    if (start < safe.len) /* else there may be no data at all */
        buf_put(line, safe.data + start, safe.len - start);
    buf_puts(line, cursor);
    buf_deinit(&safe);
}

/* The tabs, as far as there is room. */
static void add_tabs(struct lay *l)
{
    struct buf line = BUF_INIT;
    for (enum top_tab tab = 0; tab < TOP_TAB_COUNT_; tab++)
        if (top_tab_shown(l->m, tab))
            buf_printf(&line, tab == l->look->tab ? "[%s] " : " %s  ", top_tab_name(tab));
    if (l->look->filter && (*l->look->filter || l->look->typing))
        put_filter(&line, l->look);
    lay_add(l, TOP_DIM, &line);
}

static void add_keys(struct lay *l)
{
    struct top_look *look = l->look;
    while (!lay_is_full(l) && l->page->count + 1 < look->lines)
        lay_add_text(l, TOP_TEXT, " ");
    if (look->question)
        lay_add_text(l, TOP_BAD, "%s", look->question);
    else if (look->overlay)
        lay_add_text(l, TOP_DIM, "q, Esc or Enter goes back  up, down scroll");
    else if (look->typing)
        lay_add_text(l, TOP_DIM, "type what to look for; Enter keeps it, Esc ends it");
    else
        lay_add_text(
            l, TOP_DIM,
            look->help ? "q ends  s sorts  space freezes  up/down choose  Enter explains  c "
                         "cancels  p holds "
                         "its host  / filters  Tab: another list"
            : look->columns >= 78
                ? "q quit  Enter explain  c cancel  p hold  / filter  Tab  s sort (%s)  h help"
                : "q quit  s sort (%s)  h help",
            top_sort_name(l->m->sort));
}

void top_lay(const struct top_model *m, struct top_look *look, struct top_page *page)
{
    struct lay l = {.m = m, .look = look, .page = page};
    size_t lines = look->lines ? look->lines : TOP_LINES;
    buf_reset(&page->text);
    page->count = 0;
    page->selected = SIZE_MAX;
    l.item_count = top_items(m, look->tab, look->filter ? look->filter : "", l.items);
    add_title(&l);
    if (m->answer) {
        add_states(&l);
        if (lines >= 12)
            add_series(&l, "body", &m->bytes, true);
        if (lines >= 18) {
            add_series(&l, "records", &m->records, false);
            add_series(&l, "ends", &m->ended, false);
        }
        if (lines >= 8)
            add_workers(&l);
        if (lines >= 8)
            add_fleet(&l);
    }
    add_trouble(&l);
    if (look->lines >= 10)
        add_tabs(&l);
    if (m->answer && look->overlay) {
        add_overlay(&l, 1);
    } else if (m->answer) {
        add_hosts(&l, look->tab == TOP_RUNNING && lines >= 16 ? lines / 5 : 0);
        add_items(&l, look->lines ? 1 : 0);
    }
    if (look->lines)
        add_keys(&l);
}
