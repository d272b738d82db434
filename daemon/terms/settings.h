/* The settings: what the config file means. Every key has one row in a table (settings_table.c,
 * params.c) with its section, type, default, check and help; `penstockd --check`, the defaults,
 * config/penstockd.conf and the manual are held to it. Immutable once loaded; a reload loads
 * another. */
#ifndef PENSTOCK_SPEC_SETTINGS_H
#define PENSTOCK_SPEC_SETTINGS_H

#include "base/config.h"
#include "base/error.h"
#include "record/sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct strings {
    char **items;
    size_t count;
};

/* Job settings that [defaults], [parser "…"] and [host "…"] may give: each field has a bit in
 * `set`. Those of a job itself are in terms/spec.h. Nearest wins: job, parser, host, defaults. */
struct job_params {
    uint64_t set; /* mask of 1 << enum param (settings.h's list, in order) */
    char *parser;
    int deliver;    /* enum deliver */
    int unverified; /* enum unverified */
    uint64_t max_attempts;
    uint64_t connect_timeout; /* ns */
    uint64_t first_byte_timeout;
    uint64_t stall_timeout;
    uint64_t parse_timeout;
    uint64_t timeout;  /* ns; of the whole job's running time */
    uint64_t max_body; /* bytes; 0: none */
    uint64_t max_redirects;
    uint64_t min_bytes, min_records;
    char *expect_type;
    struct strings accept_status;
    char *digest; /* "sha256" or "sha256:HEX" */
    int64_t priority;
    int keep_body; /* enum keep_body */
    char *user_agent;
    char *credential;
    int decode;           /* enum decode_file (flow/decode.h) */
    uint64_t max_decoded; /* bytes; 0: none */
    int compress;         /* 1: ask for an encoded body */
    uint64_t commit_max;  /* bytes of lines held back with DELIVER_COMMIT */
    int ip;               /* 4, 6 or 0: any */
    int digest_headers;   /* enum digest_headers */
    int allow_downgrade;  /* 1: a redirect may lead from https to http */
    char *charset;        /* "NAME" or "NAME!" (flow/charset.h) */
    int charset_errors;   /* enum charset_errors */
    int keep_records;     /* 1: its records are kept under its id ([results]) */
    bool as_published;    /* `decode` is none because its parser wants a file as it was published */
};
/* A string that says nothing is NULL: expect_type, digest, credential, charset. */
enum param {
    PARAM_PARSER,
    PARAM_DELIVER,
    PARAM_UNVERIFIED,
    PARAM_MAX_ATTEMPTS,
    PARAM_CONNECT_TIMEOUT,
    PARAM_FIRST_BYTE_TIMEOUT,
    PARAM_STALL_TIMEOUT,
    PARAM_PARSE_TIMEOUT,
    PARAM_TIMEOUT,
    PARAM_MAX_BODY,
    PARAM_MAX_REDIRECTS,
    PARAM_MIN_BYTES,
    PARAM_MIN_RECORDS,
    PARAM_EXPECT_TYPE,
    PARAM_ACCEPT_STATUS,
    PARAM_DIGEST,
    PARAM_PRIORITY,
    PARAM_KEEP_BODY,
    PARAM_USER_AGENT,
    PARAM_CREDENTIAL,
    PARAM_DECODE,
    PARAM_MAX_DECODED,
    PARAM_COMPRESS,
    PARAM_COMMIT_MAX,
    PARAM_IP,
    PARAM_DIGEST_HEADERS,
    PARAM_ALLOW_DOWNGRADE,
    PARAM_CHARSET,
    PARAM_CHARSET_ERRORS,
    PARAM_KEEP_RECORDS,
    PARAM_COUNT_
};
enum deliver { DELIVER_STREAM, DELIVER_COMMIT };
enum unverified { UNVERIFIED_FAIL, UNVERIFIED_ACCEPT };
enum keep_body { KEEP_BODY_NEVER, KEEP_BODY_FAILED };
enum digest_headers { DIGEST_HEADERS_VERIFY, DIGEST_HEADERS_IGNORE };
enum charset_errors { CHARSET_ERRORS_FAIL, CHARSET_ERRORS_REPLACE };

struct settings_host {
    char *pattern;                  /* "example.org" or "*.example.org" or "*" */
    uint64_t connections;           /* 0: not set here */
    double requests_per_second;     /* 0: no limit */
    uint64_t bytes_per_second;      /* 0: no limit */
    uint64_t breaker_failures;      /* in a row; 0: not set here */
    uint64_t breaker_cooldown;      /* ns; 0: not set here */
    int http, http2;                /* enum http; http2 is the older key */
    char *client_cert, *client_key; /* PEM files, or NULL: not set here */
    struct job_params params;       /* `credential` among them */
};
enum http { HTTP_UNSET = 0, HTTP_1 = 11, HTTP_2 = 20, HTTP_3 = 30 };

struct settings_pair {
    char *name, *value;
};

struct settings_parser {
    char *name;
    char *type;                    /* NULL: the built-in (or plug-in) of this name */
    struct settings_pair *options; /* option.K = V; each name once */
    size_t option_count;
    struct strings stages;                /* type exec: command lines, as they stand */
    int output;                           /* enum parser_output, of type exec */
    int isolation;                        /* enum isolate */
    int sandbox;                          /* 1: strict */
    int on_abort;                         /* enum on_abort */
    uint64_t grace;                       /* ns; with ON_ABORT_ERROR */
    uint64_t memory, cpu_time, file_size; /* of a process: bytes, ns, bytes; 0: no limit */
    uint64_t open_files;                  /* 0: as the daemon was started with */
    struct job_params params;
    char *file; /* where the section was first opened */
    unsigned line;
};
enum parser_output { OUTPUT_LINES, OUTPUT_JSON };
enum isolate { ISOLATE_STANDARD, ISOLATE_THREAD, ISOLATE_PROCESS };
enum on_abort { ON_ABORT_KILL, ON_ABORT_ERROR };

struct settings_credential {
    char *name;
    int type;                    /* enum credential_type */
    char *user, *header, *query; /* NULL unless its type needs it */
    char *secret_file;
    struct strings hosts; /* patterns as in [host "…"]: where it may be sent */
};

/* [user "NAME"] or [group "NAME"]: terms/quota.h. */
struct settings_quota {
    char *name; /* or a number */
    bool group;
    uint64_t max_jobs;    /* 0: no limit */
    uint64_t max_running; /* the same */
    int64_t max_priority; /* 1000: no limit */
    uint32_t id;
    uint32_t *members; /* of a group: uids, in order */
    size_t member_count;
};

enum credential_type {
    CREDENTIAL_BASIC,
    CREDENTIAL_BEARER,
    CREDENTIAL_HEADER,
    CREDENTIAL_QUERY,
    CREDENTIAL_NETRC
};

enum metrics_page {
    METRICS_PAGE_OFF,
    METRICS_PAGE_TOTALS, /* what is nobody's in particular */
    METRICS_PAGE_ALL,    /* jobs, hosts and schedules as well */
};

struct settings_sink {
    char *name;
    char *path;  /* of SINK_FILE; else NULL */
    char *table; /* of SINK_STORED (store/table_name.h); NULL: the store's own */
    enum sink_type type;
    int format;              /* enum sink_format, of SINK_JOURNAL */
    unsigned events;         /* mask of enum event */
    uint64_t max_size, keep; /* of SINK_FILE: as in struct sink_target */
};
enum sink_format { SINK_FORMAT_JSON, SINK_FORMAT_TEXT };

struct settings {
    /* [daemon] */
    uint64_t drain;
    int log_level;
    /* [control] */
    char *socket;
    mode_t socket_mode;
    char *socket_group; /* NULL: leave it */
    uint64_t max_clients;
    uint64_t memory_max;
    struct strings submit_users, submit_groups, admin_users, admin_groups;
    struct access *access; /* what these four mean (terms/access.h) */
    /* [store] */
    char *store_engine; /* "sqlite", "postgresql" or "memory" */
    char *store_path;   /* may be NULL if the engine is memory */
    char *store_dsn;    /* these are postgresql's; NULL: not given */
    char *store_direct;
    char *store_password_file;
    char *store_schema;
    uint64_t store_lease;   /* ns */
    uint64_t keep_finished; /* ns */
    uint64_t keep_finished_count;
    /* [fleet] */
    char *fleet_name; /* NULL: the machine's */
    uint64_t guest_connections;
    /* [queue] */
    uint64_t max_jobs;
    uint64_t max_bytes;
    uint64_t window_max;
    /* [fetch] */
    uint64_t fetch_threads;
    char *proxy;               /* NULL: none; "env": from the environment; else a URL */
    char *proxy_credential;    /* a [credential "…"]; or NULL */
    char *ca_file;             /* NULL: the system's */
    uint64_t host_connections; /* [fetch] host_connections: for hosts without a section; 6 */
    uint64_t max_header;
    uint64_t retry_delay, retry_delay_max, resume_delay; /* ns */
    uint64_t breaker_failures,
        breaker_cooldown; /* for hosts whose sections do not say; 0: none; ns */
    /* [flow] */
    uint64_t pipe_size, pipe_budget;
    uint64_t splice_min;
    uint64_t decode_ratio, decode_window; /* flow/decode.h */
    char *spool_dir;                      /* never NULL */
    uint64_t spool_max;
    /* [results] */
    char *results_path;    /* NULL: a file without a name (memory store), or no place is known */
    uint64_t results_keep; /* ns */
    uint64_t results_max;  /* bytes */
    /* [parse] */
    uint64_t workers, max_abandoned, max_record,
        abort_grace;  /* abort_grace: ns a parser gets after EIO */
    char *plugin_dir; /* never NULL */
    /* [policy] */
    struct strings allow, deny, redact, nat64;
    int allow_downgrade; /* [policy]: 1 for jobs that say nothing themselves */
    int trust_proxy;     /* 1: what a proxy connects to may be beyond the policy's sight */
    /* [metrics] */
    char *metrics_listen; /* NULL: nowhere */
    int metrics_page;     /* enum metrics_page */
    /* [defaults], [ceilings]: every field of defaults is set, and none is above a ceiling */
    struct job_params defaults, ceilings;
    /* At least one of lines: without a section, everything goes to stdout. */
    struct settings_sink *sinks;
    size_t sink_count;
    struct settings_host *hosts; /* most specific first */
    size_t host_count;
    struct settings_parser *parsers;
    size_t parser_count;
    struct settings_credential *credentials;
    size_t credential_count;
    struct settings_quota *quotas; /* users before groups */
    size_t quota_count;
};

void settings_free(struct settings *settings); /* takes NULL */

/* The one sink of SINK_STORED; NULL: there is none. */
const struct settings_sink *settings_stored_sink(const struct settings *settings);

/* The sections whose pattern matches `host`, most specific first; the i-th or NULL. */
const struct settings_host *settings_host_match(const struct settings *settings, const char *host,
                                                size_t i);
/* The credential of this name, or NULL. */
const struct settings_credential *settings_credential_find(const struct settings *settings,
                                                           const char *name);
const struct settings_parser *settings_parser_find(const struct settings *settings,
                                                   const char *name);

/* Does `pattern` ("example.org", "*.example.org": what is below it, "*") match `host`, a lower-case
 * name without a trailing dot? */
bool settings_pattern_match(const char *pattern, const char *host);

#endif
