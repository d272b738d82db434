#include "base/buf.h"
#include "ctl/commands.h"
#include "ctl/complete.h"
#include "ctl/ctl.h"
#include "ctl/help.h"
#include "ctl/out.h"
#include "ctl/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Else the socket could get a number that others write to. */
static void fill_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) < 0)
            _exit(EXIT_REFUSED);
}

/* `help submit` and `submit --help` say the same. */
static int print_help(const struct args *args)
{
    struct buf b = BUF_INIT;
    struct error err;
    const struct command *about = args->command;
    bool asked = about && !about->run && !args_has(args, OPT_HELP);
    if (about && !about->run && args->operand_count > 0) {
        about = args_command(commands, args->operands[0], &err);
        if (!about)
            return ctl_fail(-EINVAL, &err);
    } else if (asked) {
        about = NULL;
    }
    if (about)
        help_put_command(&b, about);
    else
        help_put(&b, commands);
    out_take(&b);
    return EXIT_ALL_WELL;
}

static int usage(const char *message)
{
    out_error("%s", message);
    return EXIT_USAGE;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
    struct error err;
    if (argc > 1 && strcmp(argv[1], "__complete") == 0)
        return complete_print(argc - 2, argv + 2);
    int r = args_parse(&ctl->args, commands, argc, argv, &err);
    if (r < 0)
        return usage(err.text);
    if (args_has(&ctl->args, OPT_HELP) || (ctl->args.command && !ctl->args.command->run))
        return print_help(&ctl->args);
    if (args_has(&ctl->args, OPT_VERSION)) {
        out_printf("penstockctl %s\n", PENSTOCK_VERSION);
        return EXIT_ALL_WELL;
    }
    if (!ctl->args.command)
        return usage("which command? (penstockctl help lists them)");
    ctl->json = args_has(&ctl->args, OPT_JSON);
    return ctl->args.command->run(ctl);
}

int main(int argc, char **argv)
{
    struct ctl ctl = {.conn = {.wire.fd = -1}};
    fill_standard_descriptors();
    signals_note();
    out_init();
    int status = run(&ctl, argc, argv);
    out_flush();
    wire_close(&ctl.conn.wire);
    args_deinit(&ctl.args);
    return status;
}
