/* Which socket a transfer's connection has, and what can be learnt from it: curl tells neither
 * while a transfer runs (CURLINFO_ACTIVESOCKET is -1 until its end). The loop's thread only. */
#ifndef PENSTOCK_FETCH_CONNECTION_H
#define PENSTOCK_FETCH_CONNECTION_H

#include <curl/curl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* Both ends of a connection as curl names them (CURLOPT_PREREQFUNCTION). */
struct connection_ends {
    char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN];
    int local_port, remote_port;
};

/* The sockets of one loop's connections, by their local ports. */
struct connections {
    struct port_use *by_port; /* only pages of ports in use take memory */
};

/* 0 or -ENOMEM. */
int connections_init(struct connections *connections);
void connections_deinit(struct connections *connections); /* takes a zeroed one */

/* Is this socket that connection, by what the kernel says of it? False for a negative number as
 * well. */
bool connection_is(int fd, const struct connection_ends *ends);

/* Remembers the socket of a new connection until another one has its local port. */
void connection_note(struct connections *connections, const struct connection_ends *ends, int fd,
                     bool framed);
/* The socket of a connection that was noted and is used again; -1 if it is not known any more.
 * *ret_framed: its protocol is HTTP/2, which may send frames that belong to no request. */
int connection_find(const struct connections *connections, const struct connection_ends *ends,
                    bool *ret_framed);

/* The version of HTTP that was negotiated for this handle's connection: 11; 20 by ALPN (RFC 9113,
 * 3.2); 30 if it is QUIC's (RFC 9114). What a status line says of itself is the server's word, and
 * no evidence. From within curl's callbacks. */
int connection_http(CURL *easy, int fd);

/* OpenSSL's object of the handle's connection, of its innermost TLS; NULL: there is none. As
 * above. */
struct ssl_st *connection_tls(CURL *easy);

/* Has TLS read more of the connection than it has given to curl? From 8.18 on it reads ahead. As
 * above. */
bool connection_tls_holds(CURL *easy);

/* Nothing waits to be read, neither bytes nor an end nor an error. */
bool connection_is_quiet(int fd);

/* Is some of what was sent on this TCP connection not acknowledged by its peer? False where the
 * kernel cannot tell. */
bool connection_is_deaf(int fd);

/* How many bytes were ever read from this TCP socket, by whomever in this process: what the kernel
 * has received (TCP_INFO, tcp(7)) less what is still in its queue (SIOCINQ). -1 if the kernel
 * cannot tell for sure. */
int64_t connection_bytes_read(int fd);

#endif
