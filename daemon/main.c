/* penstockd's command line. */
#include "app.h"
#include "base/error.h"
#include "load.h"
#include "parse/foreground.h"
#include "storage.h"
#include "terms/params.h"
#include "version.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: penstockd [--config FILE] [--set SECTION.KEY=VALUE]... [--check | --dump |\n"
    "                 --migrate]\n"
    "       penstockd --parse NAME [--plugin FILE.so] [--option K=V]... [--charset NAME]\n"
    "                 [--charset-errors fail|replace] [--decode FORMAT] [--content-type TYPE]\n"
    "                 [--cut N] [FILE|-]\n"
    "\n"
    "Downloads URLs and streams each body, under backpressure, into a parser. Runs in the "
    "foreground\n"
    "until SIGTERM; writes what the parsers find to its log, standard output unless told "
    "otherwise,\n"
    "as JSON lines. Jobs are submitted with penstockctl(1).\n"
    "\n"
    "  --config FILE            the configuration; else " PENSTOCK_SYSCONFDIR
    "/penstockd.conf, if it is there\n"
    "  --set SECTION.KEY=VALUE  as if it stood at the configuration's end; may be repeated\n"
    "  --check                  checks the configuration, says what is wrong, and ends\n"
    "  --dump                   prints the configuration in effect, with the file and line of "
    "each\n"
    "                           value, and ends; what looks like a secret is ***\n"
    "  --migrate                makes the tables of a store in PostgreSQL, or brings them up, "
    "and ends\n"
    "  --parse NAME             runs one parser on a file or standard input, without a daemon\n"
    "  --plugin FILE.so         a plug-in besides those of parse.plugin_dir\n"
    "  --option K=V             for that parser; may be repeated\n"
    "  --charset NAME           of text that says none itself; NAME! overrules what it says\n"
    "  --charset-errors fail|replace\n"
    "                           bytes that are no text in their charset\n"
    "  --decode FORMAT          a compressed file: auto, gzip, bzip2, xz, zstd or none\n"
    "  --content-type TYPE      as if a response had said so: text/csv; charset=koi8-r\n"
    "  --cut N                  breaks the body off at byte N, as a cut download would\n"
    "  --version, --help        print and end; the version with those of libcurl, libuv and "
    "SQLite\n"
    "\n"
    "SIGTERM: no new jobs; running ones go on for up to daemon.drain. A second one stops at once.\n"
    "SIGHUP: reopens the log's files and reads the configuration again, all or nothing.\n"
    "Exit: 0 all well, 1 it could not start, the configuration is wrong or the parse failed, 2 "
    "usage.\n";

enum {
    OPT_CONFIG = 1,
    OPT_SET,
    OPT_CHECK,
    OPT_DUMP,
    OPT_MIGRATE,
    OPT_VERSION,
    OPT_HELP,
    OPT_PARSE,
    OPT_PLUGIN,
    OPT_OPTION,
    OPT_CHARSET,
    OPT_CHARSET_ERRORS,
    OPT_DECODE,
    OPT_CONTENT_TYPE,
    OPT_CUT
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, OPT_CONFIG},
    {"set", required_argument, NULL, OPT_SET},
    {"check", no_argument, NULL, OPT_CHECK},
    {"dump", no_argument, NULL, OPT_DUMP},
    {"migrate", no_argument, NULL, OPT_MIGRATE},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
    {"parse", required_argument, NULL, OPT_PARSE},
    {"plugin", required_argument, NULL, OPT_PLUGIN},
    {"option", required_argument, NULL, OPT_OPTION},
    {"charset", required_argument, NULL, OPT_CHARSET},
    {"charset-errors", required_argument, NULL, OPT_CHARSET_ERRORS},
    {"decode", required_argument, NULL, OPT_DECODE},
    {"content-type", required_argument, NULL, OPT_CONTENT_TYPE},
    {"cut", required_argument, NULL, OPT_CUT},
    {NULL, 0, NULL, 0},
};

/* --parse and what goes with it. */
struct parse_line {
    const char *parser, *path;
    const char **options; /* K=V */
    size_t option_count;
    const char *charset, *charset_errors, *decode, *content_type; /* or NULL */
    long long cut;                                                /* -1: none */
};

struct command_line {
    struct load_options app;
    struct parse_line parse;
    const char **sets;
    bool check, dump, migrate;
};

static int refuse(const char *text, const char *arg)
{
    fprintf(stderr, "penstockd: %s%s\n%s", text, arg, "See penstockd --help.\n");
    return 2;
}

static int parse_cut(const char *text, long long *ret)
{
    char *end;
    long long n = strtoll(text, &end, 10);
    if (end == text || *end || n < 0)
        return -1;
    *ret = n;
    return 0;
}

/* -1: go on; else the exit status. */
static int read_options(int argc, char **argv, struct command_line *cl)
{
    int c;
    while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (c) {
        case OPT_CONFIG:
            cl->app.config = optarg;
            break;
        case OPT_SET:
            cl->sets[cl->app.set_count++] = optarg;
            break;
        case OPT_CHECK:
            cl->check = true;
            break;
        case OPT_DUMP:
            cl->dump = true;
            break;
        case OPT_MIGRATE:
            cl->migrate = true;
            break;
        case OPT_PARSE:
            cl->parse.parser = optarg;
            break;
        case OPT_PLUGIN:
            cl->app.plugin = optarg;
            break;
        case OPT_OPTION:
            cl->parse.options[cl->parse.option_count++] = optarg;
            break;
        case OPT_CHARSET:
            cl->parse.charset = optarg;
            break;
        case OPT_CHARSET_ERRORS:
            cl->parse.charset_errors = optarg;
            break;
        case OPT_DECODE:
            cl->parse.decode = optarg;
            break;
        case OPT_CONTENT_TYPE:
            cl->parse.content_type = optarg;
            break;
        case OPT_CUT:
            if (parse_cut(optarg, &cl->parse.cut) < 0)
                return refuse("--cut: a number of bytes is wanted, not ", optarg);
            break;
        case OPT_VERSION:
            version_print();
            return 0;
        case OPT_HELP:
            fputs(usage, stdout);
            return 0;
        default:
            fputs("See penstockd --help.\n", stderr);
            return 2;
        }
    }
    return -1;
}

static int split_options(const struct parse_line *parse, struct parse_pair *pairs)
{
    for (size_t i = 0; i < parse->option_count; i++) {
        char *copy = strdup(parse->options[i]);
        char *equals = copy ? strchr(copy, '=') : NULL;
        if (!equals) {
            fprintf(stderr, "penstockd: --option %s: NAME=VALUE is wanted\n", parse->options[i]);
            free(copy);
            return -EINVAL;
        }
        *equals = '\0';
        pairs[i] = (struct parse_pair){.name = copy, .value = equals + 1};
    }
    return 0;
}

static int set_param(struct job_params *params, const char *name, const char *option,
                     const char *value)
{
    struct error err;
    int r = value ? params_set(params, name, value, &err) : 0;
    if (r == -ENOMEM)
        fputs("penstockd: no memory\n", stderr);
    else if (r < 0)
        fprintf(stderr, "penstockd: --%s: %s\n", option, err.text);
    return r;
}

/* What a job would go by: the command line's, then those of the parser's section, then
 * [defaults]. */
static int merge_params(const struct loaded *l, const struct parse_line *parse,
                        struct job_params *params)
{
    const struct parser_def *def = registry_find(l->registry, parse->parser);
    const struct settings_parser *section = settings_parser_find(l->settings, parse->parser);
    int r = set_param(params, "charset", "charset", parse->charset);
    if (r == 0)
        r = set_param(params, "charset_errors", "charset-errors", parse->charset_errors);
    if (r == 0)
        r = set_param(params, "decode", "decode", parse->decode);
    if (r == 0 && section)
        r = params_inherit(params, &section->params);
    uint64_t asked = params->set;
    if (r == 0)
        r = params_inherit(params, &l->settings->defaults);
    if (r == 0 && def)
        params_fit(params, asked, def->impl);
    return r;
}

static void set_terms(struct foreground_terms *terms, const struct settings *settings,
                      const struct job_params *params)
{
    terms->record_bytes = settings->max_record;
    terms->decode = (struct decode_plan){.file = (enum decode_file)params->decode,
                                         .max_decoded = params->max_decoded,
                                         .max_ratio = settings->decode_ratio,
                                         .max_window = settings->decode_window};
    terms->text.replace = params->charset_errors == CHARSET_ERRORS_REPLACE;
    snprintf(terms->text.option, sizeof terms->text.option, "%s",
             params->charset ? params->charset : "");
}

/* The options' values are cut off their names in place. */
static int run_loaded(const struct loaded *l, const struct parse_line *parse,
                      struct parse_pair *pairs)
{
    struct job_params params = {0};
    int status = 2;
    if (split_options(parse, pairs) == 0 && merge_params(l, parse, &params) == 0) {
        struct foreground_terms terms = {.options = pairs,
                                         .option_count = parse->option_count,
                                         .content_type = parse->content_type,
                                         .cut_at = parse->cut};
        set_terms(&terms, l->settings, &params);
        status = foreground_run(l->registry, parse->parser, &terms, parse->path, stdout);
    }
    params_deinit(&params);
    return status;
}

static int run_parser(const struct load_options *options, const struct parse_line *parse)
{
    struct error err;
    struct loaded l;
    int status = 2;
    signal(SIGPIPE, SIG_IGN);
    if (loaded_read(options, &l, &err) < 0) {
        fprintf(stderr, "penstockd: %s\n", err.text);
        return 2;
    }
    struct parse_pair *pairs = calloc(parse->option_count + 1, sizeof *pairs);
    if (pairs)
        status = run_loaded(&l, parse, pairs);
    for (size_t i = 0; pairs && i < parse->option_count; i++)
        free((char *)pairs[i].name);
    free(pairs);
    loaded_free(&l);
    return status;
}

static int migrate(const struct load_options *options)
{
    struct error err;
    struct loaded l;
    int r = loaded_read(options, &l, &err);
    if (r == 0) {
        r = storage_migrate(l.settings, &err);
        loaded_free(&l);
    }
    if (r < 0)
        fprintf(stderr, "penstockd: %s\n", err.text);
    return r < 0;
}

static int dispatch(int argc, char **argv, struct command_line *cl)
{
    cl->app.sets = cl->sets;
    if (cl->parse.parser) {
        if (argc - optind > 1)
            return refuse("--parse: one file at most, also given: ", argv[optind + 1]);
        cl->parse.path = optind < argc && strcmp(argv[optind], "-") != 0 ? argv[optind] : NULL;
        return run_parser(&cl->app, &cl->parse);
    }
    if (optind < argc)
        return refuse("not understood: ", argv[optind]);
    if (cl->parse.option_count > 0 || cl->parse.cut >= 0 || cl->app.plugin || cl->parse.charset ||
        cl->parse.charset_errors || cl->parse.decode || cl->parse.content_type)
        return refuse(
            "--plugin, --option, --charset, --charset-errors, --decode, --content-type and "
            "--cut go with --parse",
            "");
    if (cl->migrate)
        return migrate(&cl->app);
    if (cl->dump)
        return load_dump(&cl->app, stdout);
    return cl->check ? load_check(&cl->app) : app_run(&cl->app);
}

int main(int argc, char **argv)
{
    struct command_line cl = {.parse.cut = -1};
    cl.sets = calloc((size_t)argc, sizeof *cl.sets);
    cl.parse.options = calloc((size_t)argc, sizeof *cl.parse.options);
    int status = 1;
    if (!cl.sets || !cl.parse.options) {
        fputs("penstockd: no memory\n", stderr);
    } else {
        status = read_options(argc, argv, &cl);
        if (status < 0)
            status = dispatch(argc, argv, &cl);
    }
    free(cl.sets);
    free(cl.parse.options);
    return status;
}
