#include "ctl/help.h"

#include <ctype.h>
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
    {GROUP_TIMING, "When, with add"},
    {GROUP_FAILING, "With list"},
    {GROUP_FORCE, "With run"},
    {GROUP_TOP, "How often"},
    {GROUP_METRICS, "Where to"},
    {GROUP_RUN, "The command"},
    {GROUP_PARSED, "What becomes of the body"},
    {GROUP_JOB, "The job (the same names, with _, in JSON and in the daemon's config)"},
    {GROUP_SELECT, "SELECT: which jobs"},
    {GROUP_PATIENCE, "How long"},
    {GROUP_GLOBAL, "Everywhere"},
};

static void put_option(struct buf *b, const struct opt_def *def, unsigned group)
{
    const char *help =
        group == GROUP_PATIENCE ? "for the daemon, in all; then exit status 3" : def->help;
    char left[64];
    snprintf(left, sizeof left, "--%s%s%s", def->name, def->arg ? " " : "",
             def->arg ? def->arg : "");
    buf_printf(b, strlen(left) <= 28 ? "  %-28s %s\n" : "  %s\n                               %s\n",
               left, help);
}

static void put_group(struct buf *b, unsigned group, const char *title)
{
    buf_printf(b, "\n%s\n", title);
    for (int i = 0; i < OPT_COUNT_; i++)
        if (opt_defs[i].groups & group)
            put_option(b, &opt_defs[i], group);
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
              "Options stand anywhere; `penstockctl COMMAND --help` lists a command's own");
    buf_puts(b, "\nSocket: --socket, else $PENSTOCK_SOCKET, else "
                "$XDG_RUNTIME_DIR/penstock/control.sock or\n"
                "        /tmp/penstock-UID/control.sock if a daemon answers there, else\n"
                "        /run/penstock/control.sock\n"
                "Exit:   0 all well  1 a job failed or was cancelled  2 usage\n"
                "        3 daemon unreachable, refused, or lines were missed  130 interrupted\n");
}
