/* The origin's certificates are good and bad as its header says, as OpenSSL's own verification sees
 * it. */
#include "support/origin.h"
#include "support/testlib.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int dial(const struct origin *origin)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(origin_port(origin)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_return_code(connect(fd, (struct sockaddr *)&address, sizeof address), errno);
    return fd;
}

/* A verifying client's view: X509_V_OK or why not; then the number of bytes it gets, and whether
 * their end was told. */
static long visit(const struct origin *origin, const char *path, size_t *ret_bytes, bool *ret_told)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_load_verify_locations(ctx, origin_ca_file(origin), NULL), 1);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL *ssl = SSL_new(ctx);
    int fd = dial(origin);
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), "127.0.0.1");
    SSL_set_fd(ssl, fd);
    *ret_bytes = 0;
    *ret_told = false;
    if (SSL_connect(ssl) == 1) {
        char text[256], piece[4096];
        int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
        assert_int_equal(SSL_write(ssl, text, n), n);
        while ((n = SSL_read(ssl, piece, sizeof piece)) > 0)
            *ret_bytes += (size_t)n;
        *ret_told = SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN;
    }
    long result = SSL_get_verify_result(ssl);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close(fd);
    return result;
}

static void certificates_are_judged(void **state)
{
    static const struct {
        enum origin_tls kind;
        long result;
    } cases[] = {{ORIGIN_TLS, X509_V_OK},
                 {ORIGIN_TLS_WRONG_NAME, X509_V_ERR_IP_ADDRESS_MISMATCH},
                 {ORIGIN_TLS_EXPIRED, X509_V_ERR_CERT_HAS_EXPIRED},
                 {ORIGIN_TLS_SELF_SIGNED, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct origin *origin = origin_new(&(struct origin_config){.tls = cases[i].kind});
        struct origin_totals totals;
        size_t bytes;
        bool told;
        assert_non_null(origin);
        assert_int_equal(visit(origin, "/bytes?n=100K&framing=close", &bytes, &told),
                         cases[i].result);
        assert_true(cases[i].result == X509_V_OK ? bytes > 100 << 10 && told : bytes == 0);
        TEST_WAIT((origin_totals(origin, &totals), totals.open == 0), 10000);
        assert_int_equal(totals.handshake_failures, cases[i].result != X509_V_OK);
        origin_free(origin);
    }
}

static void a_cut_comes_without_notice(void **state)
{
    struct origin *origin =
        origin_new(&(struct origin_config){.tls = ORIGIN_TLS, .ca_file = test_path("ca.pem")});
    size_t bytes;
    bool told;
    assert_non_null(origin);
    assert_int_equal(visit(origin, "/bytes?n=100K&framing=close&cut=50K", &bytes, &told),
                     X509_V_OK);
    assert_true(bytes > 50 << 10 && bytes < 51 << 10);
    assert_false(told);
    visit(origin, "/bytes?n=100K&framing=close&cut=50K&notify=1", &bytes, &told);
    assert_true(told);
    visit(origin, "/bytes?n=100K&framing=close&notify=0", &bytes, &told);
    assert_true(bytes > 100 << 10);
    assert_false(told);
    visit(origin, "/bytes?n=100K&reset=50K", &bytes, &told);
    assert_true(bytes > 50 << 10 && bytes < 51 << 10);
    assert_false(told);
    origin_free(origin);
}

static void a_silent_one_never_shakes_hands(void **state)
{
    struct origin *origin = origin_new(&(struct origin_config){.tls = ORIGIN_TLS_SILENT});
    struct origin_totals totals;
    char byte;
    assert_non_null(origin);
    int fd = dial(origin);
    assert_int_equal(send(fd, "\x16\x03\x01", 3, 0), 3);
    TEST_WAIT((origin_totals(origin, &totals), totals.open == 1), 10000);
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
    close(fd);
    TEST_WAIT((origin_totals(origin, &totals), totals.open == 0), 10000);
    origin_free(origin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_are_judged),
        cmocka_unit_test(a_cut_comes_without_notice),
        cmocka_unit_test(a_silent_one_never_shakes_hands),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("origin, TLS", tests, NULL, NULL);
}
