/* What a peer may do to a TLS connection of ours, and what it has said through one, where libcurl
 * and OpenSSL set no limit and do not tell.
 *
 * One call of SSL_read or SSL_connect goes on for as long as the socket has messages of the
 * handshake: a peer that sends nothing else (updates of its key, session tickets, requests for a
 * new handshake) keeps a fetch loop in that call for ever, and no timer is heard. A whole
 * connection has a few dozen of them at most, so one that brings more than TLS_MESSAGES_MAX reads
 * no further: its next read is an error, never an end. libcurl does the same with HTTP/2's frames
 * that are not of the body; they are counted as well.
 *
 * In TLS 1.2 the server chooses the group of a Diffie-Hellman exchange, and the client computes in
 * it: a second at 10,000 bits, which OpenSSL takes. A larger group than TLS_GROUP_BITS_MAX is
 * refused. */
#ifndef PENSTOCK_FETCH_TLS_H
#define PENSTOCK_FETCH_TLS_H

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <stdbool.h>

#define TLS_MESSAGES_MAX   500
#define TLS_GROUP_BITS_MAX 4096

/* Sets the limits for the connections that this handle makes. False: out of memory. */
bool tls_limit(CURL *easy);

/* What is known of the answer to one request; it outlives the connection, and its next request,
 * while somebody holds a reference. The loop's thread. */
struct tls_answer;

/* Another request goes out on the connection. A reference, to be given back by tls_answer_put;
 * NULL: there was no memory for it, or `ssl` is NULL. */
struct tls_answer *tls_answer_expect(SSL *ssl);
void tls_answer_put(struct tls_answer *answer); /* takes NULL */

/* Has the peer ended the answer's stream (HTTP/2)? False if nothing is known. */
bool tls_answer_ended(const struct tls_answer *answer);

/* Has the peer not said that it closes the connection (close_notify; RFC 8446, 6.1)? Its end is
 * somebody else's word then. False for an answer without TLS (NULL). */
bool tls_answer_cut(const struct tls_answer *answer);

/* Which limit the connection came to, if that is what curl's error text speaks of or what `answer`
 * (or NULL) knows: "more than ..."; else NULL. */
const char *tls_reason(const struct tls_answer *answer, const char *curl_error);

#endif
