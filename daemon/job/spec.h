/* A job's specification: what a submitter may say, parsed and checked, and merged with the settings. */
#ifndef PENSTOCK_JOB_SPEC_H
#define PENSTOCK_JOB_SPEC_H

#include "base/error.h"
#include "job/settings.h"
#include "parse/registry.h"

#include <jansson.h>
#include <stdint.h>

struct spec {
    char *url;       /* as given, normalised by libcurl's URL API; no user-info */
    char *shown_url; /* the same with the values of secret query parameters as *** */
    char *host;      /* lower case, no brackets, no trailing dot */
    char *method;    /* GET or POST */
    char *body;      /* POST's, or NULL */
    size_t body_len;
    struct strings headers;        /* "Name: value", checked */
    struct settings_pair *options; /* for the parser */
    size_t option_count;
    struct settings_pair *labels;
    size_t label_count;
    char *key;           /* idempotency, or NULL */
    int64_t not_before;  /* µs since 1970, 0 for none */
    struct job_params own;       /* what the job itself said */
    struct job_params effective; /* merged: every field is set */
    const struct parser_def *parser; /* effective.parser, found; borrowed from the registry */
};

/* Checks one job's JSON object and merges. Every member is known and of its type: durations and sizes are
 * numbers (seconds, bytes) or strings with units; labels, options and headers are objects of strings
 * (headers also an array of "Name: value"). Refused by name: user-info in the URL; the headers
 * Authorization, Proxy-Authorization and Cookie ("use `credential`"); hop-by-hop headers; CR, LF or NUL; schemes
 * other than http and https. 0, or -EINVAL / -ENOMEM, a sentence, and *ret_field (a literal or a name
 * inside err, or NULL). */
int spec_parse(const json_t *job, const struct settings *settings, const struct registry *registry,
               struct spec **ret_spec, struct error *err, const char **ret_field);
void spec_free(struct spec *spec); /* takes NULL */

/* What the store keeps: the submitter's own members in canonical order, compact; the same request gives the
 * same text. NULL: out of memory. */
char *spec_store_text(const json_t *job);

/* `url` with the values of query parameters that match one of `patterns` (fnmatch, without case) as ***;
 * user-info too. NULL: out of memory. */
char *spec_redact_url(const char *url, const struct strings *patterns);

/* Hosts and redirects: the host part of an absolute http(s) URL, lower case, without brackets. 0 or -EINVAL. */
int spec_url_host(const char *url, char **ret_host, struct error *err);

/* Is `status` in "200 203 206" / "2xx 404" lists? */
bool spec_status_accepted(const struct job_params *params, int status);

#endif
