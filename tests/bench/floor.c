/* The floor under downloads: bare sockets whose bodies go into pipes of 1 MiB, no HTTP library
 * between, and the readers that the daemon has (parse/task.h with `count`); each download has two
 * threads of its own. HTTP is spliced; TLS is read by OpenSSL and written. HTTP/1.1, a known
 * length, loopback; no clock, no limit, no resume, no certificate that is judged.
 *
 *     bench-floor [--tls] PORT PATH COUNT      prints what each `count` found */
#include "base/fd.h"
#include "flow/body.h"
#include "parse/registry.h"
#include "parse/task.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIPE_BYTES (1 << 20)
#define HEAD_BYTES 4096
#define TLS_BYTES  16384 /* a record's */
#define COUNT_MAX  64

/* One body. */
struct floor {
    struct parse_task task;
    pthread_t pump, reader;
    const char *path;
    int web, pipe;
    SSL *ssl; /* NULL: plain HTTP */
};

static _Noreturn void give_up(const char *what)
{
    perror(what);
    exit(1);
}

static int emit(struct parse_task *task, const char *json, size_t len)
{
    (void)task;
    return printf("%.*s\n", (int)len, json) < 0 ? -errno : 0;
}

static void done(struct parse_task *task)
{
    (void)task; /* pthread_join tells */
}

static void *run_reader(void *arg)
{
    struct floor *f = arg;
    parse_task_run(&f->task);
    return NULL;
}

static int connect_to(const char *port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(port)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        give_up("connect");
    return fd;
}

static SSL *shake_hands(SSL_CTX *context, int fd)
{
    SSL *ssl = context ? SSL_new(context) : NULL;
    if (context && (!ssl || !SSL_set_fd(ssl, fd) || SSL_connect(ssl) != 1))
        give_up("the handshake");
    return ssl;
}

static size_t receive(struct floor *f, void *data, size_t size)
{
    ssize_t n = f->ssl ? SSL_read(f->ssl, data, (int)size) : recv(f->web, data, size, 0);
    if (n <= 0)
        give_up("what the server sends");
    return (size_t)n;
}

static void ask(struct floor *f)
{
    char text[512];
    int len = snprintf(text, sizeof text,
                       "GET /%s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", f->path);
    ssize_t n = f->ssl ? SSL_write(f->ssl, text, len) : send(f->web, text, (size_t)len, 0);
    if (n != len)
        give_up("the request");
}

/* Takes the head, and puts what came behind it into the pipe: the bytes still to come. */
static size_t take_head(struct floor *f)
{
    char head[HEAD_BYTES + 1];
    size_t len = 0;
    char *end = NULL;
    while (!end && len < HEAD_BYTES) {
        len += receive(f, head + len, HEAD_BYTES - len);
        head[len] = 0;
        end = strstr(head, "\r\n\r\n");
    }
    char *length = end ? strcasestr(head, "\r\ncontent-length:") : NULL;
    if (!length || strncmp(head, "HTTP/1.1 200", 12) != 0) {
        fprintf(stderr, "bench-floor: an answer other than 200 with a length\n");
        exit(1);
    }
    size_t rest = (size_t)(head + len - (end + 4));
    if (fd_write_all(f->pipe, end + 4, rest) < 0)
        give_up("write");
    return strtoull(length + 17, NULL, 10) - rest;
}

static size_t move_spliced(struct floor *f, size_t left)
{
    ssize_t n =
        splice(f->web, NULL, f->pipe, NULL, left < PIPE_BYTES ? left : PIPE_BYTES, SPLICE_F_MOVE);
    if (n <= 0)
        give_up("splice");
    return (size_t)n;
}

static size_t move_copied(struct floor *f, size_t left)
{
    char data[TLS_BYTES];
    size_t n = receive(f, data, left < sizeof data ? left : sizeof data);
    if (fd_write_all(f->pipe, data, n) < 0)
        give_up("write");
    return n;
}

static void *run_pump(void *arg)
{
    struct floor *f = arg;
    ask(f);
    for (size_t left = take_head(f); left > 0;)
        left -= f->ssl ? move_copied(f, left) : move_spliced(f, left);
    body_settle(f->task.body, BODY_COMPLETE);
    close(f->pipe);
    return NULL;
}

static void begin(struct floor *f, SSL_CTX *context, const char *port, const char *path)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES) < 0)
        give_up("pipe");
    f->path = path;
    f->pipe = ends[1];
    f->task = (struct parse_task){.parser = &parser_count,
                                  .body = body_new(),
                                  .read_fd = ends[0],
                                  .emit = emit,
                                  .done = done};
    f->web = connect_to(port);
    f->ssl = shake_hands(context, f->web);
    if (!f->task.body || pthread_create(&f->reader, NULL, run_reader, f) != 0 ||
        pthread_create(&f->pump, NULL, run_pump, f) != 0)
        give_up("threads");
}

static bool end(struct floor *f)
{
    pthread_join(f->pump, NULL);
    pthread_join(f->reader, NULL);
    body_unref(f->task.body);
    SSL_free(f->ssl);
    close(f->web);
    return f->task.result == PENSTOCK_OK;
}

int main(int argc, char **argv)
{
    static struct floor floors[COUNT_MAX];
    bool tls = argc > 1 && strcmp(argv[1], "--tls") == 0;
    char **words = argv + tls;
    int count = argc - tls == 4 ? atoi(words[3]) : 0;
    if (count < 1 || count > COUNT_MAX) {
        fprintf(stderr, "usage: bench-floor [--tls] PORT PATH COUNT\n");
        return 2;
    }
    SSL_CTX *context = tls ? SSL_CTX_new(TLS_client_method()) : NULL;
    bool good = true;
    if (tls && !context)
        give_up("TLS");
    for (int i = 0; i < count; i++)
        begin(&floors[i], context, words[1], words[2]);
    for (int i = 0; i < count; i++)
        good &= end(&floors[i]);
    SSL_CTX_free(context);
    return good ? 0 : 1;
}
