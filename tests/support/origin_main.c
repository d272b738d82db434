/* test-origin: the misbehaving origin as a program. */
#include "base/fd.h"
#include "support/origin.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int usage(FILE *out, int code)
{
    fputs(
        "usage: test-origin [OPTION...]\n"
        "Serves HTTP/1.1 on loopback, with the faults that each URL asks for. Prints its base URL\n"
        "on a line once it is ready. Ends on SIGTERM or SIGINT.\n\n"
        "  --port N         0 (any) unless told\n"
        "  --ipv6           on ::1 in place of 127.0.0.1\n"
        "  --root DIR       serves the files below DIR at /file/\n"
        "  --tls[=KIND]     good, wrong-name, expired, self-signed or silent (never shakes hands)\n"
        "  --ca FILE        writes the CA's certificate there\n"
        "  --send-buffer N  SO_SNDBUF of each connection\n"
        "  --until-eof      ends at the end of its standard input, too\n"
        "  --help           this, and all that a URL can ask for\n",
        out);
    if (code == 0)
        origin_help(out);
    return code;
}

static bool parse_tls(const char *kind, enum origin_tls *ret)
{
    static const char *const kinds[] = {"",        "good",        "wrong-name",
                                        "expired", "self-signed", "silent"};
    for (size_t i = 1; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (!kind || strcmp(kind, kinds[i]) == 0) {
            *ret = (enum origin_tls)i;
            return true;
        }
    }
    return false;
}

/* -1: run; else the exit code. */
static int parse_options(int argc, char **argv, struct origin_config *config, bool *ret_until_eof)
{
    static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                            {"ipv6", no_argument, NULL, '6'},
                                            {"root", required_argument, NULL, 'r'},
                                            {"tls", optional_argument, NULL, 't'},
                                            {"ca", required_argument, NULL, 'c'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"send-buffer", required_argument, NULL, 's'},
                                            {"until-eof", no_argument, NULL, 'e'},
                                            {0}};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'p')
            config->port = (uint16_t)atoi(optarg);
        else if (c == '6')
            config->ipv6 = true;
        else if (c == 'r')
            config->root = optarg;
        else if (c == 'c')
            config->ca_file = optarg;
        else if (c == 's')
            config->send_buffer = atoi(optarg);
        else if (c == 'e')
            *ret_until_eof = true;
        else if (c == 'h')
            return usage(stdout, 0);
        else if (c != 't' || !parse_tls(optarg, &config->tls))
            return usage(stderr, 2);
    }
    return optind < argc ? usage(stderr, 2) : -1;
}

static void wait_for_end(int signals, bool until_eof)
{
    struct pollfd fds[] = {{.fd = signals, .events = POLLIN},
                           {.fd = until_eof ? STDIN_FILENO : -1, .events = POLLIN}};
    char byte[256];
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return;
        if (fds[0].revents || (fds[1].revents && read(STDIN_FILENO, byte, sizeof byte) <= 0))
            return;
    }
}

int main(int argc, char **argv)
{
    struct origin_config config = {0};
    bool until_eof = false;
    int code = parse_options(argc, argv, &config, &until_eof);
    if (code >= 0)
        return code;
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    int signals = signalfd(-1, &ends, SFD_CLOEXEC);
    fd_raise_limit();
    struct origin *origin = signals < 0 ? NULL : origin_new(&config);
    if (!origin)
        return 1;
    char url[128];
    printf("%s\n", origin_url(origin, url, sizeof url, "%s", ""));
    fflush(stdout);
    wait_for_end(signals, until_eof);
    origin_free(origin);
    fd_close(&signals);
    return 0;
}
