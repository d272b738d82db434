/* A job's specification: what a submitter may say, parsed and checked, and merged with the
 * settings. */
#ifndef PENSTOCK_SPEC_SPEC_H
#define PENSTOCK_SPEC_SPEC_H

#include "base/buf.h"
#include "base/error.h"
#include "parse/registry.h"
#include "terms/settings.h"

#include <jansson.h>
#include <stdint.h>
#include <string.h>

struct spec {
    char *url;       /* as given, normalised by libcurl's URL API; no user-info */
    char *given_url; /* as given, if that is another text; NULL */
    char *shown_url; /* the same with the values of secret query parameters as *** */
    char *host;      /* lower case, no brackets, no trailing dot */
    char *method;    /* GET or POST; ours: HEAD */
    char *body;      /* POST's, or NULL */
    size_t body_len;
    struct strings headers;        /* "Name: value", checked */
    struct settings_pair *options; /* for the parser */
    size_t option_count;
    struct settings_pair *labels;
    size_t label_count;
    bool run;                        /* ours: it lives as long as its client (job/remote.h) */
    char *key;                       /* idempotency, or NULL */
    int64_t not_before;              /* µs since 1970, 0 for none */
    struct job_params own;           /* what the job itself said */
    struct job_params effective;     /* merged: every field is set */
    const struct parser_def *parser; /* effective.parser, found; lives in `registry` */
    struct registry *registry; /* a reference: a reload may replace the jobs' own at any time */
};

/* Checks one job's JSON object and merges: job, then [parser "…"], then [host "…"] from the most
 * specific on, then [defaults]; what the job itself says must be within [ceilings].
 *
 * Members: `url` (the only one that must be there), `method` ("GET", "POST"), `body` (a string,
 * with POST), `headers` (an object of strings, or an array of "Name: value"), `options` (an object
 * of strings, integers and booleans), `labels` (an object of strings), `key`, `not_before` (an RFC
 * 3339 time, "+5min", or seconds from now), and the job parameters of settings.h by their names:
 * strings as in the config, or numbers (seconds, bytes); `accept_status` may be an array. `header`,
 * `option` and `label` mean the same as their plurals.
 *
 * Refused by name: unknown members; user-info in the URL; the headers Authorization,
 * Proxy-Authorization and Cookie ("use `credential`"); hop-by-hop headers and those that penstock
 * sets itself; CR, LF and NUL; schemes other than http and https.
 *
 * 0, or -EINVAL / -ENOMEM, a sentence that begins with the member's name, and *ret_field: the name,
 * valid as long as `job` is, or NULL. *ret_spec is untouched then. */
int spec_parse(const json_t *job, const struct settings *settings, struct registry *registry,
               struct spec **ret_spec, struct error *err, const char **ret_field);
void spec_free(struct spec *spec); /* takes NULL */

/* The URL as it was given. */
static inline const char *spec_given_url(const struct spec *spec)
{
    return spec->given_url ? spec->given_url : spec->url;
}

/* What the store keeps: the submitter's own members in canonical order, compact; the same request
 * gives the same text, and spec_parse reads it again (a `not_before` from now then counts from
 * then: the store's `due` is what holds). NULL: out of memory. */
char *spec_store_text(const json_t *job);

/* Does the job ask for a head alone (the method `head`)? No parser sees anything of it. */
static inline bool spec_is_head(const struct spec *spec)
{
    return strcmp(spec->method, "HEAD") == 0;
}

/* Does a parser get a body of this status? 200, 203, 204 and what `accept_status` lists ("404",
 * "5xx"); never 206, which only a resume may take. */
bool spec_status_accepted(const struct job_params *params, int status);

#endif
