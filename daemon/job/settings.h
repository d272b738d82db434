/* The settings: what the config file means. Every key has one row in a table (settings.c) with its
 * section, type, default and check; `penstockd --check`, the defaults and the man page follow from it.
 * Immutable once loaded; a reload loads another. */
#ifndef PENSTOCK_JOB_SETTINGS_H
#define PENSTOCK_JOB_SETTINGS_H

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

/* Job settings that [defaults], [parser "…"] and [host "…"] may give: each field has a bit in `set`. Those
 * of a job itself are in job/spec.h. Nearest wins: job, parser, host, defaults. */
struct job_params {
    uint64_t set; /* mask of 1 << enum param (settings.h's list, in order) */
    char *parser;
    int deliver;              /* enum deliver */
    int unverified;           /* enum unverified */
    uint64_t max_attempts;
    uint64_t connect_timeout; /* ns */
    uint64_t first_byte_timeout;
    uint64_t stall_timeout;
    uint64_t parse_timeout;
    uint64_t timeout;         /* ns; of the whole job's running time */
    uint64_t max_body;        /* bytes; 0: none */
    uint64_t max_redirects;
    uint64_t min_bytes, min_records;
    char *expect_type;
    struct strings accept_status;
    char *digest;             /* "sha256" or "sha256:HEX" */
    int64_t priority;
    int keep_body;
    char *user_agent;
    char *credential;
};
enum param {
    PARAM_PARSER, PARAM_DELIVER, PARAM_UNVERIFIED, PARAM_MAX_ATTEMPTS, PARAM_CONNECT_TIMEOUT,
    PARAM_FIRST_BYTE_TIMEOUT, PARAM_STALL_TIMEOUT, PARAM_PARSE_TIMEOUT, PARAM_TIMEOUT, PARAM_MAX_BODY,
    PARAM_MAX_REDIRECTS, PARAM_MIN_BYTES, PARAM_MIN_RECORDS, PARAM_EXPECT_TYPE, PARAM_ACCEPT_STATUS,
    PARAM_DIGEST, PARAM_PRIORITY, PARAM_KEEP_BODY, PARAM_USER_AGENT, PARAM_CREDENTIAL, PARAM_COUNT_
};
enum deliver { DELIVER_STREAM, DELIVER_COMMIT };
enum unverified { UNVERIFIED_FAIL, UNVERIFIED_ACCEPT };

struct settings_host {
    char *pattern; /* "example.org" or "*.example.org" or "*" */
    uint64_t connections; /* 0: not set here */
    struct job_params params;
};

struct settings_pair {
    char *name, *value;
};

struct settings_parser {
    char *name, *type;
    struct settings_pair *options; /* keys that are not settings are the parser's options: option.K = V */
    size_t option_count;
    struct job_params params;
    char *file;
    unsigned line;
};

struct settings_sink {
    char *name, *path;
    enum sink_type type;
    unsigned events;
};

struct settings {
    /* [daemon] */
    uint64_t drain;
    int log_level;
    /* [control] */
    char *socket;
    mode_t socket_mode;
    char *socket_group; /* NULL: leave it */
    uint64_t max_clients;
    /* [store] */
    char *store_engine, *store_path;
    uint64_t keep_finished; /* ns */
    /* [queue] */
    uint64_t max_jobs;
    /* [fetch] */
    uint64_t fetch_threads;
    char *proxy, *ca_file;
    uint64_t host_connections; /* [fetch] host_connections: for hosts without a section; 6 */
    uint64_t max_header;
    /* [flow] */
    uint64_t pipe_size;
    /* [parse] */
    uint64_t workers, max_abandoned, max_record, abort_grace; /* abort_grace: ns a parser gets after EIO */
    char *plugin_dir;
    /* [policy] */
    struct strings allow, deny, redact;
    /* [defaults], [ceilings]: every field of defaults is set */
    struct job_params defaults, ceilings;
    struct settings_sink *sinks;
    size_t sink_count;
    struct settings_host *hosts;
    size_t host_count;
    struct settings_parser *parsers;
    size_t parser_count;
};

/* Interprets a config; unknown sections and keys are errors. 0, or -EINVAL and "FILE:LINE: SECTION.KEY: …";
 * *ret is untouched then. */
int settings_load(const struct config *config, struct settings **ret_settings, struct error *err);
void settings_free(struct settings *settings); /* takes NULL */

/* The sections whose pattern matches `host`, most specific first; the i-th or NULL. */
const struct settings_host *settings_host_match(const struct settings *settings, const char *host,
                                                size_t i);
const struct settings_parser *settings_parser_find(const struct settings *settings,
                                                   const char *name);

/* One job parameter by its name from text (config) — shared by the sections and by job/spec.c for the
 * JSON of a job. 0; -ENOENT: not a job parameter; -EINVAL and a sentence. */
int params_set(struct job_params *params, const char *name, const char *value, struct error *err);
/* Fills what `params` leaves unset from `from`. 0 or -ENOMEM. */
int params_inherit(struct job_params *params, const struct job_params *from);
/* Is `params` within the ceilings? 0, or -EINVAL and a sentence naming the field and the ceiling. */
int params_check_ceilings(const struct job_params *params, const struct job_params *ceilings,
                          struct error *err);
void params_deinit(struct job_params *params);

/* Where the socket and the state live by default: as the paths of the README say. Newly allocated. */
char *settings_default_socket(void);
char *settings_default_store(void);

#endif
