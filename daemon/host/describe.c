#include "host/describe.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/json_string.h"
#include "parse/plugin_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static void put_text(struct buf *b, const char *name, const char *value)
{
    buf_printf(b, "\"%s\":", name);
    if (value)
        json_put_string(b, value, strlen(value));
    else
        buf_puts(b, "null");
}

static void describe(struct buf *b, const struct penstock_parser *parser)
{
    buf_printf(b, "{\"abi\":%u,", parser->abi);
    put_text(b, "name", parser->name);
    buf_putc(b, ',');
    put_text(b, "summary", parser->summary);
    buf_printf(b, ",\"flags\":%u,\"stdio\":%s,\"options\":[", parser_flags(parser),
               parser_flags(parser) & PENSTOCK_PARSER_STDIO ? "true" : "false");
    for (const struct penstock_option *o = parser->options; o && o->name; o++) {
        buf_puts(b, o == parser->options ? "{" : ",{");
        put_text(b, "name", o->name);
        buf_putc(b, ',');
        put_text(b, "default", o->standard);
        buf_putc(b, ',');
        put_text(b, "help", o->help);
        buf_putc(b, '}');
    }
    buf_puts(b, "]}\n");
}

/* A shared object runs code of its own when it is loaded: it is not to say anything in our place,
 * nor to take long. */
static int fence(void)
{
    struct rlimit cpu = {.rlim_cur = 5, .rlim_max = 6}, core = {0};
    int out = fd_dup(STDOUT_FILENO), null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (out < 0 || null < 0)
        return -1;
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    setrlimit(RLIMIT_CPU, &cpu);
    setrlimit(RLIMIT_CORE, &core);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return out;
}

int plugin_describe(const char *file)
{
    struct buf b = BUF_INIT;
    struct error err = {""};
    int out = fence();
    if (out < 0)
        return 1;
    const struct penstock_parser *parser = plugin_open(file, &err);
    if (parser)
        describe(&b, parser);
    else
        buf_printf(&b, "%s", err.text);
    int r = b.failed ? -ENOMEM : fd_write_all(out, b.data, b.len);
    /* What the object wants to do at the exit is not asked for. */
    _exit(parser && r == 0 ? 0 : 1);
}
