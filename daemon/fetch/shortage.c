#include "fetch/shortage.h"
#include "base/reserve.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static _Atomic uint64_t failed;

void shortage_note(void)
{
    atomic_fetch_add_explicit(&failed, 1, memory_order_relaxed);
}

uint64_t shortage_count(void)
{
    return atomic_load_explicit(&failed, memory_order_relaxed);
}

static void *seen(void *block)
{
    if (!block)
        shortage_note();
    return block;
}

/* --- libcurl's -------------------------------------------------------------------------------- */

static void *starved(size_t size)
{
    shortage_note();
    return reserve_take(size);
}

static void *curl_malloc(size_t size)
{
    void *block = malloc(size > 0 ? size : 1);
    return block ? block : starved(size);
}

static void curl_free_block(void *block)
{
    if (reserve_owns(block))
        reserve_give(block);
    else
        free(block);
}

static void *curl_realloc(void *block, size_t size)
{
    if (!reserve_owns(block))
        return seen(realloc(block, size > 0 ? size : 1));
    if (size <= reserve_size(block))
        return block;
    void *grown = seen(malloc(size));
    if (grown) {
        memcpy(grown, block, reserve_size(block));
        reserve_give(block);
    }
    return grown;
}

static void *curl_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    void *block = curl_malloc(bytes);
    return block ? memset(block, 0, bytes) : NULL;
}

static char *curl_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = curl_malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

/* --- OpenSSL's -------------------------------------------------------------------------------- */

static void *ssl_malloc(size_t size, const char *file, int line)
{
    return size > 0 ? seen(malloc(size)) : NULL;
}

static void *ssl_realloc(void *block, size_t size, const char *file, int line)
{
    if (size > 0)
        return seen(realloc(block, size));
    free(block);
    return NULL;
}

static void ssl_free(void *block, const char *file, int line)
{
    free(block);
}

CURLcode shortage_init(void)
{
    (void)CRYPTO_set_mem_functions(ssl_malloc, ssl_realloc, ssl_free);
    /* Without memory for its context OpenSSL goes on without its locks: better not to begin. */
    if (!OSSL_LIB_CTX_get0_global_default() || RAND_status() != 1)
        return CURLE_OUT_OF_MEMORY;
    return curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_malloc, curl_free_block, curl_realloc,
                                curl_strdup, curl_calloc);
}
