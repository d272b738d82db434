/* list, show, explain: one request, or a page after another. */
#include "ctl/cmd_jobs.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/json_read.h"
#include "base/units.h"
#include "ctl/ask.h"
#include "ctl/job_text.h"
#include "ctl/life.h"
#include "ctl/out.h"
#include "ctl/slice.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "ctl/view.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PAGE 100

/* --- show, explain ---------------------------------------------------------------------------- */

static int ask_show(struct ctl *ctl, struct answer *ret_answer)
{
    struct error err;
    uint64_t id;
    int r = args_id(&ctl->args, 0, &id, &err);
    if (r < 0)
        return ctl_fail(r, &err);
    return ctl_ask(ctl, "show", json_pack("{s:I}", "id", (json_int_t)id), ret_answer);
}

static const char *colour_of_line(const char *line, size_t len)
{
    static const char *const marks[][2] = {
        {"What to do: ", "\033[1m"},    {"Then: ", "\033[1m"},
        {"  failed: ", "\033[31m"},     {" failed: ", "\033[31m"},
        {"  done", "\033[32m"},         {"  cancelled", "\033[2m"},
        {" is running", "\033[36m"},    {"; at the moment", "\033[33m"},
        {"was interrupted", "\033[33m"}};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (memmem(line, len, marks[i][0], strlen(marks[i][0])))
            return marks[i][1];
    return "";
}

/* A life's lines, by what they tell. */
static void put_coloured(struct buf *b)
{
    size_t len;
    for (const char *p = b->data, *end = p + b->len; p < end; p += len) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        len = newline ? (size_t)(newline + 1 - p) : (size_t)(end - p);
        size_t shown = newline ? len - 1 : len;
        const char *colour = colour_of_line(p, shown);
        out_printf("%s%.*s%s%s", colour, (int)shown, p, *colour ? TEXT_PLAIN : "",
                   newline ? "\n" : "");
    }
    buf_deinit(b);
}

static void put_way_on(const json_t *job)
{
    struct job_view view;
    job_view_read(job, &view);
    if (view.ended && !view.done)
        out_printf("(penstockctl explain %" PRIu64 ")\n", view.id);
}

static int show(struct ctl *ctl, bool in_words)
{
    struct answer answer;
    struct buf text = BUF_INIT;
    int status = ask_show(ctl, &answer);
    if (status != 0)
        return status;
    if (ctl->json)
        ctl_put_raw(&answer);
    else if (in_words)
        life_put(&text, answer.result, clock_real_us());
    else
        view_put(&text, answer.result);
    if (in_words && out_is_coloured())
        put_coloured(&text);
    else
        out_take(&text);
    if (!ctl->json && !in_words && out_is_terminal())
        put_way_on(answer.result);
    answer_deinit(&answer);
    return 0;
}

int cmd_show(struct ctl *ctl)
{
    return show(ctl, false);
}

int cmd_explain(struct ctl *ctl)
{
    return show(ctl, true);
}

/* --- list ------------------------------------------------------------------------------------- */

struct listing {
    struct ctl *ctl;
    json_t *select;
    uint64_t left, before; /* before: 0 for the newest */
    struct table table;
};

static void cell_number(struct table *t, int64_t n)
{
    char text[32] = "-";
    if (n >= 0)
        snprintf(text, sizeof text, "%" PRId64, n);
    table_cell(t, text);
}

static void cell_age(struct table *t, const json_t *job, int64_t now_us)
{
    struct buf age = BUF_INIT;
    int64_t us;
    const char *stamp = json_string_value(json_object_get(job, "created"));
    if (stamp && clock_parse(stamp, &us) == 0)
        text_put_age(&age, (double)(now_us - us) / 1e6);
    table_cell(t, age.data ? age.data : "-");
    buf_deinit(&age);
}

static void add_row(struct table *t, const json_t *job)
{
    struct job_view view;
    job_view_read(job, &view);
    cell_number(t, (int64_t)view.id);
    table_cell(t, view.state);
    cell_number(t, view.attempt);
    table_cell(t, view.parser);
    cell_age(t, job, clock_real_us());
    cell_number(t, view.bytes);
    table_cell(t, view.error_kind[0] ? view.error_kind : "-");
    table_cell(t, view.url);
}

static void list_raw(const struct answer *answer)
{
    struct slice result, jobs, job;
    size_t pos = 0;
    if (!slice_member((struct slice){answer->text, answer->len}, "result", &result) ||
        !slice_member(result, "jobs", &jobs))
        return;
    while (slice_item(jobs, &pos, &job))
        out_json(job.p, job.len);
}

static void list_page(struct listing *l, const struct answer *answer)
{
    struct buf text = BUF_INIT;
    size_t i;
    json_t *job;
    if (l->ctl->json) {
        list_raw(answer);
        return;
    }
    json_array_foreach(json_object_get(answer->result, "jobs"), i, job)
    {
        add_row(&l->table, job);
    }
    table_print(&l->table, out_columns(false), &text);
    out_take(&text);
}

/* One page. 0: there may be more; 1: that was all; or an exit status, negated. */
static int list_step(struct listing *l)
{
    struct answer answer;
    json_t *params = json_copied(l->select);
    uint64_t limit = l->left < PAGE ? l->left : PAGE;
    json_object_set_new(params, "limit", json_integer((json_int_t)limit));
    if (l->before)
        json_object_set_new(params, "before", json_integer((json_int_t)l->before));
    int status = ctl_ask(l->ctl, "list", params, &answer);
    if (status != 0)
        return -status;
    list_page(l, &answer);
    uint64_t count = json_array_size(json_object_get(answer.result, "jobs"));
    json_int_t next = json_integer_value(json_object_get(answer.result, "next"));
    answer_deinit(&answer);
    l->left -= count < l->left ? count : l->left;
    /* Pages go downwards: a daemon that repeats itself does not keep us for ever. */
    bool more = next > 0 && (l->before == 0 || (uint64_t)next < l->before);
    l->before = (uint64_t)next;
    return l->left > 0 && more ? 0 : 1;
}

int cmd_list(struct ctl *ctl)
{
    static const char *const head[] = {"ID",  "STATE", "ATTEMPT", "PARSER",
                                       "AGE", "BYTES", "ERROR",   "URL"};
    struct listing l = {.ctl = ctl, .left = 50};
    struct error err;
    int r = args_number(&ctl->args, OPT_LIMIT, &l.left, &err);
    if (r == 0)
        r = args_number(&ctl->args, OPT_BEFORE, &l.before, &err);
    if (r == 0)
        r = ask_jobs(&ctl->args, true, &l.select, &err);
    if (r < 0)
        return ctl_fail(r, &err);
    table_init(&l.table, sizeof head / sizeof *head);
    l.table.state = out_is_coloured() ? 1 : 0;
    l.table.url_last = true;
    l.table.right[0] = l.table.right[2] = l.table.right[4] = l.table.right[5] = true;
    for (size_t i = 0; !ctl->json && i < sizeof head / sizeof *head; i++)
        table_cell(&l.table, head[i]);
    do
        r = list_step(&l);
    while (r == 0);
    table_deinit(&l.table);
    json_decref(l.select);
    return r < 0 ? -r : 0;
}
