/* A TLS server that does what TLS permits and no server does: after the head of an answer it sends
 * messages of the handshake without end. One process for each connection; the port is told on
 * standard output.
 *
 *   test-hostile_tls CERT KEY MODE [DRIBBLE]
 *
 * MODE: key-updates, key-updates-asked (each wants one back), tickets, hello-requests (TLS 1.2:
 * each asks for a new handshake), huge-group (TLS 1.2, a Diffie-Hellman group of 10,000 bits), cut
 * (no messages: a body without a length that ends without close_notify), few (a hundred updates,
 * and a whole body). With DRIBBLE, after every so many messages comes a byte of the body. */
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *mode;
static unsigned long dribble;

static bool is(const char *name)
{
    return strcmp(mode, name) == 0;
}

/* 10,000 bits are the most that OpenSSL takes; nobody checks here that it is a prime. */
static EVP_PKEY *huge_group(void)
{
    EVP_PKEY *group = NULL;
    BIGNUM *p = BN_new(), *g = BN_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
    BN_rand(p, 9999, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD);
    BN_set_word(g, 2);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_BN(build, "p", p);
    OSSL_PARAM_BLD_push_BN(build, "g", g);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_fromdata_init(ctx);
    EVP_PKEY_fromdata(ctx, &group, EVP_PKEY_KEY_PARAMETERS, params);
    return group;
}

static SSL_CTX *context(const char *cert, const char *key)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx || SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        return NULL;
    bool old = is("hello-requests") || is("huge-group");
    SSL_CTX_set_max_proto_version(ctx, old ? TLS1_2_VERSION : TLS1_3_VERSION);
    if (is("huge-group")) {
        SSL_CTX_set_cipher_list(ctx, "kDHE:@SECLEVEL=0");
        SSL_CTX_set0_tmp_dh_pkey(ctx, huge_group());
    }
    return ctx;
}

/* One message; false: the other side is gone. */
static bool send_message(SSL *ssl)
{
    bool posted = is("key-updates") || is("few")
                      ? SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1
                  : is("key-updates-asked") ? SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) == 1
                  : is("tickets")           ? SSL_new_session_ticket(ssl) == 1
                                            : SSL_renegotiate(ssl) == 1;
    return posted && SSL_do_handshake(ssl) == 1;
}

static void serve(SSL_CTX *ctx, int fd)
{
    static const char length[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
    static const char body[1000000];
    static const char none[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf of it";
    char request[16384];
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) != 1 || SSL_read(ssl, request, sizeof request) <= 0)
        exit(1);
    const char *head = is("cut") ? none : length;
    SSL_write(ssl, head, (int)strlen(head));
    if (is("cut"))
        exit(0);
    for (unsigned long n = 1; (!is("few") || n < 100) && send_message(ssl); n++)
        if (dribble && n % dribble == 0 && SSL_write(ssl, "x", 1) != 1)
            break;
    if (is("few"))
        SSL_write(ssl, body, sizeof body);
    exit(0);
}

static int listen_anywhere(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&in, sizeof in) < 0 || listen(fd, 64) < 0 ||
        getsockname(fd, (struct sockaddr *)&in, &len) < 0)
        return -1;
    printf("%d\n", ntohs(in.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    mode = argv[3];
    dribble = argc > 4 ? strtoul(argv[4], NULL, 10) : 0;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN); /* nobody waits for them */
    SSL_CTX *ctx = context(argv[1], argv[2]);
    int listener = ctx ? listen_anywhere() : -1;
    if (listener < 0) {
        ERR_print_errors_fp(stderr);
        return 1;
    }
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            return 1;
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            serve(ctx, fd);
        }
        close(fd);
    }
}
