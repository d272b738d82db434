#include "ctl/help.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct {
    unsigned group;
    const char *title;
} groups[] = {
    {GROUP_SUBMIT, "Afterwards, and where from"},
    {GROUP_LIST, "How many"},
    {GROUP_STREAM, "Which lines"},
    {GROUP_APPLY, "With apply"},
    {GROUP_RELOAD, "Whether"},
    {GROUP_RECORDS, "Which"},
    {GROUP_CHECK, "How far"},
    {GROUP_TIMING, "When, with add"},
    {GROUP_FAILING, "With list"},
    {GROUP_FORCE, "With run"},
    {GROUP_TOP, "How often"},
    {GROUP_METRICS, "Where to"},
    {GROUP_RUN, "The command"},
    {GROUP_PARSED, "What becomes of the body"},
    {GROUP_JOB, "The job (the same names, with _, in JSON and in the daemon's config)"},
    {GROUP_SELECT, "SELECT: which jobs"},
    {GROUP_BEFORE, "Where to go on"},
    {GROUP_PATIENCE, "How long"},
    {GROUP_GLOBAL, "Everywhere"},
};

/* What holds unless the daemon's config says otherwise (config/penstockd.conf); of the client's own
 * options, always. */
static const struct {
    enum opt opt;
    const char *value;
} standards[] = {
    {OPT_GRACE, "10s"},
    {OPT_STDIN, "pipe"},
    {OPT_LIMIT, "50"},
    {OPT_INTERVAL, "1s"},
    {OPT_PARSER, "count"},
    {OPT_METHOD, "GET"},
    {OPT_DELIVER, "stream"},
    {OPT_UNVERIFIED, "fail"},
    {OPT_MIN_BYTES, "0"},
    {OPT_MIN_RECORDS, "0"},
    {OPT_MAX_ATTEMPTS, "5"},
    {OPT_MAX_BODY, "none"},
    {OPT_MAX_REDIRECTS, "10"},
    {OPT_TIMEOUT, "1d"},
    {OPT_CONNECT_TIMEOUT, "10s"},
    {OPT_FIRST_BYTE_TIMEOUT, "60s"},
    {OPT_STALL_TIMEOUT, "60s"},
    {OPT_PARSE_TIMEOUT, "1h"},
    {OPT_PRIORITY, "0"},
    {OPT_KEEP_BODY, "never"},
    {OPT_DECODE, "auto"},
    {OPT_MAX_DECODED, "64G"},
    {OPT_COMMIT_MAX, "1G"},
    {OPT_COMPRESS, "no"},
    {OPT_IP, "any"},
    {OPT_DIGEST_HEADERS, "verify"},
    {OPT_ALLOW_DOWNGRADE, "no"},
    {OPT_CHARSET_ERRORS, "fail"},
    {OPT_KEEP_RECORDS, "no"},
};

const char *help_standard(enum opt opt)
{
    for (size_t i = 0; i < sizeof standards / sizeof *standards; i++)
        if (standards[i].opt == opt)
            return standards[i].value;
    return NULL;
}

static const struct {
    const char *command, *lines[2];
} examples[] = {
    {"run",
     {"run https://example.org/rates.csv -- wc -l",
      "run --max-attempts 3 https://example.org/dump.gz -- sh -c 'zcat | load'"}},
    {"submit",
     {"submit https://example.org/people.csv --parser csv --follow --data",
      "submit --from urls.txt --label run=7 --max-body 1G"}},
    {"list", {"list --state failed --since today", "list --label run=7 --limit 1000"}},
    {"show", {"show 42", "show 42 --json"}},
    {"explain", {"explain 42", "explain 42 --timeout 5s"}},
    {"records", {"records 42", "records 42 --attempt 2"}},
    {"wait", {"wait 42 43 44", "wait 42 --timeout 10min"}},
    {"follow", {"follow --events attempt,verdict", "follow 42 --data"}},
    {"cancel", {"cancel 42", "cancel --host example.org --state queued"}},
    {"retry", {"retry 42", "retry --state failed --since 1h"}},
    {"ping", {"ping", "ping --timeout 2s"}},
    {"top", {"top", "top --count 3 --interval 10s"}},
    {"stats", {"stats", "stats --json"}},
    {"fleet", {"fleet", "fleet evict db-worker-3"}},
    {"parsers", {"parsers", "parsers --json"}},
    {"metrics", {"metrics", "metrics --output /var/lib/node_exporter/penstock.prom"}},
    {"check-url",
     {"check-url --head https://example.org/people.csv",
      "check-url http://10.0.0.7/x --parser csv --json"}},
    {"reload", {"reload", "reload --dry-run"}},
    {"backup", {"backup /srv/backup/penstock.db", "backup --force /srv/backup/penstock.db"}},
    {"pause", {"pause host example.org", "pause all"}},
    {"resume", {"resume host example.org", "resume all"}},
    {"schedule",
     {"schedule add people https://example.org/people.csv --parser csv --every 5min",
      "schedule export 'feeds-*'"}},
    {"help", {"help submit", "help"}},
};

static void put_examples(struct buf *b, const struct command *command)
{
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        if (strcmp(examples[i].command, command->name) != 0)
            continue;
        buf_puts(b, "\nExamples\n");
        for (size_t k = 0; k < 2; k++)
            buf_printf(b, "  penstockctl %s\n", examples[i].lines[k]);
    }
}

/* What the values of these options are. */
static void put_units(struct buf *b, unsigned taken)
{
    bool time = false, size = false, standard = false;
    for (int i = 0; i < OPT_COUNT_; i++) {
        const char *arg = opt_defs[i].arg;
        if (!arg || !(opt_defs[i].groups & taken))
            continue;
        time |= strncmp(arg, "TIME", 4) == 0;
        size |= strcmp(arg, "SIZE") == 0;
        standard |= help_standard((enum opt)i) != NULL;
    }
    if (time || size || standard)
        buf_puts(b, "\n");
    if (standard)
        buf_puts(b,
                 "In brackets: what holds unless told; for jobs, unless the daemon's config says "
                 "otherwise.\n");
    if (time)
        buf_puts(b, "TIME: 90 or 90s, 500ms, 5min, 1h, 7d; for a point in time also today, "
                    "'2026-11-21 22:30'.\n");
    if (size)
        buf_puts(b, "SIZE: 4096, 64K, 10M, 1G, 1T (powers of 1024).\n");
}

static void put_option(struct buf *b, enum opt opt, unsigned group)
{
    const struct opt_def *def = &opt_defs[opt];
    bool selects = group == GROUP_SELECT || group == GROUP_PATIENCE;
    const char *standard = selects ? NULL : help_standard(opt);
    const char *help =
        group == GROUP_PATIENCE ? "for the daemon, in all; then exit status 3" : def->help;
    char left[64];
    snprintf(left, sizeof left, "--%s%s%s", def->name, def->arg ? " " : "",
             def->arg ? def->arg : "");
    buf_printf(b, strlen(left) <= 28 ? "  %-28s %s" : "  %s\n                               %s",
               left, help);
    if (standard)
        buf_printf(b, " [%s]", standard);
    buf_putc(b, '\n');
}

static void put_group(struct buf *b, unsigned group, const char *title)
{
    buf_printf(b, "\n%s\n", title);
    for (int i = 0; i < OPT_COUNT_; i++)
        if (opt_defs[i].groups & group)
            put_option(b, (enum opt)i, group);
}

void help_put_command(struct buf *b, const struct command *command)
{
    const char *summary = command->summary;
    size_t len = strlen(summary);
    buf_printf(b, "usage: penstockctl %s%s%s\n\n%c%s%s\n", command->name,
               *command->synopsis ? " " : "", command->synopsis, toupper(summary[0]), summary + 1,
               len > 0 && summary[len - 1] == '?' ? "" : ".");
    if (command->more)
        buf_printf(b, "\n%s", command->more);
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (groups[i].group & (command->groups | GROUP_GLOBAL))
            put_group(b, groups[i].group, groups[i].title);
    put_units(b, command->groups);
    put_examples(b, command);
}

void help_put(struct buf *b, const struct command *commands)
{
    buf_puts(b, "usage: penstockctl [--socket PATH] [--json] COMMAND [ARG...]\n\n");
    for (const struct command *c = commands; c->name; c++) {
        if (c->hidden)
            continue;
        int len = (int)(strlen(c->name) + 1 + strlen(c->synopsis));
        buf_printf(b, "  %s %s", c->name, c->synopsis);
        if (len <= 30)
            buf_printf(b, "%*s%s\n", 32 - len, "", c->summary);
        else
            buf_printf(b, "\n%*s%s\n", 34, "", c->summary);
    }
    put_group(b, GROUP_SELECT, "SELECT");
    put_group(b, GROUP_GLOBAL,
              "Options stand anywhere; `penstockctl help COMMAND` tells of a command's own");
    buf_puts(b, "\nSocket: --socket, else $PENSTOCK_SOCKET, else "
                "$XDG_RUNTIME_DIR/penstock/control.sock or\n"
                "        /tmp/penstock-UID/control.sock if a daemon answers there, else\n"
                "        /run/penstock/control.sock\n"
                "Exit:   0 all well  1 a job failed or was cancelled  2 usage\n"
                "        3 daemon unreachable, refused, or lines were missed  130 interrupted\n");
}
