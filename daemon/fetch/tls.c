/* Messages of the handshake: OpenSSL tells of each message through a callback that cannot refuse
 * it. So the connection's source of bytes (its BIO) is replaced by one that has nothing but an
 * error to give: OpenSSL asks it for the next record, and the call ends.
 *
 * Frames of HTTP/2: libcurl's calls of SSL_read come to the function of that name in this program,
 * which looks at what was read for as long as the connection's protocol is h2. Were it not called,
 * no stream would ever be known to have ended, and its body not be taken for whole. */
#include "fetch/tls.h"

#include "fetch/frames.h"

#include <dlfcn.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum reason { REASON_NONE, REASON_FLOOD, REASON_GROUP, REASON_FRAMES, REASONS };

#define TEXT_OF(number)    #number
#define AT_MOST(what, max) "more than " TEXT_OF(max) " " what

static const char *const texts[REASONS] = {
    [REASON_FLOOD] = AT_MOST("handshake messages on one connection", TLS_MESSAGES_MAX),
    [REASON_GROUP] = AT_MOST("bits in the Diffie-Hellman group", TLS_GROUP_BITS_MAX),
    [REASON_FRAMES] = "more frames of HTTP/2 than an answer needs",
};

struct tls_answer {
    unsigned refs; /* the connection's, and its transfer's */
    bool ended, closed, flooded;
};

/* What has passed on one connection, which owns this. */
struct watch {
    unsigned messages;
    enum { SPEAKS_UNKNOWN, SPEAKS_HTTP1, SPEAKS_HTTP2 } speaks;
    struct frames frames;
    struct tls_answer *answer; /* to the last request; NULL before the first */
};

static int error_library, watch_index = -1;
static int (*library_read)(SSL *, void *, int);
static BIO_METHOD *flooded;

typedef int security_callback(const SSL *, const SSL_CTX *, int, int, int, void *, void *);
static _Atomic(security_callback *) openssl_judge;

static int flooded_read(BIO *bio, char *data, size_t size, size_t *ret_count)
{
    BIO_clear_retry_flags(bio);
    ERR_raise(error_library, REASON_FLOOD);
    return -1;
}

/* Without this function OpenSSL's questions to the BIO would leave errors of their own before ours,
 * and curl tells of the first one. */
static long flooded_ctrl(BIO *bio, int command, long number, void *pointer)
{
    return 0;
}

static int flooded_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static void free_watch(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long number,
                       void *arg)
{
    struct watch *watch = data;
    if (watch)
        tls_answer_put(watch->answer);
    free(watch);
}

/* What cannot be had for want of memory is asked for again the next time. True: all is there. */
static bool prepare(void)
{
    static ERR_STRING_DATA strings[REASONS]; /* the last one stays empty: the end */
    static int type;
    if (!library_read)
        *(void **)&library_read = dlsym(RTLD_NEXT, "SSL_read"); /* as dlsym(3) has it */
    if (!error_library)
        error_library = ERR_get_next_error_library();
    for (int i = REASON_NONE + 1; i < REASONS && !strings[i - 1].error; i++)
        strings[i - 1] = (ERR_STRING_DATA){ERR_PACK(error_library, 0, i), texts[i]};
    ERR_load_strings(error_library, strings);
    if (!type)
        type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK;
    if (!flooded && (flooded = BIO_meth_new(type, "flooded"))) {
        BIO_meth_set_read_ex(flooded, flooded_read);
        BIO_meth_set_ctrl(flooded, flooded_ctrl);
        BIO_meth_set_create(flooded, flooded_create);
    }
    if (watch_index < 0)
        watch_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_watch);
    return library_read && flooded && watch_index >= 0;
}

/* Any thread. */
static bool is_prepared(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static atomic_bool prepared;
    if (atomic_load(&prepared))
        return true;
    pthread_mutex_lock(&lock);
    bool done = atomic_load(&prepared) || prepare();
    atomic_store(&prepared, done);
    pthread_mutex_unlock(&lock);
    return done;
}

/* Without memory the connection goes on until the next message. */
static void stop_reading(SSL *ssl)
{
    BIO *bio = BIO_new(flooded);
    if (bio)
        SSL_set0_rbio(ssl, bio);
}

/* The connection's own; NULL: out of memory. */
static struct watch *watch_of(SSL *ssl)
{
    struct watch *watch = SSL_get_ex_data(ssl, watch_index);
    if (watch)
        return watch;
    watch = calloc(1, sizeof *watch);
    if (!watch)
        return NULL;
    if (SSL_set_ex_data(ssl, watch_index, watch) == 1)
        return watch;
    free(watch);
    return NULL;
}

static void on_message(int sent, int version, int type, const void *data, size_t len, SSL *ssl,
                       void *arg)
{
    if (type != SSL3_RT_HANDSHAKE && type != SSL3_RT_ALERT)
        return;
    struct watch *watch = watch_of(ssl);
    if (type == SSL3_RT_ALERT) { /* its level, and what it says */
        if (!sent && watch && watch->answer && len == 2)
            watch->answer->closed = ((const uint8_t *)data)[1] == SSL3_AD_CLOSE_NOTIFY;
        return;
    }
    if (!sent && watch && ++watch->messages > TLS_MESSAGES_MAX)
        stop_reading(ssl);
}

/* --- what is read ----------------------------------------------------------------------------- */

static bool speaks_http2(struct watch *watch, const SSL *ssl)
{
    const unsigned char *name;
    unsigned len;
    if (watch->speaks == SPEAKS_UNKNOWN) {
        SSL_get0_alpn_selected(ssl, &name, &len);
        watch->speaks = len == 2 && memcmp(name, "h2", 2) == 0 ? SPEAKS_HTTP2 : SPEAKS_HTTP1;
    }
    return watch->speaks == SPEAKS_HTTP2;
}

/* Takes the place of OpenSSL's in the whole process; weak, so that a test can answer in its place.
 * Connections that are not libcurl's have no watch. */
__attribute__((weak)) int SSL_read(SSL *ssl, void *data, int size)
{
    bool watches = is_prepared();
    int n = library_read(ssl, data, size);
    struct watch *watch = watches ? SSL_get_ex_data(ssl, watch_index) : NULL;
    if (n <= 0 || !watch || !speaks_http2(watch, ssl))
        return n;
    frames_read(&watch->frames, data, (size_t)n);
    if (watch->answer) {
        watch->answer->ended = watch->frames.ended;
        watch->answer->flooded = frames_excess(&watch->frames);
    }
    if (!frames_excess(&watch->frames))
        return n;
    ERR_raise(error_library, REASON_FRAMES);
    return -1;
}

struct tls_answer *tls_answer_expect(SSL *ssl)
{
    struct watch *watch = ssl ? watch_of(ssl) : NULL;
    if (!watch)
        return NULL;
    frames_expect(&watch->frames);
    tls_answer_put(watch->answer);
    watch->answer = calloc(1, sizeof *watch->answer);
    if (watch->answer)
        watch->answer->refs = 2;
    return watch->answer;
}

void tls_answer_put(struct tls_answer *answer)
{
    if (answer && --answer->refs == 0)
        free(answer);
}

bool tls_answer_ended(const struct tls_answer *answer)
{
    return answer && answer->ended;
}

/* --- groups ----------------------------------------------------------------------------------- */

/* Called in place of OpenSSL's own judgement, which is asked as well: it finds no group too
 * large. */
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
    return is_prepared() &&
           curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_context) == CURLE_OK;
}

bool tls_answer_cut(const struct tls_answer *answer)
{
    return answer && !answer->closed;
}

const char *tls_reason(const struct tls_answer *answer, const char *curl_error)
{
    if (answer && answer->flooded)
        return texts[REASON_FRAMES];
    for (int i = REASON_NONE + 1; i < REASONS; i++)
        if (strstr(curl_error, texts[i]))
            return texts[i];
    return NULL;
}
