#include "support/apart.h"
#include "support/certs.h"
#include "support/testlib.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* --- HTTP/2 ----------------------------------------------------------------------------------- */

enum { FRAME_HEADER = 9, PREFACE = 24, LARGEST_FRAME = 16384 };
enum { TYPE_DATA = 0, TYPE_HEADERS = 1, TYPE_SETTINGS = 4 };
enum { FLAG_ACK = 1, FLAG_END_STREAM = 1, FLAG_END_HEADERS = 4 };

struct h2_origin {
    SSL_CTX *tls;
    size_t size;
    bool cut;
};

struct h2_conn {
    const struct h2_origin *origin;
    SSL *tls;
    int fd;
};

static bool h2_read(struct h2_conn *c, void *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        int n = SSL_read(c->tls, (char *)data + done, (int)(len - done));
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

/* The origin's contexts allow writes of a part. */
static bool h2_write(struct h2_conn *c, const void *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        int n = SSL_write(c->tls, (const char *)data + done, (int)(len - done));
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

static bool h2_send(struct h2_conn *c, int type, int flags, uint32_t stream, const void *payload,
                    size_t len)
{
    unsigned char frame[FRAME_HEADER + LARGEST_FRAME] = {
        (unsigned char)(len >> 16), (unsigned char)(len >> 8), (unsigned char)len,
        (unsigned char)type, (unsigned char)flags};
    stream = htonl(stream);
    memcpy(frame + 5, &stream, sizeof stream);
    if (len > 0)
        memcpy(frame + FRAME_HEADER, payload, len);
    return h2_write(c, frame, FRAME_HEADER + len);
}

static bool h2_answer(struct h2_conn *c, uint32_t stream)
{
    size_t size = c->origin->size, end = c->origin->cut ? size / 2 : size;
    unsigned char piece[LARGEST_FRAME];
    /* HPACK's entry 8: ":status: 200" */
    bool sent = h2_send(c, TYPE_HEADERS, FLAG_END_HEADERS, stream, "\x88", 1);
    for (size_t at = 0; sent && at < end;) {
        size_t n = end - at < sizeof piece ? end - at : sizeof piece;
        for (size_t i = 0; i < n; i++)
            piece[i] = origin_pattern(at + i);
        at += n;
        sent = h2_send(c, TYPE_DATA, at == size ? FLAG_END_STREAM : 0, stream, piece, n);
    }
    return sent && !c->origin->cut;
}

static bool h2_frame(struct h2_conn *c)
{
    unsigned char header[FRAME_HEADER], payload[LARGEST_FRAME];
    if (!h2_read(c, header, sizeof header))
        return false;
    size_t len = (size_t)header[0] << 16 | (size_t)header[1] << 8 | header[2];
    uint32_t stream;
    memcpy(&stream, header + 5, sizeof stream);
    if (len > sizeof payload || !h2_read(c, payload, len))
        return false;
    if (header[3] == TYPE_SETTINGS && !(header[4] & FLAG_ACK))
        return h2_send(c, TYPE_SETTINGS, FLAG_ACK, 0, NULL, 0);
    return header[3] != TYPE_HEADERS || h2_answer(c, ntohl(stream));
}

static void *h2_serve(void *arg)
{
    struct h2_conn *c = arg;
    char preface[PREFACE], rest[4096];
    if (SSL_accept(c->tls) == 1 && h2_read(c, preface, sizeof preface) &&
        h2_send(c, TYPE_SETTINGS, 0, 0, NULL, 0))
        while (h2_frame(c))
            ;
    if (c->origin->cut) { /* in an orderly way: what was sent arrives */
        shutdown(c->fd, SHUT_WR);
        while (recv(c->fd, rest, sizeof rest, 0) > 0)
            ;
    }
    SSL_free(c->tls);
    close(c->fd);
    free(c);
    return NULL;
}

static int h2_choose(SSL *tls, const unsigned char **ret, unsigned char *ret_len,
                     const unsigned char *offered, unsigned len, void *arg)
{
    static const unsigned char ours[] = "\2h2";
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, ret_len, ours, sizeof ours - 1, offered, len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static void h2_accept(const struct h2_origin *origin, int listener)
{
    for (;;) {
        struct h2_conn *c = calloc(1, sizeof *c);
        pthread_t thread;
        if (!c || (c->fd = accept(listener, NULL, NULL)) < 0)
            _exit(1);
        c->origin = origin;
        c->tls = SSL_new(origin->tls);
        if (!c->tls || SSL_set_fd(c->tls, c->fd) != 1 ||
            pthread_create(&thread, NULL, h2_serve, c) != 0)
            _exit(1);
        pthread_detach(thread);
    }
}

static int h2_listen(uint16_t *ret_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, 64) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) < 0)
        _exit(1);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

/* --- processes -------------------------------------------------------------------------------- */

/* In the child: says where it listens. */
static void tell(int fd, uint16_t port)
{
    if (write(fd, &port, sizeof port) != sizeof port)
        _exit(1);
    close(fd);
}

/* True in the child, which is to tell its port by *ret_fd. */
static bool split(struct apart *a, int *ret_fd)
{
    int fds[2];
    pid_t parent = getpid();
    assert_int_equal(pipe(fds), 0);
    a->pid = fork();
    assert_true(a->pid >= 0);
    if (a->pid > 0) {
        close(fds[1]);
        *ret_fd = fds[0];
        return false;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    if (getppid() != parent)
        _exit(1);
    close(fds[0]);
    *ret_fd = fds[1];
    return true;
}

/* In the test: which port the child told. */
static void learn(struct apart *a, int fd)
{
    ssize_t n = read(fd, &a->port, sizeof a->port);
    close(fd);
    if (n != sizeof a->port)
        fail_msg("the origin did not start");
    snprintf(a->base, sizeof a->base, "http%s://127.0.0.1:%u", a->ca_file ? "s" : "",
             (unsigned)a->port);
}

static const char *new_ca_file(void)
{
    static unsigned number;
    return test_path("apart-%u.pem", ++number);
}

void apart_start(struct apart *ret_apart, const struct origin_config *config)
{
    struct origin_config ours = *config;
    int fd;
    *ret_apart = (struct apart){.ca_file = config->tls ? new_ca_file() : NULL};
    ours.ca_file = ret_apart->ca_file;
    if (split(ret_apart, &fd)) {
        struct origin *origin = origin_new(&ours);
        if (!origin)
            _exit(1);
        tell(fd, origin_port(origin));
        for (;;)
            pause();
    }
    learn(ret_apart, fd);
}

void apart_start_h2(struct apart *ret_apart, size_t size, bool cut)
{
    int fd;
    *ret_apart = (struct apart){.ca_file = new_ca_file()};
    if (split(ret_apart, &fd)) {
        struct h2_origin origin = {.size = size, .cut = cut};
        uint16_t port;
        int listener = h2_listen(&port);
        origin.tls = certs_server_context(ORIGIN_TLS, ret_apart->ca_file);
        if (!origin.tls)
            _exit(1);
        SSL_CTX_set_alpn_select_cb(origin.tls, h2_choose, NULL);
        tell(fd, port);
        h2_accept(&origin, listener);
    }
    learn(ret_apart, fd);
}

void apart_stop(struct apart *apart)
{
    int status;
    if (apart->pid > 0) {
        kill(apart->pid, SIGKILL);
        waitpid(apart->pid, &status, 0);
    }
    apart->pid = 0;
}
