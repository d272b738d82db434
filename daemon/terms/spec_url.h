/* A job's URL. */
#ifndef PENSTOCK_TERMS_SPEC_URL_H
#define PENSTOCK_TERMS_SPEC_URL_H

#include "terms/spec.h"

/* spec_url.c: the URL normalised (scheme and host in lower case, no fragment, other than ASCII
 * percent-encoded), and its host as spec_url_host gives it. */
int spec_read_url(const char *text, char **ret_url, char **ret_host, struct error *err);

/* Hosts and redirects: the host of an absolute http(s) URL, lower case, without brackets and a
 * trailing dot, numeric forms as dotted quads. 0, -ENOMEM, or -EINVAL with a message in *err that
 * does not show the URL. */
int spec_url_host(const char *url, char **ret_host, struct error *err);

#endif
