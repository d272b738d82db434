/* The libcurl that this process runs with, which need not be the one that it was built with. Any
 * thread.
 *
 * What this layer relies on beyond libcurl's documents is in tests/unit/fetch/test_libcurl.c, a
 * test for each: a version that behaves otherwise fails there with a message. */
#ifndef PENSTOCK_FETCH_LIBCURL_H
#define PENSTOCK_FETCH_LIBCURL_H

#include "base/error.h"

#include <curl/curl.h>
#include <stdbool.h>

/* Sets the library up, once a process, and judges it: 0, or a negative errno with a message in *err
 * with the remedy. */
int libcurl_start(struct error *err);

/* The judgement alone. */
int libcurl_judge(const curl_version_info_data *info, struct error *err);

/* Does it speak HTTP/3, HTTP/2? */
bool libcurl_speaks_http3(void);
bool libcurl_speaks_http2(void);

/* May an easy handle be used again after curl_easy_reset? */
bool libcurl_handles_last(void);

#endif
