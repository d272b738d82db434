#include "ctl/options.h"

#include <stdio.h>

/* clang-format off: a table */
const struct opt_def opt_defs[OPT_COUNT_] = {
    [OPT_SOCKET] = {"socket", "PATH", GROUP_GLOBAL, FORM_NONE, NULL, "the daemon's control socket"},
    [OPT_JSON] = {"json", NULL, GROUP_GLOBAL, FORM_NONE, NULL,
                  "answers as JSON, one object a line"},
    [OPT_HELP] = {"help", NULL, GROUP_GLOBAL, FORM_NONE, NULL, "as `help`, or `help COMMAND`"},
    [OPT_VERSION] = {"version", NULL, GROUP_GLOBAL, FORM_NONE, NULL, "the client's version"},

    [OPT_FROM] = {"from", "FILE|-", GROUP_SUBMIT, FORM_NONE, NULL,
                  "one URL or one JSON object a line; each is answered in order"},
    [OPT_WAIT] = {"wait", NULL, GROUP_SUBMIT, FORM_NONE, NULL, "until all have ended; prints how"},
    [OPT_FOLLOW] = {"follow", NULL, GROUP_SUBMIT, FORM_NONE, NULL,
                    "print their lines as they come, until all have ended"},

    [OPT_LIMIT] = {"limit", "N", GROUP_LIST, FORM_NONE, NULL, "at most so many"},

    [OPT_PRUNE] = {"prune", NULL, GROUP_APPLY, FORM_NONE, NULL,
                   "remove the schedules that the file does not have"},
    [OPT_DRY_RUN] = {"dry-run", NULL, GROUP_APPLY, FORM_NONE, NULL, "only tell what would change"},
    [OPT_FORCE] = {"force", NULL, GROUP_FORCE, FORM_NONE, NULL,
                   "download the body even if it is the same as before"},
    [OPT_EVERY] = {"every", "TIME", GROUP_TIMING, FORM_TEXT, NULL,
                   "from one run to the next: 5min"},
    [OPT_CRON] = {"cron", "EXPR", GROUP_TIMING, FORM_TEXT, NULL,
                  "minute, hour, day, month, weekday: '30 2 * * mon-fri'"},
    [OPT_TIMEZONE] = {"timezone", "ZONE", GROUP_TIMING, FORM_TEXT, NULL,
                      "of --cron: Europe/Berlin; the daemon's unless told"},
    [OPT_JITTER] = {"jitter", "TIME|none", GROUP_TIMING, FORM_TEXT, NULL,
                    "runs begin up to so much later, each schedule's by its own part"},
    [OPT_FAILING] = {"failing", NULL, GROUP_FAILING, FORM_NONE, NULL,
                     "only those whose last run failed; exit status 1 if there are any"},
    [OPT_TRAILER] = {"trailer", "TEXT", GROUP_RUN, FORM_NONE, NULL,
                     "a last line for the command, once the whole body is there"},
    [OPT_GRACE] = {"grace", "TIME", GROUP_RUN, FORM_NONE, NULL,
                   "to end in after SIGTERM, once it has the whole body"},
    [OPT_FOREGROUND] = {"foreground", NULL, GROUP_RUN, FORM_NONE, NULL,
                        "the command has the terminal from its start on"},
    [OPT_STDIN] = {"stdin", "pipe|socket", GROUP_RUN, FORM_NONE, NULL,
                   "socket: a cut is an error to it, whoever else is killed"},
    [OPT_OUTPUT] = {"output", "FILE", GROUP_METRICS, FORM_NONE, NULL,
                    "replace a file of node_exporter's textfile collector"},

    [OPT_INTERVAL] = {"interval", "TIME", GROUP_TOP, FORM_NONE, NULL, "from one look to the next"},
    [OPT_COUNT] = {"count", "N", GROUP_TOP, FORM_NONE, NULL,
                   "print so many pictures as plain text, and end"},

    [OPT_EVENTS] = {"events", "LIST", GROUP_STREAM, FORM_NONE, NULL,
                    "only these: start record attempt verdict stop"},
    [OPT_DATA] = {"data", NULL, GROUP_STREAM, FORM_NONE, NULL,
                  "bare records: what the parser emitted, a value a line"},

    [OPT_PARSER] = {"parser", "NAME", GROUP_PARSED | GROUP_SELECT, FORM_TEXT, NULL, "the parser"},
    [OPT_OPTION] = {"option", "K=V", GROUP_PARSED, FORM_PAIRS, "options",
                    "an option for the parser"},
    [OPT_LABEL] = {"label", "K=V", GROUP_JOB | GROUP_SELECT, FORM_PAIRS, "labels",
                   "a label; a job may have many"},
    [OPT_CREDENTIAL] = {"credential", "NAME", GROUP_JOB, FORM_TEXT, NULL,
                        "a credential of the daemon's config; never in a URL"},
    [OPT_HEADER] = {"header", "'NAME: V'", GROUP_JOB, FORM_LIST, "headers", "a request header"},
    [OPT_METHOD] = {"method", "GET|POST", GROUP_JOB, FORM_TEXT, NULL, "POST if there is a body"},
    [OPT_BODY] = {"body", "FILE|-", GROUP_JOB, FORM_FILE, NULL, "the body of a POST"},
    [OPT_DELIVER] = {"deliver", "stream|commit", GROUP_PARSED, FORM_TEXT, NULL,
                     "records at once, or all together once done"},
    [OPT_DIGEST] = {"digest", "ALGO[:HEX]", GROUP_JOB, FORM_TEXT, NULL,
                    "compute a digest of the body, or demand this one"},
    [OPT_UNVERIFIED] = {"unverified", "fail|accept", GROUP_JOB, FORM_TEXT, NULL,
                        "a body whose end nobody can verify"},
    [OPT_ACCEPT_STATUS] = {"accept-status", "LIST", GROUP_JOB, FORM_TEXT, NULL,
                           "status codes whose body the parser gets as well: '404 5xx'"},
    [OPT_EXPECT_TYPE] = {"expect-type", "TYPE", GROUP_JOB, FORM_TEXT, NULL,
                         "fail unless the body is of this media type"},
    [OPT_MIN_BYTES] = {"min-bytes", "SIZE", GROUP_JOB, FORM_TEXT, NULL, "fail below"},
    [OPT_MIN_RECORDS] = {"min-records", "N", GROUP_PARSED, FORM_INTEGER, NULL, "fail below"},
    [OPT_MAX_ATTEMPTS] = {"max-attempts", "N", GROUP_JOB, FORM_INTEGER, NULL, "tries in all"},
    [OPT_MAX_BODY] = {"max-body", "SIZE", GROUP_JOB, FORM_TEXT, NULL, "fail above"},
    [OPT_MAX_REDIRECTS] = {"max-redirects", "N", GROUP_JOB, FORM_INTEGER, NULL, "hops followed"},
    [OPT_TIMEOUT] = {"timeout", "TIME", GROUP_JOB | GROUP_PATIENCE, FORM_TEXT, NULL,
                     "of the job, while it runs"},
    [OPT_CONNECT_TIMEOUT] = {"connect-timeout", "TIME", GROUP_JOB, FORM_TEXT, NULL,
                             "until the connection stands"},
    [OPT_FIRST_BYTE_TIMEOUT] = {"first-byte-timeout", "TIME", GROUP_JOB, FORM_TEXT, NULL,
                                "until the response begins"},
    [OPT_STALL_TIMEOUT] = {"stall-timeout", "TIME", GROUP_JOB, FORM_TEXT, NULL,
                           "without a byte from the origin"},
    [OPT_PARSE_TIMEOUT] = {"parse-timeout", "TIME", GROUP_JOB, FORM_TEXT, NULL, "of the parser"},
    [OPT_USER_AGENT] = {"user-agent", "TEXT", GROUP_JOB, FORM_TEXT, NULL, "sent to the origin"},
    [OPT_PRIORITY] = {"priority", "N", GROUP_JOB, FORM_INTEGER, NULL, "higher runs first"},
    [OPT_NOT_BEFORE] = {"not-before", "TIME", GROUP_JOB, FORM_LATER, NULL,
                        "a time, or a duration from now"},
    [OPT_KEY] = {"key", "KEY", GROUP_JOB, FORM_TEXT, NULL, "the same key gives the same job"},
    [OPT_KEEP_BODY] = {"keep-body", "never|failed", GROUP_PARSED, FORM_TEXT, NULL,
                       "keep the body that broke the parser"},
    [OPT_DECODE] = {"decode", "FORMAT", GROUP_JOB, FORM_TEXT, NULL,
                    "a compressed file: auto, gzip, bzip2, xz, zstd or none"},
    [OPT_MAX_DECODED] = {"max-decoded", "SIZE", GROUP_JOB, FORM_TEXT, NULL,
                         "fail above, once it is decoded"},
    [OPT_COMMIT_MAX] = {"commit-max", "SIZE", GROUP_PARSED, FORM_TEXT, NULL,
                        "fail above, of records held back"},
    [OPT_COMPRESS] = {"compress", "yes|no", GROUP_JOB, FORM_TEXT, NULL,
                      "ask the origin to encode the body"},
    [OPT_IP] = {"ip", "any|4|6", GROUP_JOB, FORM_TEXT, NULL, "connect by this version of IP only"},
    [OPT_DIGEST_HEADERS] = {"digest-headers", "verify|ignore", GROUP_JOB, FORM_TEXT, NULL,
                            "digests that the response itself names"},
    [OPT_ALLOW_DOWNGRADE] = {"allow-downgrade", "yes|no", GROUP_JOB, FORM_TEXT, NULL,
                             "follow a redirect from https to http"},
    [OPT_CHARSET] = {"charset", "NAME", GROUP_PARSED, FORM_TEXT, NULL,
                     "of text that says none itself; NAME! overrules what it says"},
    [OPT_CHARSET_ERRORS] = {"charset-errors", "fail|replace", GROUP_PARSED, FORM_TEXT, NULL,
                            "bytes that are no text in their charset"},

    [OPT_STATE] = {"state", "STATE", GROUP_SELECT, FORM_TEXT, NULL,
                   "queued, waiting, running, done, failed or cancelled"},
    [OPT_ERROR] = {"error", "KIND", GROUP_SELECT, FORM_TEXT, NULL, "failed for this reason"},
    [OPT_SCHEDULE] = {"schedule", "NAME", GROUP_SELECT, FORM_TEXT, NULL, "made by this schedule"},
    [OPT_HOST] = {"host", "NAME", GROUP_SELECT, FORM_TEXT, NULL, "of this host"},
    [OPT_SINCE] = {"since", "TIME", GROUP_SELECT, FORM_EARLIER, NULL,
                   "submitted since then: today, '2026-11-21 22:30', 1h (ago)"},
};
/* clang-format on */

const char *opt_json_name(enum opt opt, char *buf, size_t size)
{
    if (opt_defs[opt].json)
        return opt_defs[opt].json;
    snprintf(buf, size, "%s", opt_defs[opt].name);
    for (char *p = buf; *p; p++)
        if (*p == '-')
            *p = '_';
    return buf;
}
