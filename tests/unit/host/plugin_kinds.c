/* A plug-in that does as its option `act` says, and others that will not do, each in its own way.
 * KIND says which one this is. */
#include "penstock/parser.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum kind { ACTING, SETUP, ABI, SIZE, NAME, SUMMARY, PARSE, OPTION, HELP, TWICE, SYMBOL };

static const struct penstock_option options[] = {
    {"act", "count", "what to do"},
    {"limit", NULL, "none"},
    {.name = KIND == OPTION  ? "Wrong"
             : KIND == TWICE ? "act"
                             : "third",
     .help = KIND == HELP ? NULL : "the third"},
    {0},
};

static int check(const char *(*get)(void *arg, const char *name), void *arg, char *message,
                 size_t size)
{
    const char *limit = get(arg, "limit");
    if (!limit || strcmp(limit, "none") != 0)
        return 0;
    snprintf(message, size, "limit: there has to be one");
    return 1;
}

static int emit(struct penstock_run *run, const char *text)
{
    return run->emit(run, text, strlen(text));
}

static int count(FILE *body, struct penstock_run *run)
{
    char text[64];
    size_t bytes = 0;
    while (getc(body) != EOF)
        bytes++;
    snprintf(text, sizeof text, "%zu", bytes);
    return ferror(body) ? PENSTOCK_FAILED : emit(run, text);
}

static int tell_facts(struct penstock_run *run)
{
    char text[512];
    const char *none = run->option(run, "limit"), *type = run->header(run, "content-TYPE");
    snprintf(text, sizeof text,
             "{\"url\":\"%s\",\"status\":%d,\"type\":\"%s\",\"who\":\"%s\",\"limit\":\"%s\"}",
             run->url(run), run->status(run), type ? type : "-", run->label(run, "who"),
             none ? none : "-");
    return emit(run, text);
}

/* What is open, besides the body, standard error twice and the way of the records. */
static int list_descriptors(struct penstock_run *run)
{
    char text[512] = "[";
    for (int fd = 0; fd < 256; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d", fd ? "," : "", fd);
    strcat(text, "]");
    return emit(run, text);
}

/* The errors of what a parser has no need of. */
static int try_outside(struct penstock_run *run)
{
    char text[128];
    int file = open("/etc/hostname", O_RDONLY) < 0 ? errno : 0;
    int net = socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
    pid_t pid = fork();
    int child = pid < 0 ? errno : 0;
    if (pid == 0)
        _exit(0);
    snprintf(text, sizeof text, "[%d,%d,%d]", file, net, child);
    return emit(run, text);
}

/* Reads to the cut; what it meets there it says on standard error. */
static int meet_the_cut(FILE *body, struct penstock_run *run)
{
    emit(run, "\"reading\"");
    errno = 0;
    while (getc(body) != EOF)
        ;
    int met = errno, emitted = emit(run, "\"late\"");
    fprintf(stderr, "%s, errno %d, emit %d, cancelled %d\n", ferror(body) ? "an error" : "an end",
            met, emitted, run->cancelled(run) != 0);
    return PENSTOCK_FAILED;
}

static int parse(FILE *body, struct penstock_run *run)
{
    const char *act = run->option(run, "act");
    if (strcmp(act, "facts") == 0)
        return tell_facts(run);
    if (strcmp(act, "descriptors") == 0)
        return list_descriptors(run);
    if (strcmp(act, "outside") == 0)
        return try_outside(run);
    if (strcmp(act, "cut") == 0)
        return meet_the_cut(body, run);
    if (strcmp(act, "fail") == 0)
        return run->fail(run, 7, 42, "the seventh line is odd");
    if (strcmp(act, "silent") == 0)
        return PENSTOCK_FAILED;
    if (strcmp(act, "torn") == 0)
        return emit(run, "{]") < 0 ? PENSTOCK_FAILED : PENSTOCK_OK;
    if (strcmp(act, "enough") == 0)
        return emit(run, "1") < 0 ? PENSTOCK_FAILED : PENSTOCK_ENOUGH;
    if (strcmp(act, "print") == 0)
        return puts("not a record") < 0 ? PENSTOCK_FAILED : count(body, run);
    if (strcmp(act, "repair") == 0)
        run->repaired(run, 3);
    if (strcmp(act, "abort") == 0)
        abort();
    if (strcmp(act, "exit") == 0)
        _exit(0);
    return count(body, run);
}

static int fail_to_set_up(void)
{
    return 1;
}

const struct penstock_parser PLUGIN_SYMBOL = {
    .abi = PENSTOCK_PARSER_ABI + (KIND == ABI),
    .size = KIND == SIZE ? 8 : sizeof(struct penstock_parser),
    .name = KIND == NAME ? "Acting Up" : "acting",
    .summary = KIND == SUMMARY ? "" : "does \"as\" it is told",
    .options = options,
    .check = check,
    .setup = KIND == SETUP ? fail_to_set_up : NULL,
    .parse = KIND == PARSE ? NULL : parse,
};

/* One that is loaded is not to speak in the place of whoever loads it. */
__attribute__((constructor)) static void boast(void)
{
    puts("{\"name\":\"everything\"}");
    fflush(stdout);
}
