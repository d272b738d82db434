/* ping, stats, parsers, and what is one request without a view of its own. */
#include "ctl/cmd_daemon.h"

#include "base/clock.h"
#include "base/suggest.h"
#include "ctl/out.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "ctl/view.h"

#include <errno.h>
#include <string.h>

static const char *text(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    return s ? s : "";
}

int cmd_ping(struct ctl *ctl)
{
    struct answer answer;
    struct buf b = BUF_INIT;
    uint64_t began = clock_now();
    int status = ctl_ask(ctl, "ping", NULL, &answer);
    if (status != 0)
        return status;
    if (ctl->json) {
        ctl_put_raw(&answer);
    } else {
        const char *version = text(answer.result, "version");
        buf_puts(&b, "penstockd");
        if (version[0]) {
            buf_putc(&b, ' ');
            text_put_safe(&b, version, strlen(version));
        }
        buf_puts(&b, " answers at ");
        text_put_safe(&b, ctl->conn.wire.path, strlen(ctl->conn.wire.path));
        buf_printf(&b, " after %.1f ms\n", (double)(clock_now() - began) / 1e6);
    }
    out_take(&b);
    answer_deinit(&answer);
    return 0;
}

static int ask_and_view(struct ctl *ctl, const char *method, json_t *params)
{
    struct answer answer;
    struct buf b = BUF_INIT;
    int status = ctl_ask(ctl, method, params, &answer);
    if (status != 0)
        return status;
    if (ctl->json)
        ctl_put_raw(&answer);
    else if (json_is_string(answer.result)) /* a text of many lines */
        out_put(json_string_value(answer.result), json_string_length(answer.result));
    else
        view_put(&b, answer.result);
    out_take(&b);
    answer_deinit(&answer);
    return 0;
}

int cmd_stats(struct ctl *ctl)
{
    return ask_and_view(ctl, "stats", NULL);
}

static void put_parser(struct table *t, struct buf *b, const json_t *parser)
{
    size_t i;
    json_t *option;
    table_cell(t, text(parser, "name"));
    table_cell(t, text(parser, "type"));
    table_cell(t, text(parser, "summary"));
    json_array_foreach(json_object_get(parser, "options"), i, option)
    {
        struct buf line = BUF_INIT;
        json_t *standard = json_object_get(option, "default");
        buf_printf(&line, "  %s", text(option, "name"));
        if (json_is_string(standard))
            buf_printf(&line, "=%s", json_string_value(standard));
        table_cell(t, line.data ? line.data : "");
        table_cell(t, "");
        table_cell(t, text(option, "help"));
        b->failed |= line.failed;
        buf_deinit(&line);
    }
}

int cmd_parsers(struct ctl *ctl)
{
    struct answer answer;
    struct buf b = BUF_INIT;
    struct table t;
    size_t i;
    json_t *parser;
    int status = ctl_ask(ctl, "parsers", NULL, &answer);
    if (status != 0)
        return status;
    if (ctl->json) {
        ctl_put_raw(&answer);
        answer_deinit(&answer);
        return 0;
    }
    table_init(&t, 3);
    table_cell(&t, "NAME, option");
    table_cell(&t, "TYPE");
    table_cell(&t, "SUMMARY");
    json_array_foreach(json_object_get(answer.result, "parsers"), i, parser)
    {
        put_parser(&t, &b, parser);
    }
    json_array_foreach(json_object_get(answer.result, "faults"), i, parser)
    {
        table_cell(&t, text(parser, "file"));
        table_cell(&t, "unusable");
        table_cell(&t, text(parser, "message"));
    }
    table_print(&t, out_columns(false), &b);
    table_deinit(&t);
    out_take(&b);
    answer_deinit(&answer);
    return 0;
}

static int refuse_scope(const struct args *args, const char *const kinds[3], struct error *err)
{
    const char *kind = args->operands[0];
    char hint[64];
    struct suggest near;
    suggest_init(&near, kind);
    suggest_offer(&near, "all");
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(kinds[i], kind) == 0)
            return error_set(err, -EINVAL, "a name is wanted: penstockctl %s %s NAME",
                             args->command->name, kind);
        suggest_offer(&near, kinds[i]);
    }
    return error_set(
        err, -EINVAL, "'%.64s' is not all, host, parser or schedule%s (penstockctl %s %s)", kind,
        suggest_text(&near, hint, sizeof hint), args->command->name, args->command->synopsis);
}

/* `pause host example.org` -> {"host":"example.org"}; `pause all` -> {"all":true}. */
static int scope(const struct args *args, json_t **ret_params, struct error *err)
{
    static const char *const kinds[] = {"host", "parser", "schedule"};
    *ret_params = NULL;
    if (args->operand_count == 0)
        return 0;
    const char *kind = args->operands[0];
    if (args->operand_count == 1 && strcmp(kind, "all") == 0) {
        *ret_params = json_pack("{s:b}", "all", 1);
        return *ret_params ? 0 : error_set(err, -ENOMEM, "out of memory");
    }
    for (size_t i = 0; args->operand_count == 2 && i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kind, kinds[i]) != 0)
            continue;
        *ret_params = json_pack("{s:s}", kind, args->operands[1]);
        return *ret_params ? 0 : error_set(err, -EINVAL, "the name is not UTF-8");
    }
    return refuse_scope(args, kinds, err);
}

/* One value, as it was or will be. */
static void put_side(struct buf *b, const json_t *value)
{
    const char *s = json_string_value(value);
    if (!s)
        buf_puts(b, "(not there)");
    else if (!*s)
        buf_puts(b, "(empty)");
    else
        text_put_safe(b, s, strlen(s));
}

static void put_changes(struct buf *b, const json_t *result)
{
    size_t i;
    json_t *change;
    json_int_t more = json_integer_value(json_object_get(result, "more"));
    json_array_foreach(json_object_get(result, "changes"), i, change)
    {
        const char *key = text(change, "key");
        text_put_safe(b, key, strlen(key));
        buf_puts(b, ": ");
        put_side(b, json_object_get(change, "from"));
        buf_puts(b, " -> ");
        put_side(b, json_object_get(change, "to"));
        buf_putc(b, '\n');
    }
    if (more > 0)
        buf_printf(b, "and %" JSON_INTEGER_FORMAT " other changes\n", more);
    else if (i == 0)
        buf_puts(b, "no change\n");
}

int cmd_reload(struct ctl *ctl)
{
    struct answer answer;
    struct buf b = BUF_INIT;
    size_t i;
    json_t *name;
    bool dry = args_has(&ctl->args, OPT_DRY_RUN);
    int status = ctl_ask(ctl, "reload", dry ? json_pack("{s:b}", "dry_run", 1) : NULL, &answer);
    if (status != 0)
        return status;
    if (ctl->json) {
        ctl_put_raw(&answer);
    } else {
        if (dry)
            put_changes(&b, answer.result);
        json_array_foreach(json_object_get(answer.result, "restart"), i, name)
            buf_printf(&b, "%s: needs a restart\n", json_string_value(name));
    }
    out_take(&b);
    answer_deinit(&answer);
    return EXIT_ALL_WELL;
}

int cmd_generic(struct ctl *ctl)
{
    json_t *params;
    struct error err;
    int r = scope(&ctl->args, &params, &err);
    return r < 0 ? ctl_fail(r, &err) : ask_and_view(ctl, ctl->args.command->name, params);
}
