#include "fetch/shortage.h"

#include <openssl/crypto.h>
#include <stdatomic.h>
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

/* --- libcurl's ------------------------------------------------------------------------------------ */

static void *curl_malloc(size_t size)
{
    return seen(malloc(size > 0 ? size : 1));
}

static void *curl_realloc(void *block, size_t size)
{
    return seen(realloc(block, size > 0 ? size : 1));
}

static void *curl_calloc(size_t count, size_t size)
{
    return seen(count > 0 && size > 0 ? calloc(count, size) : malloc(1));
}

static char *curl_strdup(const char *text)
{
    return seen(strdup(text));
}

/* --- OpenSSL's ------------------------------------------------------------------------------------ */

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
    return curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_malloc, free, curl_realloc, curl_strdup,
                                curl_calloc);
}
