#include "fetch/libcurl.h"

#include "fetch/shortage.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#define VERSION(major, minor, patch) \
    ((unsigned)(major) << 16 | (unsigned)(minor) << 8 | (unsigned)(patch))
#define OLDEST VERSION(7, 85, 0)

static const struct {
    unsigned version;
    const char *what;
} wrong[] = {
#define LIBCURL_WRONG(major, minor, patch, what) {VERSION(major, minor, patch), what},
#include "fetch/libcurl.def"
};

int libcurl_judge(const curl_version_info_data *info, struct error *err)
{
    if (info->version_num < OLDEST)
        return error_set(err, -ENOSYS, "libcurl %s is too old: 7.85.0 or later is needed",
                         info->version);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (info->version_num == wrong[i].version)
            return error_set(
                err, -ENOSYS,
                "libcurl %s cannot be used, it %s: install another version of libcurl4",
                info->version, wrong[i].what);
    if (!(info->features & CURL_VERSION_ASYNCHDNS) || !(info->features & CURL_VERSION_SSL))
        return error_set(
            err, -ENOSYS,
            "libcurl %s lacks TLS or a resolver that does not block: use another build",
            info->version);
    if (strncmp(info->ssl_version, "OpenSSL/", 8) != 0) /* connection.c asks it itself */
        return error_set(
            err, -ENOSYS,
            "libcurl %s is built with %.30s: the one with OpenSSL is needed (libcurl4)",
            info->version, info->ssl_version);
    return 0;
}

static pthread_once_t global_once = PTHREAD_ONCE_INIT;
static CURLcode global_code;

static void global_init(void)
{
    global_code = shortage_init();
}

int libcurl_start(struct error *err)
{
    pthread_once(&global_once, global_init);
    if (global_code)
        return error_set(err, -EIO, "libcurl cannot be set up: %s",
                         curl_easy_strerror(global_code));
    return libcurl_judge(curl_version_info(CURLVERSION_NOW), err);
}

static bool has(int feature)
{
    return curl_version_info(CURLVERSION_NOW)->features & feature;
}

bool libcurl_speaks_http3(void)
{
    return has(CURL_VERSION_HTTP3);
}

bool libcurl_speaks_http2(void)
{
    return has(CURL_VERSION_HTTP2);
}

/* Before 8.1.1 (curl/curl pull request 11103) a reset leaves a pointer to the last response's last
 * header, which is followed if the next response begins with a folded line: any origin could send
 * one. It costs these versions their TLS sessions, which they keep in the handle. */
bool libcurl_handles_last(void)
{
    return curl_version_info(CURLVERSION_NOW)->version_num >= VERSION(8, 1, 1);
}
