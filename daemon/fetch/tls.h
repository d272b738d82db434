/* Limits on what a peer may do to a TLS connection of ours, which libcurl and OpenSSL do not set.
 *
 * One call of SSL_read or SSL_connect goes on for as long as the socket has messages of the handshake: a peer that sends
 * nothing else (updates of its key, session tickets, requests for a new handshake) keeps a fetch loop in that call for
 * ever, and no timer is heard. A whole connection has a few dozen of them at most, so one that brings more than
 * TLS_MESSAGES_MAX reads no further: its next read is an error, never an end.
 *
 * In TLS 1.2 the server chooses the group of a Diffie-Hellman exchange, and the client computes in it: a second at 10,000
 * bits, which OpenSSL takes. A larger group than TLS_GROUP_BITS_MAX is refused. */
#ifndef PENSTOCK_FETCH_TLS_H
#define PENSTOCK_FETCH_TLS_H

#include <curl/curl.h>
#include <stdbool.h>

#define TLS_MESSAGES_MAX   500
#define TLS_GROUP_BITS_MAX 4096

/* Sets the limits for the connections that this handle makes. False: out of memory. */
bool tls_limit(CURL *easy);

/* Which limit it came to, if that is what curl's error text speaks of: "more than ..."; else NULL. */
const char *tls_reason(const char *curl_error);

#endif
