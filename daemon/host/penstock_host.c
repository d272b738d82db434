#include "host/supervisor.h"
#include "host/describe.h"
#include "host/settle.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: penstock-host --describe FILE.so    prints what a plug-in says of itself, as JSON\n"
    "       penstock-host --settle             ends what this service's daemon left, in order\n"
    "       penstock-host --version | --help\n"
    "\n"
    "penstockd starts this program for each job whose parser is a pipeline or an isolated "
    "plug-in.\n";

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--run") == 0)
        return host_run();
    if (argc == 3 && strcmp(argv[1], "--describe") == 0)
        return plugin_describe(argv[2]);
    if (argc == 2 && strcmp(argv[1], "--settle") == 0)
        return host_settle();
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("penstock-host " PENSTOCK_VERSION);
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    fputs(usage, stderr);
    return 2;
}
