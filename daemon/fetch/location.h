/* Where a redirect leads (RFC 9110, 10.2.2): a response's Location against the URL that was asked
 * for. */
#ifndef PENSTOCK_FETCH_LOCATION_H
#define PENSTOCK_FETCH_LOCATION_H

#include "base/error.h"
#include "fetch/transfer.h"

#include <curl/curl.h>
#include <stddef.h>

#define LOCATION_URL 1

/* LOCATION_URL and *ret_url: absolute, of any scheme, the host in lower case and ASCII, without a
 * fragment; to be freed with curl_free. 0: there is no Location. -EINVAL with a message in *err
 * with its text: it names no other page, or cannot be used. -ENOMEM. `base` stays as it is. */
int location_resolve(CURLU *base, const struct transfer_header *headers, size_t count,
                     char **ret_url, struct error *err);

#endif
