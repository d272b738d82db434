#include "ctl/cmd_fleet.h"

#include "ctl/out.h"
#include "ctl/table.h"
#include "ctl/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *text(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    return s ? s : "";
}

static void cell_number(struct table *t, const json_t *member, const char *name)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%lld",
             (long long)json_integer_value(json_object_get(member, name)));
    table_cell(t, digits);
}

static void cell_state(struct table *t, const json_t *member)
{
    bool self = json_is_true(json_object_get(member, "self"));
    bool draining = json_is_true(json_object_get(member, "draining"));
    table_cell(t, draining && self ? "this, stops" : draining ? "stops" : self ? "this" : "");
}

static void put_member(struct table *t, const json_t *member)
{
    char age[32];
    snprintf(age, sizeof age, "%.1f s", json_number_value(json_object_get(member, "beat_age")));
    table_cell(t, text(member, "name"));
    cell_number(t, member, "shards");
    cell_number(t, member, "running");
    cell_number(t, member, "workers");
    table_cell(t, age);
    table_cell(t, text(member, "version"));
    table_cell(t, text(member, "config"));
    cell_state(t, member);
}

static void put_parked(struct buf *b, const json_t *list)
{
    size_t i;
    json_t *parked;
    json_array_foreach(list, i, parked)
    {
        json_int_t jobs = json_integer_value(json_object_get(parked, "jobs"));
        const char *needs = text(parked, "needs");
        buf_printf(b, "%lld %s for a member with ", (long long)jobs,
                   jobs == 1 ? "job waits" : "jobs wait");
        text_put_safe(b, needs, strlen(needs));
        buf_putc(b, '\n');
    }
}

static void put_fleet(struct buf *b, const json_t *fleet)
{
    static const char *const heads[] = {"NAME", "SHARDS",  "RUNNING", "WORKERS",
                                        "BEAT", "VERSION", "CONFIG",  ""};
    struct table t;
    size_t i;
    json_t *member;
    table_init(&t, sizeof heads / sizeof *heads);
    for (i = 1; i < 5; i++)
        t.right[i] = true;
    for (i = 0; i < sizeof heads / sizeof *heads; i++)
        table_cell(&t, heads[i]);
    json_array_foreach(json_object_get(fleet, "members"), i, member) put_member(&t, member);
    table_print(&t, out_columns(false), b);
    table_deinit(&t);
    json_int_t all = json_integer_value(json_object_get(fleet, "shards"));
    json_int_t owned = json_integer_value(json_object_get(fleet, "owned"));
    if (owned < all)
        buf_printf(b, "%lld of %lld shards are nobody's just now: their jobs wait\n",
                   (long long)(all - owned), (long long)all);
    put_parked(b, json_object_get(fleet, "parked"));
    if (json_is_true(json_object_get(fleet, "configs_differ")))
        buf_puts(b, "the members' configs differ in what all should have alike "
                    "(hosts, parsers, credentials)\n");
    if (json_is_true(json_object_get(fleet, "standby_lags")))
        buf_puts(b, "the server has a standby, and no commit waits for it: if it is promoted, the "
                    "last jobs and verdicts are lost (set synchronous_standby_names)\n");
    if (json_is_false(json_object_get(fleet, "member")))
        buf_puts(b, "this daemon is no member just now, and starts nothing\n");
}

static int fleet_list(struct ctl *ctl)
{
    struct answer answer;
    struct buf b = BUF_INIT;
    int status = ctl_ask(ctl, "fleet", NULL, &answer);
    if (status != 0)
        return status;
    if (ctl->json)
        ctl_put_raw(&answer);
    else
        put_fleet(&b, answer.result);
    out_take(&b);
    answer_deinit(&answer);
    return 0;
}

static int fleet_evict(struct ctl *ctl, const char *name)
{
    struct answer answer;
    struct buf b = BUF_INIT;
    json_t *params = json_pack("{s:s}", "name", name);
    struct error err;
    if (!params) {
        int r = error_set(&err, -EINVAL, "the name is not UTF-8");
        return ctl_fail(r, &err);
    }
    int status = ctl_ask(ctl, "fleet_evict", params, &answer);
    if (status != 0)
        return status;
    if (ctl->json) {
        ctl_put_raw(&answer);
    } else {
        text_put_safe(&b, name, strlen(name));
        buf_puts(&b, " is no member any more: others take its jobs over\n");
    }
    out_take(&b);
    answer_deinit(&answer);
    return 0;
}

int cmd_fleet(struct ctl *ctl)
{
    const struct args *args = &ctl->args;
    struct error err;
    if (args->operand_count == 0)
        return fleet_list(ctl);
    if (args->operand_count == 2 && strcmp(args->operands[0], "evict") == 0)
        return fleet_evict(ctl, args->operands[1]);
    int r =
        error_set(&err, -EINVAL, "penstockctl fleet, or penstockctl fleet evict NAME, is wanted");
    return ctl_fail(r, &err);
}
