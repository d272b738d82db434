/* schedule apply, add, list, export, run, remove. */
#include "ctl/cmd_schedule.h"

#include "base/clock.h"
#include "base/suggest.h"
#include "ctl/ask.h"
#include "ctl/out.h"
#include "ctl/schedule_apply.h"
#include "ctl/slice.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "ctl/view.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    return s ? s : "";
}

/* --- add, run, remove ------------------------------------------------------------------------- */

static int add(struct ctl *ctl)
{
    const struct args *args = &ctl->args;
    struct error err;
    struct answer answer;
    json_t *params = NULL;
    int r = 0;
    if (!args_has(args, OPT_EVERY) && !args_has(args, OPT_CRON))
        r = error_set(&err, -EINVAL,
                      "`schedule add` needs to know when: --every 5min, or --cron '0 3 * * *'");
    if (r == 0)
        r = ask_options(args, GROUP_JOB | GROUP_PARSED | GROUP_TIMING, &params, &err);
    if (r == 0 && (json_object_set_new(params, "name", json_string(args->operands[1])) < 0 ||
                   json_object_set_new(params, "url", json_string(args->operands[2])) < 0)) {
        json_decref(params);
        r = error_set(&err, -EINVAL, "the name or the URL is not UTF-8");
    }
    if (r < 0)
        return ctl_fail(-EINVAL, &err);
    int status = ctl_ask(ctl, "schedule_add", params, &answer);
    if (status != 0)
        return status;
    schedule_tell_change(ctl, json_array_get(json_object_get(answer.result, "changes"), 0));
    answer_deinit(&answer);
    return 0;
}

static int by_name(struct ctl *ctl, const char *method, struct answer *ret_answer)
{
    struct error err;
    json_t *params = json_pack("{s:s}", "name", ctl->args.operands[1]);
    if (params && args_has(&ctl->args, OPT_FORCE))
        json_object_set_new(params, "force", json_true());
    if (!params) {
        error_set(&err, -EINVAL, "the name is not UTF-8");
        return ctl_fail(-EINVAL, &err);
    }
    return ctl_ask(ctl, method, params, ret_answer);
}

static int run(struct ctl *ctl)
{
    struct answer answer;
    int status = by_name(ctl, "schedule_run", &answer);
    if (status != 0)
        return status;
    json_t *id = json_object_get(answer.result, "id");
    if (ctl->json)
        ctl_put_raw(&answer);
    else
        out_printf("%" JSON_INTEGER_FORMAT "\n", json_integer_value(id));
    answer_deinit(&answer);
    return 0;
}

static int remove_one(struct ctl *ctl)
{
    struct answer answer;
    int status = by_name(ctl, "schedule_remove", &answer);
    if (status != 0)
        return status;
    if (ctl->json)
        ctl_put_raw(&answer);
    else
        out_printf("removed %s\n", ctl->args.operands[1]);
    answer_deinit(&answer);
    return 0;
}

/* --- list ------------------------------------------------------------------------------------- */

struct listing {
    struct ctl *ctl;
    void (*put)(struct listing *l, const struct answer *answer); /* a page */
    struct table table;
    uint64_t failing;
    const char *pattern; /* export: of the names that are wanted; NULL: all */
    uint64_t hidden;     /* export: schedules that cannot be applied as they are shown */
};

/* How far a moment is from now: "5m"; "-" if there is none. */
static void cell_distance(struct table *t, const char *stamp, int direction)
{
    struct buf b = BUF_INIT;
    int64_t us;
    if (*stamp && clock_parse(stamp, &us) == 0) {
        double seconds = (double)(us - clock_real_us()) * direction / 1e6;
        text_put_age(&b, seconds > 0 ? seconds : 0);
    }
    table_cell(t, b.data ? b.data : "-");
    buf_deinit(&b);
}

static void cell_scalar(struct table *t, const json_t *value)
{
    struct buf b = BUF_INIT;
    if (value)
        view_put_scalar(&b, value);
    table_cell(t, b.data ? b.data : "-");
    buf_deinit(&b);
}

static void cell_state(struct table *t, const json_t *s)
{
    const json_t *last = json_object_get(s, "last");
    char state[64] = "-";
    if (json_object_get(s, "problem"))
        snprintf(state, sizeof state, "cannot run");
    else if (last)
        snprintf(state, sizeof state, "%s%s%s", text(last, "state"),
                 *text(last, "error") ? " " : "", text(last, "error"));
    else if (json_object_get(s, "running"))
        snprintf(state, sizeof state, "running");
    table_cell(t, state);
}

static void add_row(struct table *t, const json_t *s)
{
    const json_t *every = json_object_get(s, "every");
    const char *problem = text(s, "problem");
    table_cell(t, text(s, "name"));
    cell_scalar(t, every ? every : json_object_get(s, "cron"));
    if (json_is_true(json_object_get(s, "paused")))
        table_cell(t, "paused");
    else
        cell_distance(t, text(s, "next"), 1);
    cell_distance(t, text(json_object_get(s, "last"), "finished"), -1);
    cell_state(t, s);
    cell_scalar(t, json_object_get(s, "runs"));
    cell_scalar(t, json_object_get(s, "skipped"));
    table_cell(t, *problem ? problem : text(s, "url"));
}

static void put_raw(const struct answer *answer)
{
    struct slice result, list, one;
    size_t pos = 0;
    if (!slice_member((struct slice){answer->text, answer->len}, "result", &result) ||
        !slice_member(result, "schedules", &list))
        return;
    while (slice_item(list, &pos, &one))
        out_json(one.p, one.len);
}

static void put_page(struct listing *l, const struct answer *answer)
{
    struct buf b = BUF_INIT;
    size_t i;
    json_t *s;
    json_array_foreach(json_object_get(answer->result, "schedules"), i, s)
    {
        l->failing += json_is_true(json_object_get(s, "failing"));
        if (!l->ctl->json)
            add_row(&l->table, s);
    }
    if (l->ctl->json) {
        put_raw(answer);
        return;
    }
    table_print(&l->table, out_columns(false), &b);
    out_take(&b);
}

static int list_pages(struct listing *l)
{
    bool failing = args_has(&l->ctl->args, OPT_FAILING);
    char after[256] = "";
    for (;;) {
        struct answer answer;
        json_t *params =
            json_pack("{s:b, s:s*}", "failing", failing, "after", *after ? after : NULL);
        int status = ctl_ask(l->ctl, "schedule_list", params, &answer);
        if (status != 0)
            return status;
        l->put(l, &answer);
        snprintf(after, sizeof after, "%s", text(answer.result, "next"));
        answer_deinit(&answer);
        if (!*after)
            return failing && l->failing > 0 ? EXIT_JOB_FAILED : EXIT_ALL_WELL;
    }
}

static int list(struct ctl *ctl)
{
    static const char *const titles[] = {"NAME", "WHEN", "NEXT",    "LAST",
                                         "END",  "RUNS", "SKIPPED", "URL"};
    struct listing l = {.ctl = ctl, .put = put_page};
    table_init(&l.table, sizeof titles / sizeof titles[0]);
    l.table.state = out_is_coloured() ? 4 : 0;
    l.table.url_last = true;
    l.table.right[5] = l.table.right[6] = true;
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++)
        table_cell(&l.table, titles[i]);
    int status = list_pages(&l);
    table_deinit(&l.table);
    return status;
}

/* --- export ----------------------------------------------------------------------------------- */

/* What others' headers and bodies are shown as. */
static bool hides_more(const json_t *schedule)
{
    return json_is_null(json_object_get(schedule, "headers")) ||
           json_is_null(json_object_get(schedule, "header")) ||
           json_is_null(json_object_get(schedule, "body"));
}

static void export_one(struct listing *l, json_t *schedule)
{
    const char *name = text(schedule, "name");
    if (l->pattern && fnmatch(l->pattern, name, 0) != 0)
        return;
    bool secret = schedule_hides_secret(schedule);
    if (secret || hides_more(schedule)) {
        l->hidden++;
        out_error("%s: %s", name,
                  secret ? "its URL is shown without its secret (***); write it as it is, or use a "
                           "credential, before it is applied"
                         : "its headers and its body are shown to its owner and to administrators "
                           "that are named in the config alone");
    }
    schedule_drop_told(schedule);
    char *line = json_dumps(schedule, JSON_COMPACT);
    if (line)
        out_json(line, strlen(line));
    else
        l->hidden++;
    free(line);
}

static void export_page(struct listing *l, const struct answer *answer)
{
    size_t i;
    json_t *s;
    json_array_foreach(json_object_get(answer->result, "schedules"), i, s) export_one(l, s);
}

static int export(struct ctl *ctl)
{
    struct listing l = {.ctl = ctl, .put = export_page};
    if (ctl->args.operand_count > 1)
        l.pattern = ctl->args.operands[1];
    int status = list_pages(&l);
    return status == 0 && l.hidden > 0 ? EXIT_REFUSED : status;
}

/* --- which one -------------------------------------------------------------------------------- */

static const struct sub {
    const char *name, *synopsis;
    unsigned groups;
    size_t operands; /* besides its name */
    size_t optional; /* and so many more at most */
    int (*run)(struct ctl *ctl);
} subs[] = {
    {"apply", "FILE|- [--prune] [--dry-run]", GROUP_APPLY, 1, 0, schedule_apply},
    {"add", "NAME URL --every TIME|--cron EXPR [OPTION...]",
     GROUP_TIMING | GROUP_JOB | GROUP_PARSED, 2, 0, add},
    {"list", "[--failing]", GROUP_FAILING, 0, 0, list},
    {"export", "[PATTERN]", 0, 0, 1, export},
    {"run", "NAME [--force]", GROUP_FORCE, 1, 0, run},
    {"remove", "NAME", 0, 1, 0, remove_one},
};
#define SUBS (sizeof subs / sizeof subs[0])

static const struct sub *find(const char *name, struct error *err)
{
    char hint[96];
    struct suggest near;
    suggest_init(&near, name);
    for (size_t i = 0; i < SUBS; i++) {
        if (strcmp(subs[i].name, name) == 0)
            return &subs[i];
        suggest_offer(&near, subs[i].name);
    }
    if (strcmp(name, "rm") == 0 || strcmp(name, "delete") == 0)
        near.best = "remove";
    error_set(err, -EINVAL,
              "there is no `schedule %.32s`; there are apply, add, list, export, run and remove%s",
              name, suggest_text(&near, hint, sizeof hint));
    return NULL;
}

static int check(const struct args *args, const struct sub *sub, struct error *err)
{
    for (size_t i = 0; i < args->given_count; i++) {
        const struct opt_def *def = &opt_defs[args->given[i].opt];
        if (!(def->groups & (sub->groups | GROUP_GLOBAL)))
            return error_set(err, -EINVAL, "`schedule %s` takes no --%s", sub->name, def->name);
    }
    if (args->operand_count < sub->operands + 1 ||
        args->operand_count > sub->operands + sub->optional + 1)
        return error_set(err, -EINVAL, "usage: penstockctl schedule %s %s", sub->name,
                         sub->synopsis);
    return 0;
}

int cmd_schedule(struct ctl *ctl)
{
    struct error err;
    const struct sub *sub = find(ctl->args.operands[0], &err);
    int r = sub ? check(&ctl->args, sub, &err) : -EINVAL;
    return r < 0 ? ctl_fail(r, &err) : sub->run(ctl);
}
