#include "ctl/complete.h"
#include "base/clock.h"
#include "ctl/commands.h"
#include "ctl/conn.h"
#include "ctl/ctl.h"
#include "ctl/job_text.h"
#include "ctl/out.h"
#include "ctl/remedy.h"
#include "ctl/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PATIENCE (1 * NS_PER_SEC)
#define RECENT   100 /* jobs that are looked at */

enum directive { OFFER_NONE, OFFER_FILES, OFFER_COMMAND };

struct completion {
    const char *typed; /* so far, of the word or of the value behind --option= */
    const char *lead;  /* "--option=", in front of each candidate */
    size_t lead_len;
    enum directive directive;
    size_t command_at;
    const struct command *command; /* NULL: none so far */
    const char *operands[3];       /* before the word, behind the command */
    size_t operand_count;
    const char *socket, *parser; /* of the options so far; NULL */
    struct conn conn;
};

/* --- candidates ------------------------------------------------------------------------------- */

static void offer(const struct completion *c, const char *word, const char *about)
{
    struct buf b = BUF_INIT;
    size_t len = strlen(word);
    if (strncmp(word, c->typed, strlen(c->typed)) != 0 || word[strcspn(word, "\t\n")])
        return;
    buf_put(&b, c->lead, c->lead_len);
    text_put_safe(&b, word, len);
    if (about && *about) {
        buf_putc(&b, '\t');
        text_put_safe(&b, about, strlen(about));
    }
    if (!b.failed)
        out_printf("%.*s\n", (int)b.len, b.data);
    buf_deinit(&b);
}

/* Words apart by '|' or blanks. */
static void offer_each(const struct completion *c, const char *words)
{
    char word[64];
    for (const char *p = words; *p; p += strspn(p, "| ")) {
        size_t len = strcspn(p, "| ");
        snprintf(word, sizeof word, "%.*s", (int)len, p);
        offer(c, word, NULL);
        p += len;
    }
}

static void offer_options(const struct completion *c)
{
    unsigned groups = GROUP_GLOBAL | (c->command ? c->command->groups : 0);
    for (int i = 0; i < OPT_COUNT_; i++) {
        char word[48];
        snprintf(word, sizeof word, "--%s", opt_defs[i].name);
        if (opt_defs[i].groups & groups)
            offer(c, word, opt_defs[i].help);
    }
}

static void offer_commands(const struct completion *c)
{
    for (const struct command *command = commands; command->name; command++)
        if (!command->hidden)
            offer(c, command->name, command->summary);
}

static void offer_kinds(const struct completion *c)
{
    const char *kind;
    for (size_t i = 0; (kind = remedy_kind(i)); i++)
        offer(c, kind, NULL);
}

/* --- what the daemon knows -------------------------------------------------------------------- */

static const char *text(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    return s ? s : "";
}

/* A part of the answer; answer_deinit, whatever it is. */
static json_t *ask(struct completion *c, const char *method, json_t *params, const char *member,
                   struct answer *answer)
{
    struct error ignored;
    *answer = (struct answer){0};
    if (c->conn.wire.fd < 0 && wire_open(&c->conn.wire, c->socket, &ignored) < 0) {
        json_decref(params);
        return NULL;
    }
    c->conn.unwatched = true;
    c->conn.deadline = clock_now() + PATIENCE;
    if (conn_call(&c->conn, method, params, answer, &ignored) < 0)
        *answer = (struct answer){0};
    return json_object_get(answer->result, member);
}

static bool job_fits(const struct completion *c, const struct job_view *view)
{
    const char *name = c->command->name;
    if (strcmp(name, "cancel") == 0 || strcmp(name, "wait") == 0 || strcmp(name, "follow") == 0)
        return !view->ended;
    if (strcmp(name, "records") == 0)
        return view->done;
    return strcmp(name, "retry") != 0 || (view->ended && !view->done);
}

static void offer_jobs(struct completion *c)
{
    struct answer answer;
    size_t i;
    json_t *job;
    json_t *jobs = ask(c, "list", json_pack("{s:i}", "limit", RECENT), "jobs", &answer);
    json_array_foreach(jobs, i, job)
    {
        struct job_view view;
        char id[24], about[256];
        job_view_read(job, &view);
        snprintf(id, sizeof id, "%" PRIu64, view.id);
        snprintf(about, sizeof about, "%s %.200s", view.state, view.url);
        if (job_fits(c, &view))
            offer(c, id, about);
    }
    answer_deinit(&answer);
}

/* Offers the hosts of recent jobs, each once. */
static void offer_hosts(struct completion *c)
{
    struct answer answer;
    size_t i;
    json_t *job, *seen = json_object();
    json_t *jobs = ask(c, "list", json_pack("{s:i}", "limit", RECENT), "jobs", &answer);
    json_array_foreach(jobs, i, job)
    {
        const char *host = text(job, "host");
        if (*host && !json_object_get(seen, host))
            offer(c, host, NULL);
        json_object_set_new(seen, host, json_true());
    }
    json_decref(seen);
    answer_deinit(&answer);
}

static void offer_labels(struct completion *c)
{
    struct answer answer;
    size_t i;
    json_t *job, *seen = json_object(), *value;
    json_t *jobs = ask(c, "list", json_pack("{s:i}", "limit", RECENT), "jobs", &answer);
    const char *key;
    json_array_foreach(jobs, i, job)
    {
        json_object_foreach(json_object_get(job, "labels"), key, value)
        {
            char pair[256];
            snprintf(pair, sizeof pair, "%s=%s", key, json_string_value(value));
            if (!json_object_get(seen, pair))
                offer(c, pair, NULL);
            json_object_set_new(seen, pair, json_true());
        }
    }
    json_decref(seen);
    answer_deinit(&answer);
}

static void offer_schedules(struct completion *c)
{
    struct answer answer;
    size_t i;
    json_t *one, *list = ask(c, "schedule_list", json_object(), "schedules", &answer);
    json_array_foreach(list, i, one)
    {
        offer(c, text(one, "name"), text(one, "url"));
    }
    answer_deinit(&answer);
}

static void offer_parser_options(const struct completion *c, const json_t *parser)
{
    size_t i;
    json_t *option;
    json_array_foreach(json_object_get(parser, "options"), i, option)
    {
        char word[96];
        snprintf(word, sizeof word, "%s=", text(option, "name"));
        offer(c, word, text(option, "help"));
    }
}

/* The parsers, or the options of the one that was chosen. */
static void offer_parsers(struct completion *c, bool options)
{
    struct answer answer;
    size_t i;
    json_t *parser, *list = ask(c, "parsers", NULL, "parsers", &answer);
    json_array_foreach(list, i, parser)
    {
        if (!options)
            offer(c, text(parser, "name"), text(parser, "summary"));
        else if (c->parser && strcmp(c->parser, text(parser, "name")) == 0)
            offer_parser_options(c, parser);
    }
    answer_deinit(&answer);
}

/* --- values and operands ---------------------------------------------------------------------- */

/* Lists: what stands before the last comma stays. */
static void offer_events(struct completion *c)
{
    struct completion last = *c;
    struct buf lead = BUF_INIT;
    const char *comma = strrchr(c->typed, ',');
    buf_put(&lead, c->lead, c->lead_len);
    buf_put(&lead, c->typed, comma ? (size_t)(comma + 1 - c->typed) : 0);
    last.typed = comma ? comma + 1 : c->typed;
    last.lead = lead.data ? lead.data : "";
    last.lead_len = lead.len;
    if (!lead.failed)
        offer_each(&last, "start record attempt verdict stop revoke");
    buf_deinit(&lead);
}

static void offer_value(struct completion *c, enum opt opt)
{
    const char *arg = opt_defs[opt].arg;
    if (strncmp(arg, "FILE", 4) == 0 || strcmp(arg, "PATH") == 0)
        c->directive = OFFER_FILES;
    else if (opt == OPT_STATE)
        offer_each(c, "queued waiting running done failed cancelled");
    else if (opt == OPT_ERROR)
        offer_kinds(c);
    else if (opt == OPT_EVENTS)
        offer_events(c);
    else if (opt == OPT_PARSER)
        offer_parsers(c, false);
    else if (opt == OPT_OPTION)
        offer_parsers(c, true);
    else if (opt == OPT_LABEL)
        offer_labels(c);
    else if (opt == OPT_SCHEDULE)
        offer_schedules(c);
    else if (opt == OPT_HOST)
        offer_hosts(c);
    else if (opt == OPT_DECODE)
        offer_each(c, "auto gzip bzip2 xz zstd none");
    else if (opt == OPT_DIGEST)
        offer_each(c, "sha256 sha384 sha512");
    else if (opt == OPT_CHARSET)
        offer_each(c, "utf-8 windows-1252 windows-1251 iso-8859-15 shift_jis euc-jp gb18030 big5 "
                      "euc-kr utf-16");
    else if (opt == OPT_SINCE)
        offer_each(c, "today yesterday 1h 1d");
    else if (opt == OPT_JITTER)
        offer_each(c, "none");
    else if (opt == OPT_CRON)
        offer_each(c, "@hourly @daily @weekly @monthly @yearly");
    else if (strchr(arg, '|'))
        offer_each(c, arg);
}

static void offer_named(struct completion *c, const char *kind)
{
    if (strcmp(kind, "host") == 0)
        offer_hosts(c);
    else if (strcmp(kind, "parser") == 0)
        offer_parsers(c, false);
    else if (strcmp(kind, "schedule") == 0)
        offer_schedules(c);
}

static void offer_of_fleet(struct completion *c)
{
    struct answer answer;
    size_t i;
    json_t *member, *list;
    if (c->operand_count == 0) {
        offer_each(c, "evict");
        return;
    }
    if (c->operand_count != 1)
        return;
    list = ask(c, "fleet", NULL, "members", &answer);
    json_array_foreach(list, i, member) offer(c, text(member, "name"), text(member, "machine"));
    answer_deinit(&answer);
}

static void offer_of_schedule(struct completion *c)
{
    const char *sub = c->operand_count > 0 ? c->operands[0] : NULL;
    if (!sub)
        offer_each(c, "apply add list export run remove");
    else if (strcmp(sub, "apply") == 0)
        c->directive = OFFER_FILES;
    else if (c->operand_count == 1 &&
             (strcmp(sub, "run") == 0 || strcmp(sub, "remove") == 0 || strcmp(sub, "export") == 0))
        offer_schedules(c);
}

static void offer_operand(struct completion *c)
{
    const char *name = c->command->name;
    bool first = c->operand_count == 0, many = c->command->max > 1;
    if (strcmp(name, "help") == 0 && first)
        offer_commands(c);
    else if (strcmp(name, "schedule") == 0)
        offer_of_schedule(c);
    else if (strcmp(name, "fleet") == 0)
        offer_of_fleet(c);
    else if (strcmp(name, "pause") == 0 || strcmp(name, "resume") == 0)
        first ? offer_each(c, "all host parser schedule") : offer_named(c, c->operands[0]);
    else if (strncmp(c->command->synopsis, "ID", 2) == 0 ||
             strncmp(c->command->synopsis, "[ID", 3) == 0) {
        if (first || many)
            offer_jobs(c);
    } else if (strcmp(name, "run") == 0 && !first) {
        offer(c, "--", "the command stands behind it");
    }
}

/* --- the line --------------------------------------------------------------------------------- */

static int find_option(const char *name, size_t len)
{
    for (int i = 0; i < OPT_COUNT_; i++)
        if (strlen(opt_defs[i].name) == len && memcmp(opt_defs[i].name, name, len) == 0)
            return i;
    return -1;
}

static void take_operand(struct completion *c, const char *word)
{
    if (c->command) {
        if (c->operand_count < sizeof c->operands / sizeof *c->operands)
            c->operands[c->operand_count++] = word;
        return;
    }
    for (const struct command *command = commands; command->name; command++)
        if (strcmp(command->name, word) == 0)
            c->command = command;
}

static void take_value(struct completion *c, int opt, const char *value)
{
    if (opt == OPT_SOCKET)
        c->socket = value;
    else if (opt == OPT_PARSER)
        c->parser = value;
}

/* The words before the last. Returns the option whose value the last one is, or -1. */
static int take_words(struct completion *c, int count, char *const *words)
{
    for (int i = 0; i + 1 < count; i++) {
        const char *word = words[i];
        if (strcmp(word, "--") == 0) {
            c->directive = OFFER_COMMAND;
            c->command_at = (size_t)i + 1;
            return -1;
        }
        if (strncmp(word, "--", 2) != 0) {
            take_operand(c, word);
            continue;
        }
        const char *equals = strchr(word, '=');
        int opt = find_option(word + 2, equals ? (size_t)(equals - word - 2) : strlen(word + 2));
        if (opt < 0 || !opt_defs[opt].arg)
            continue;
        if (equals)
            take_value(c, opt, equals + 1);
        else if (i + 2 == count)
            return opt;
        else
            take_value(c, opt, words[++i]);
    }
    return -1;
}

static void offer_for(struct completion *c, int value_of)
{
    const char *word = c->typed, *equals = strchr(word, '=');
    if (c->directive == OFFER_COMMAND)
        return;
    if (value_of < 0 && strncmp(word, "--", 2) == 0 && equals) {
        value_of = find_option(word + 2, (size_t)(equals - word - 2));
        if (value_of < 0 || !opt_defs[value_of].arg)
            return;
        c->lead = word;
        c->lead_len = (size_t)(equals + 1 - word);
        c->typed = equals + 1;
    }
    if (value_of >= 0) {
        offer_value(c, (enum opt)value_of);
        return;
    }
    if (!c->command)
        offer_commands(c);
    else
        offer_operand(c);
    if (word[0] == '-')
        offer_options(c);
}

int complete_print(int count, char *const *words)
{
    struct completion c = {
        .typed = count > 0 ? words[count - 1] : "", .lead = "", .conn.wire.fd = -1};
    offer_for(&c, take_words(&c, count, words));
    if (c.directive == OFFER_COMMAND && c.command && (c.command->groups & GROUP_RUN))
        out_printf(":command %zu\n", c.command_at);
    else
        out_printf(c.directive == OFFER_FILES ? ":files\n" : ":none\n");
    wire_close(&c.conn.wire);
    return EXIT_ALL_WELL;
}
