#include "fetch/connection.h"

#include "fetch/address.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <openssl/ssl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define PORTS 65536

/* The socket whose connection had this local port last. */
struct port_use {
    int fd;
    bool framed;
};

int connections_init(struct connections *connections)
{
    connections->by_port = calloc(PORTS, sizeof *connections->by_port);
    return connections->by_port ? 0 : -ENOMEM;
}

void connections_deinit(struct connections *connections)
{
    free(connections->by_port);
    connections->by_port = NULL;
}

/* --- which socket ----------------------------------------------------------------------------- */

static bool is_end(const struct sockaddr_storage *addr, socklen_t len, const char *text, int port)
{
    struct address address;
    char name[ADDRESS_TEXT_SIZE];
    int found;
    if (address_from_sockaddr((const struct sockaddr *)addr, len, &address, &found) < 0)
        return false;
    address_print(&address, name);
    return found == port && strcmp(name, text) == 0;
}

bool connection_is(int fd, const struct connection_ends *ends)
{
    struct sockaddr_storage local, remote;
    socklen_t local_len = sizeof local, remote_len = sizeof remote;
    return fd >= 0 && getsockname(fd, (struct sockaddr *)&local, &local_len) == 0 &&
           getpeername(fd, (struct sockaddr *)&remote, &remote_len) == 0 &&
           is_end(&local, local_len, ends->local, ends->local_port) &&
           is_end(&remote, remote_len, ends->remote, ends->remote_port);
}

static bool is_port(int port)
{
    return port > 0 && port < PORTS;
}

void connection_note(struct connections *connections, const struct connection_ends *ends, int fd,
                     bool framed)
{
    if (is_port(ends->local_port))
        connections->by_port[ends->local_port] = (struct port_use){.fd = fd, .framed = framed};
}

int connection_find(const struct connections *connections, const struct connection_ends *ends,
                    bool *ret_framed)
{
    *ret_framed = false;
    if (!is_port(ends->local_port))
        return -1;
    const struct port_use *use = &connections->by_port[ends->local_port];
    if (!connection_is(use->fd, ends))
        return -1;
    *ret_framed = use->framed;
    return use->fd;
}

/* --- what can be learnt ----------------------------------------------------------------------- */

static bool is_datagram(int fd)
{
    int type = 0;
    socklen_t len = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_DGRAM;
}

/* libcurl_judge has seen to the library. */
SSL *connection_tls(CURL *easy)
{
    struct curl_tlssessioninfo *session = NULL;
    bool has = curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &session) == CURLE_OK && session;
    return has && session->backend == CURLSSLBACKEND_OPENSSL ? session->internals : NULL;
}

int connection_http(CURL *easy, int fd)
{
    const unsigned char *name = NULL;
    unsigned len = 0;
    SSL *ssl = connection_tls(easy);
    if (ssl)
        SSL_get0_alpn_selected(ssl, &name, &len);
    if (is_datagram(fd) || (len == 2 && memcmp(name, "h3", 2) == 0))
        return 30;
    return len == 2 && memcmp(name, "h2", 2) == 0 ? 20 : 11;
}

bool connection_tls_holds(CURL *easy)
{
    SSL *ssl = connection_tls(easy);
    return ssl && SSL_has_pending(ssl);
}

bool connection_is_quiet(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static bool tcp_received(int fd, struct tcp_info *info)
{
    socklen_t len = sizeof *info;
    memset(info, 0, sizeof *info);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len) == 0 &&
           len >= offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info->tcpi_bytes_received;
}

bool connection_is_deaf(int fd)
{
    struct tcp_info info;
    return tcp_received(fd, &info) && info.tcpi_unacked > 0;
}

/* As the kernel's net/tcp_states.h has them. <netinet/tcp.h> names them too, but has an old struct
 * tcp_info, and the two headers exclude each other. */
enum { STATE_ESTABLISHED = 1, STATE_CLOSE_WAIT = 8 };

/* The peer's FIN counts as one byte received (it has a sequence number) and is never in the queue.
 * In the state CLOSE nobody can say whether one came. */
static int fin_of(const struct tcp_info *info)
{
    switch (info->tcpi_state) {
    case STATE_ESTABLISHED:
        return 0;
    case STATE_CLOSE_WAIT:
        return 1;
    default:
        return -1;
    }
}

int64_t connection_bytes_read(int fd)
{
    struct tcp_info before, after;
    int queued = 0;
    /* More may arrive between two questions: the same answer on both sides of the other is
     * right. */
    for (int tries = 0; tries < 4; tries++) {
        if (!tcp_received(fd, &before) || ioctl(fd, SIOCINQ, &queued) < 0 ||
            !tcp_received(fd, &after))
            return -1;
        int fin = fin_of(&after);
        if (fin < 0)
            return -1;
        if (before.tcpi_bytes_received == after.tcpi_bytes_received &&
            before.tcpi_state == after.tcpi_state)
            return (int64_t)after.tcpi_bytes_received - fin - queued;
    }
    return -1;
}
