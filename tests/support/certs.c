#include "support/certs.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

struct pair {
    X509 *cert;
    EVP_PKEY *key;
};

static void pair_deinit(struct pair *pair)
{
    X509_free(pair->cert);
    EVP_PKEY_free(pair->key);
    *pair = (struct pair){0};
}

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = ext && X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
    return ok;
}

/* Times in days from now. Signed by `issuer`, or by itself if that is NULL. */
static bool pair_make(struct pair *ret, const struct pair *issuer, const char *name, long serial,
                      const char *names, int from_day, int to_day)
{
    ret->key = EVP_EC_gen("P-256");
    ret->cert = X509_new();
    if (!ret->key || !ret->cert)
        return false;
    X509 *cert = ret->cert, *signer = issuer ? issuer->cert : cert;
    X509_NAME *subject = X509_get_subject_name(cert);
    bool ca = !names;
    return X509_set_version(cert, X509_VERSION_3) &&
           ASN1_INTEGER_set(X509_get_serialNumber(cert), serial) &&
           X509_time_adj_ex(X509_getm_notBefore(cert), from_day, 0, NULL) &&
           X509_time_adj_ex(X509_getm_notAfter(cert), to_day, 0, NULL) &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1,
                                      -1, 0) &&
           X509_set_issuer_name(cert, X509_get_subject_name(signer)) &&
           X509_set_pubkey(cert, ret->key) &&
           add_extension(cert, signer, NID_basic_constraints,
                         ca ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
           add_extension(cert, signer, NID_key_usage,
                         ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature") &&
           add_extension(cert, signer, NID_subject_key_identifier, "hash") &&
           (ca || add_extension(cert, signer, NID_subject_alt_name, names)) &&
           (ca || add_extension(cert, signer, NID_ext_key_usage, "serverAuth")) &&
           X509_sign(cert, issuer ? issuer->key : ret->key, EVP_sha256());
}

static bool write_certificate(X509 *cert, const char *path)
{
    FILE *file = fopen(path, "we");
    if (!file)
        return false;
    bool ok = PEM_write_X509(file, cert);
    return fclose(file) == 0 && ok;
}

static SSL_CTX *make_context(const struct pair *leaf)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx)
        return NULL;
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_use_certificate(ctx, leaf->cert) == 1 &&
        SSL_CTX_use_PrivateKey(ctx, leaf->key) == 1)
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

SSL_CTX *certs_server_context(enum origin_tls kind, const char *ca_file)
{
    struct pair ca = {0}, leaf = {0};
    const char *names =
        kind == ORIGIN_TLS_WRONG_NAME ? "DNS:wrong.invalid" : "DNS:localhost,IP:127.0.0.1,IP:::1";
    bool expired = kind == ORIGIN_TLS_EXPIRED;
    SSL_CTX *ctx = NULL;
    if (pair_make(&ca, NULL, "penstock test CA", 1, NULL, -30, 30) &&
        pair_make(&leaf, kind == ORIGIN_TLS_SELF_SIGNED ? NULL : &ca, "penstock test origin", 2,
                  names, expired ? -20 : -1, expired ? -1 : 20) &&
        write_certificate(ca.cert, ca_file))
        ctx = make_context(&leaf);
    if (!ctx)
        ERR_print_errors_fp(stderr);
    pair_deinit(&ca);
    pair_deinit(&leaf);
    return ctx;
}
