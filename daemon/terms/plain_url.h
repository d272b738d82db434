/* URLs that nobody reads in two ways. libcurl's reader, which has the last word on all others,
 * takes 15,000 instructions for one. Any thread. */
#ifndef PENSTOCK_TERMS_PLAIN_URL_H
#define PENSTOCK_TERMS_PLAIN_URL_H

#include <stdbool.h>
#include <stddef.h>

/* Does libcurl give this URL back as it stands, whatever its version? Then also its host, within
 * `url`. That is: http or https; a name in lower case whose last part begins with a letter, or four
 * decimal numbers; perhaps a port; a path; perhaps a query; none of them with a character that has
 * a meaning of its own or needs to be encoded, and no part of the path that begins with a dot. At
 * most `max` bytes. */
bool plain_url(const char *url, size_t max, const char **ret_host, size_t *ret_host_len);

#endif
