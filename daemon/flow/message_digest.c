#include "flow/message_digest.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

/* The EVP context is the object: there is nothing else to keep. */
static EVP_MD_CTX *context(struct digest *digest)
{
    return (EVP_MD_CTX *)digest;
}

static const EVP_MD *algorithm_find(const char *name)
{
    static const struct {
        const char *name;
        const EVP_MD *(*md)(void);
    } table[] = {{"sha256", EVP_sha256}, {"sha384", EVP_sha384}, {"sha512", EVP_sha512}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].md();
    return NULL;
}

bool digest_known(const char *algorithm)
{
    return algorithm_find(algorithm) != NULL;
}

size_t digest_hex_length(const char *algorithm)
{
    const EVP_MD *md = algorithm_find(algorithm);
    return md ? 2 * (size_t)EVP_MD_get_size(md) : 0;
}

int digest_new(const char *algorithm, struct digest **ret_digest)
{
    const EVP_MD *md = algorithm_find(algorithm);
    if (!md)
        return -EINVAL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx)
        return -ENOMEM;
    if (EVP_DigestInit_ex(ctx, md, NULL) != 1) {
        ERR_clear_error(); /* the thread's next user of OpenSSL is not to find it */
        EVP_MD_CTX_free(ctx);
        return -ENOMEM;
    }
    *ret_digest = (struct digest *)ctx;
    return 0;
}

int digest_update(struct digest *digest, const void *data, size_t len)
{
    return EVP_DigestUpdate(context(digest), data, len) == 1 ? 0 : -EIO;
}

int digest_final(struct digest *digest, char ret_hex[DIGEST_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_DigestFinal_ex(context(digest), raw, &len) != 1)
        return -EIO;
    for (unsigned i = 0; i < len; i++) {
        ret_hex[2 * i] = digits[raw[i] >> 4];
        ret_hex[2 * i + 1] = digits[raw[i] & 15];
    }
    ret_hex[2 * len] = '\0';
    return 0;
}

void digest_free(struct digest *digest)
{
    EVP_MD_CTX_free(context(digest));
}
