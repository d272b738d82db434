#include "ctl/args.h"
#include "base/buf.h"
#include "base/config.h"
#include "base/suggest.h"
#include "base/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int find_option(const char *name, size_t len)
{
    for (int i = 0; i < OPT_COUNT_; i++)
        if (strlen(opt_defs[i].name) == len && memcmp(opt_defs[i].name, name, len) == 0)
            return i;
    return -1;
}

static bool takes(const struct command *command, int opt)
{
    return !command || (opt_defs[opt].groups & (command->groups | GROUP_GLOBAL));
}

/* What other programs call an option. */
static int usual_option(const struct command *command, const char *word)
{
    static const struct {
        const char *name;
        enum opt opt;
    } usual[] = {{"attempts", OPT_MAX_ATTEMPTS},
                 {"auth", OPT_CREDENTIAL},
                 {"count", OPT_LIMIT},
                 {"data-binary", OPT_BODY},
                 {"encoding", OPT_CHARSET},
                 {"gzip", OPT_DECODE},
                 {"kind", OPT_ERROR},
                 {"max-filesize", OPT_MAX_BODY},
                 {"max-size", OPT_MAX_BODY},
                 {"max-time", OPT_TIMEOUT},
                 {"number", OPT_LIMIT},
                 {"period", OPT_EVERY},
                 {"request", OPT_METHOD},
                 {"retries", OPT_MAX_ATTEMPTS},
                 {"retry", OPT_MAX_ATTEMPTS},
                 {"status", OPT_STATE},
                 {"tag", OPT_LABEL},
                 {"tries", OPT_MAX_ATTEMPTS},
                 {"tz", OPT_TIMEZONE},
                 {"user", OPT_CREDENTIAL}};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (strcmp(usual[i].name, word) == 0 && takes(command, usual[i].opt))
            return usual[i].opt;
    return -1;
}

static int unknown_option(const struct command *command, const char *name, size_t len,
                          struct error *err)
{
    char word[64], hint[96], dashed[OPT_COUNT_][32];
    struct suggest near;
    size_t keep = len < sizeof word - 3 ? len : sizeof word - 3;
    snprintf(word, sizeof word, "--%.*s", (int)keep, name);
    suggest_init(&near, word);
    for (int i = 0; i < OPT_COUNT_; i++) {
        snprintf(dashed[i], sizeof dashed[i], "--%s", opt_defs[i].name);
        if (takes(command, i))
            suggest_offer(&near, dashed[i]);
    }
    int usual = usual_option(command, word + 2);
    if (usual >= 0)
        near.best = dashed[usual];
    return error_set(err, -EINVAL, "there is no option %s%s (see: penstockctl help%s%s)", word,
                     suggest_text(&near, hint, sizeof hint), command ? " " : "",
                     command ? command->name : "");
}

/* One dash and a letter, as other programs have it. */
static int short_option(const struct command *command, const char *arg, struct error *err)
{
    static const struct {
        char letter;
        enum opt opt;
    } usual[] = {{'A', OPT_USER_AGENT}, {'d', OPT_BODY},    {'f', OPT_FOLLOW}, {'f', OPT_FROM},
                 {'H', OPT_HEADER},     {'i', OPT_FROM},    {'j', OPT_JSON},   {'l', OPT_LABEL},
                 {'m', OPT_TIMEOUT},    {'n', OPT_LIMIT},   {'n', OPT_COUNT},  {'n', OPT_DRY_RUN},
                 {'o', OPT_OUTPUT},     {'o', OPT_OPTION},  {'p', OPT_PARSER}, {'s', OPT_SOCKET},
                 {'V', OPT_VERSION},    {'v', OPT_VERSION}, {'w', OPT_WAIT},   {'X', OPT_METHOD}};
    if (arg[1] >= '0' && arg[1] <= '9')
        return error_set(err, -EINVAL, "'%.64s' is no job's id: those are numbers from 1", arg);
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (usual[i].letter == arg[1] && takes(command, usual[i].opt))
            return error_set(err, -EINVAL,
                             "there is no option %.64s: options begin with two dashes; did you "
                             "mean --%s?",
                             arg, opt_defs[usual[i].opt].name);
    return error_set(err, -EINVAL, "there is no option %.64s: options begin with two dashes", arg);
}

/* What other programs call it. */
static const char *usual_name(const char *name)
{
    static const char *const words[][2] = {
        {"abort", "cancel"},    {"add", "submit"},     {"cron", "schedule"},
        {"curl", "run"},        {"delete", "cancel"},  {"describe", "explain"},
        {"download", "submit"}, {"enqueue", "submit"}, {"exec", "run"},
        {"fetch", "run"},       {"get", "run"},        {"htop", "top"},
        {"info", "show"},       {"jobs", "list"},      {"kill", "cancel"},
        {"log", "follow"},      {"logs", "follow"},    {"ls", "list"},
        {"ps", "top"},          {"queue", "list"},     {"rm", "cancel"},
        {"status", "stats"},    {"stop", "pause"},     {"tail", "follow"},
        {"unpause", "resume"},  {"watch", "top"},      {"why", "explain"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i][0], name) == 0)
            return words[i][1];
    return NULL;
}

static int unknown_command(const struct command *commands, const char *name, struct error *err)
{
    char hint[96];
    const char *usual = usual_name(name);
    struct suggest s;
    if (strstr(name, "://"))
        return error_set(err, -EINVAL,
                         "a command stands before the URL: penstockctl submit %.200s, or "
                         "penstockctl run %.200s -- COMMAND",
                         name, name);
    suggest_init(&s, name);
    for (; commands->name; commands++)
        if (!commands->hidden)
            suggest_offer(&s, commands->name);
    if (usual)
        s.best = usual;
    return error_set(err, -EINVAL, "there is no command '%.64s'%s (see: penstockctl help)", name,
                     suggest_text(&s, hint, sizeof hint));
}

const struct command *args_command(const struct command *commands, const char *name,
                                   struct error *err)
{
    for (const struct command *c = commands; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    unknown_command(commands, name, err);
    return NULL;
}

static void add_given(struct args *args, enum opt opt, const char *value)
{
    args->given[args->given_count++] = (struct given){opt, value};
}

/* `next` is the following argument or NULL. 1 if it was used as the value, 0 if not. */
static int parse_option(struct args *args, const char *arg, const char *next, struct error *err)
{
    const char *name = arg + 2, *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    int opt = find_option(name, len);
    if (opt < 0)
        return unknown_option(args->command, name, len, err);
    if (!opt_defs[opt].arg) {
        if (equals)
            return error_set(err, -EINVAL, "--%s takes no value", opt_defs[opt].name);
        add_given(args, (enum opt)opt, NULL);
        return 0;
    }
    if (equals) {
        add_given(args, (enum opt)opt, equals + 1);
        return 0;
    }
    if (!next)
        return error_set(err, -EINVAL, "--%s needs a value: --%s %s", opt_defs[opt].name,
                         opt_defs[opt].name, opt_defs[opt].arg);
    if (strncmp(next, "--", 2) == 0)
        return error_set(err, -EINVAL, "--%s needs a value; if '%.64s' is meant: --%s=%.64s",
                         opt_defs[opt].name, next, opt_defs[opt].name, next);
    add_given(args, (enum opt)opt, next);
    return 1;
}

static int take_operand(struct args *args, const struct command *commands, const char *arg,
                        struct error *err)
{
    if (args->command) {
        args->operands[args->operand_count++] = arg;
        return 0;
    }
    args->command = args_command(commands, arg, err);
    return args->command ? 0 : -EINVAL;
}

/* Without `--` it cannot be told which options are the command's own. */
static int missing_dashes(const struct args *args, char *const *rest, struct error *err)
{
    struct buf b = BUF_INIT;
    buf_printf(&b, "`--` stands before the command: penstockctl run %s --", args->operands[0]);
    for (; *rest; rest++) {
        if (strcmp(*rest, "--") == 0) {
            buf_deinit(&b);
            return error_set(err, -EINVAL, "run: one URL is wanted before `--`");
        }
        buf_printf(&b, " %s", *rest);
    }
    int r = error_set(err, -EINVAL, "%.400s", b.data ? b.data : "");
    buf_deinit(&b);
    return r;
}

static int take_all(struct args *args, const struct command *commands, int argc, char **argv,
                    struct error *err)
{
    bool options = true;
    args->rest = SIZE_MAX;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        int r;
        if (options && strcmp(arg, "--") == 0) {
            options = false;
            args->rest = args->operand_count;
            continue;
        }
        if (options && args->command && (args->command->groups & GROUP_RUN) &&
            args->operand_count == 1 && strncmp(arg, "--", 2) != 0)
            r = missing_dashes(args, argv + i, err);
        else if (options && strncmp(arg, "--", 2) == 0)
            r = parse_option(args, arg, i + 1 < argc ? argv[i + 1] : NULL, err);
        else if (options && strcmp(arg, "-h") == 0)
            r = (add_given(args, OPT_HELP, NULL), 0);
        else if (options && arg[0] == '-' && arg[1] != '\0')
            r = short_option(args->command, arg, err);
        else
            r = take_operand(args, commands, arg, err);
        if (r < 0)
            return r;
        i += r;
    }
    return 0;
}

/* Do options and operands belong to the command? */
static int check(const struct args *args, struct error *err)
{
    const struct command *c = args->command;
    if (!c || args_has(args, OPT_HELP) || args_has(args, OPT_VERSION))
        return 0;
    for (size_t i = 0; i < args->given_count; i++) {
        const struct opt_def *def = &opt_defs[args->given[i].opt];
        if (!(def->groups & (c->groups | GROUP_GLOBAL)))
            return error_set(err, -EINVAL, "`%s` takes no --%s (see: penstockctl help %s)", c->name,
                             def->name, c->name);
    }
    if (args->operand_count < c->min)
        return error_set(err, -EINVAL, "`%s` needs more than that: penstockctl %s %s", c->name,
                         c->name, c->synopsis);
    if (args->operand_count > c->max)
        return error_set(err, -EINVAL, "'%.64s' is too much: penstockctl %s %s",
                         args->operands[c->max], c->name, c->synopsis);
    return 0;
}

int args_parse(struct args *args, const struct command *commands, int argc, char **argv,
               struct error *err)
{
    *args = (struct args){0};
    args->operands = calloc((size_t)argc + 1, sizeof *args->operands);
    args->given = calloc((size_t)argc + 1, sizeof *args->given);
    if (!args->operands || !args->given)
        return error_set(err, -ENOMEM, "out of memory");
    int r = take_all(args, commands, argc, argv, err);
    return r < 0 ? r : check(args, err);
}

void args_deinit(struct args *args)
{
    free(args->operands);
    free(args->given);
    *args = (struct args){0};
}

const char *args_value(const struct args *args, enum opt opt)
{
    for (size_t i = args->given_count; i-- > 0;)
        if (args->given[i].opt == opt)
            return args->given[i].value;
    return NULL;
}

bool args_has(const struct args *args, enum opt opt)
{
    for (size_t i = 0; i < args->given_count; i++)
        if (args->given[i].opt == opt)
            return true;
    return false;
}

bool args_has_group(const struct args *args, unsigned groups)
{
    for (size_t i = 0; i < args->given_count; i++)
        if (opt_defs[args->given[i].opt].groups & groups)
            return true;
    return false;
}

int args_number(const struct args *args, enum opt opt, uint64_t *ret, struct error *err)
{
    struct error why;
    const char *text = args_value(args, opt);
    if (text && parse_u64(text, 1, INT64_MAX, ret, &why) < 0)
        return error_set(err, -EINVAL, "--%s: %s", opt_defs[opt].name, why.text);
    return 0;
}

int args_id(const struct args *args, size_t i, uint64_t *ret_id, struct error *err)
{
    struct error ignored;
    if (parse_u64(args->operands[i], 1, INT64_MAX, ret_id, &ignored) < 0)
        return error_set(err, -EINVAL, "'%.64s' is not a job's id: those are numbers from 1",
                         args->operands[i]);
    return 0;
}
