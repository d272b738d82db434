/* Allocations that failed in the libraries a transfer is made by. libcurl goes on with less where
 * it had no memory for a part: a request without its query, half a header line, "No URL set";
 * OpenSSL and the resolver give errors that say nothing of it. So all their allocations come by
 * here, and a transfer during whose beginning one failed, in whatever thread, is not believed.
 *
 * libcurl's tables of sockets, of some hundred bytes each, are used after they could not be made
 * (7.88: a division by zero in curl_multi_socket_action): small blocks of libcurl's come out of a
 * reserve while there is no other memory. Any thread. */
#ifndef PENSTOCK_FETCH_SHORTAGE_H
#define PENSTOCK_FETCH_SHORTAGE_H

#include <curl/curl.h>
#include <stdint.h>

/* In place of curl_global_init. OpenSSL's allocations are counted only if nobody has used it
 * before. */
CURLcode shortage_init(void);

/* How many have failed so far, those that the reserve stood in for included. */
uint64_t shortage_count(void);

/* One more, of a library that has no place for an allocator of ours. */
void shortage_note(void);

#endif
