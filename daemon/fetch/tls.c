/* OpenSSL tells of each message through a callback that cannot refuse it. So the connection's source of bytes (its BIO) is
 * replaced by one that has nothing but an error to give: OpenSSL asks it for the next record, and the call ends. */
#include "fetch/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

enum reason { REASON_NONE, REASON_FLOOD, REASON_GROUP, REASONS };

#define TEXT_OF(number)    #number
#define AT_MOST(what, max) "more than " TEXT_OF(max) " " what

static const char *const texts[REASONS] = {
    [REASON_FLOOD] = AT_MOST("handshake messages on one connection", TLS_MESSAGES_MAX),
    [REASON_GROUP] = AT_MOST("bits in the Diffie-Hellman group", TLS_GROUP_BITS_MAX),
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int error_library, count_index = -1;
static BIO_METHOD *flooded;

typedef int security_callback(const SSL *, const SSL_CTX *, int, int, int, void *, void *);
static _Atomic(security_callback *) openssl_judge;

static int flooded_read(BIO *bio, char *data, size_t size, size_t *ret_count)
{
    BIO_clear_retry_flags(bio);
    ERR_raise(error_library, REASON_FLOOD);
    return -1;
}

/* Without this function OpenSSL's questions to the BIO would leave errors of their own before ours, and curl tells of the
 * first one. */
static long flooded_ctrl(BIO *bio, int command, long number, void *pointer)
{
    return 0;
}

static int flooded_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static void prepare(void)
{
    static ERR_STRING_DATA strings[REASONS]; /* the last one stays empty: the end */
    error_library = ERR_get_next_error_library();
    for (int i = REASON_NONE + 1; i < REASONS; i++)
        strings[i - 1] = (ERR_STRING_DATA){ERR_PACK(error_library, 0, i), texts[i]};
    ERR_load_strings(error_library, strings);
    flooded = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "flooded");
    if (!flooded)
        return;
    BIO_meth_set_read_ex(flooded, flooded_read);
    BIO_meth_set_ctrl(flooded, flooded_ctrl);
    BIO_meth_set_create(flooded, flooded_create);
    count_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

/* Without memory the connection goes on until the next message. */
static void stop_reading(SSL *ssl)
{
    BIO *bio = BIO_new(flooded);
    if (bio)
        SSL_set0_rbio(ssl, bio);
}

static void on_message(int sent, int version, int type, const void *data, size_t len, SSL *ssl,
                       void *arg)
{
    if (sent || type != SSL3_RT_HANDSHAKE)
        return;
    uintptr_t count = (uintptr_t)SSL_get_ex_data(ssl, count_index) + 1;
    SSL_set_ex_data(ssl, count_index, (void *)count);
    if (count > TLS_MESSAGES_MAX)
        stop_reading(ssl);
}

/* Called in place of OpenSSL's own judgement, which is asked as well: it finds no group too large. */
static int on_security(const SSL *ssl, const SSL_CTX *ctx, int what, int bits, int nid, void *other,
                       void *arg)
{
    if (what == SSL_SECOP_TMP_DH && EVP_PKEY_get_bits(other) > TLS_GROUP_BITS_MAX) {
        ERR_raise(error_library, REASON_GROUP);
        return 0;
    }
    security_callback *judge = atomic_load(&openssl_judge);
    return judge(ssl, ctx, what, bits, nid, other, arg);
}

static CURLcode on_context(CURL *easy, void *ctx, void *arg)
{
    SSL_CTX_set_msg_callback(ctx, on_message);
    atomic_store(&openssl_judge,
                 SSL_CTX_get_security_callback(ctx)); /* the same for all contexts */
    SSL_CTX_set_security_callback(ctx, on_security);
    return CURLE_OK;
}

bool tls_limit(CURL *easy)
{
    pthread_once(&once, prepare);
    return count_index >= 0 &&
           curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_context) == CURLE_OK;
}

const char *tls_reason(const char *curl_error)
{
    for (int i = REASON_NONE + 1; i < REASONS; i++)
        if (strstr(curl_error, texts[i]))
            return texts[i];
    return NULL;
}
