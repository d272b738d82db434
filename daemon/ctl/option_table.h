/* The client's options: one table, from which the parser of arguments, the help texts, the JSON of
 * jobs and selections, and a test of the man page all follow. */
#ifndef PENSTOCK_CTL_OPTION_TABLE_H
#define PENSTOCK_CTL_OPTION_TABLE_H

#include <stddef.h>

enum opt {
    OPT_SOCKET,
    OPT_JSON,
    OPT_HELP,
    OPT_VERSION,
    OPT_FROM,
    OPT_WAIT,
    OPT_FOLLOW,
    OPT_LIMIT,
    OPT_BEFORE,
    OPT_PRUNE,
    OPT_DRY_RUN,
    OPT_FORCE,
    OPT_HEAD,
    OPT_TRAILER,
    OPT_GRACE,
    OPT_FOREGROUND,
    OPT_STDIN,
    OPT_EVERY,
    OPT_CRON,
    OPT_TIMEZONE,
    OPT_JITTER,
    OPT_FAILING,
    OPT_INTERVAL,
    OPT_COUNT,
    OPT_OUTPUT,
    OPT_EVENTS,
    OPT_DATA,
    OPT_ATTEMPT,
    OPT_PARSER,
    OPT_OPTION,
    OPT_LABEL,
    OPT_CREDENTIAL,
    OPT_HEADER,
    OPT_METHOD,
    OPT_BODY,
    OPT_DELIVER,
    OPT_DIGEST,
    OPT_UNVERIFIED,
    OPT_ACCEPT_STATUS,
    OPT_EXPECT_TYPE,
    OPT_MIN_BYTES,
    OPT_MIN_RECORDS,
    OPT_MAX_ATTEMPTS,
    OPT_MAX_BODY,
    OPT_MAX_REDIRECTS,
    OPT_TIMEOUT,
    OPT_CONNECT_TIMEOUT,
    OPT_FIRST_BYTE_TIMEOUT,
    OPT_STALL_TIMEOUT,
    OPT_PARSE_TIMEOUT,
    OPT_USER_AGENT,
    OPT_PRIORITY,
    OPT_NOT_BEFORE,
    OPT_KEY,
    OPT_KEEP_BODY,
    OPT_DECODE,
    OPT_MAX_DECODED,
    OPT_COMMIT_MAX,
    OPT_COMPRESS,
    OPT_IP,
    OPT_DIGEST_HEADERS,
    OPT_ALLOW_DOWNGRADE,
    OPT_CHARSET,
    OPT_CHARSET_ERRORS,
    OPT_KEEP_RECORDS,
    OPT_STATE,
    OPT_ERROR,
    OPT_SCHEDULE,
    OPT_HOST,
    OPT_SINCE,
    OPT_COUNT_
};

/* Which commands take an option: each has a mask of these. */
enum opt_group {
    GROUP_GLOBAL = 1 << 0,
    GROUP_SUBMIT = 1 << 1,
    GROUP_LIST = 1 << 2,
    GROUP_STREAM = 1 << 3, /* how followed lines are printed */
    GROUP_JOB = 1 << 4,
    GROUP_SELECT = 1 << 5,
    GROUP_APPLY = 1 << 6,
    GROUP_TIMING = 1 << 7,
    GROUP_FAILING = 1 << 8,
    GROUP_TOP = 1 << 9,
    GROUP_METRICS = 1 << 10,
    GROUP_FORCE = 1 << 11,
    GROUP_RUN = 1 << 13,
    GROUP_RELOAD = 1 << 15,
    GROUP_RECORDS = 1 << 16,
    GROUP_BEFORE = 1 << 17,
    GROUP_CHECK = 1 << 18,
    GROUP_PATIENCE = 1 << 14, /* --timeout is the client's, not a job's */
    GROUP_PARSED = 1 << 12,   /* of a job that a parser of the daemon's reads: not of `run` */
};

/* How a value becomes JSON, under the option's name with _ for - or the name given here. */
enum opt_form {
    FORM_NONE,    /* not sent */
    FORM_TEXT,    /* a string */
    FORM_INTEGER, /* a number */
    FORM_PAIRS,   /* K=V, gathered in an object */
    FORM_LIST,    /* gathered in an array of strings */
    FORM_FILE,    /* the content of a file, or of standard input for - */
    FORM_LATER,   /* a time, or a duration from now */
    FORM_EARLIER, /* a time, or a duration ago */
};

struct opt_def {
    const char *name;
    const char *arg; /* what its value is called; NULL: a flag */
    unsigned groups;
    enum opt_form form;
    const char *json; /* NULL: by its name */
    const char *help;
};

extern const struct opt_def opt_defs[OPT_COUNT_];

/* The JSON member's name of an option, into a buffer of the caller's. */
const char *opt_json_name(enum opt opt, char *buf, size_t size);

#endif
