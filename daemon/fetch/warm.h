#ifndef PENSTOCK_FETCH_WARM_H
#define PENSTOCK_FETCH_WARM_H

#include <curl/curl.h>

/* Reads the CA bundle into the multi's cache, which takes some 30 ms of CPU, so that the first TLS
 * connection doesn't stop the loop for it. Without any network. What goes wrong shows when a
 * connection is made. */
void warm_ca(CURLM *multi, const char *ca_file);

#endif
