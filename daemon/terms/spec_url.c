#include "terms/spec_url.h"

#include "fetch/shortage.h"
#include "terms/plain_url.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define URL_MAX 8192

/* --- reading ---------------------------------------------------------------------------------- */

/* A host may have been given without its scheme. What may hold a secret is not repeated. */
static int refuse_relative(const char *url, struct error *err)
{
    size_t host = strcspn(url, "/");
    const char *dot = memchr(url, '.', host);
    bool as_host =
        dot && dot > url && dot[1] && dot[1] != '/' && strcspn(url, "@?#") == strlen(url);
    if (as_host)
        return error_set(err, -EINVAL, "it is not absolute; did you mean https://%.200s?", url);
    return error_set(err, -EINVAL, "it is not absolute; write http://HOST/PATH or https://…");
}

/* What libcurl would mend or take in good part, but a log, a policy or another reader might not. */
static int check_text(const char *url, struct error *err)
{
    const char *slashes = strstr(url, "://");

    if (strlen(url) > URL_MAX)
        return error_set(err, -EINVAL, "it is over 8 KiB");
    for (const char *p = url; *p; p++)
        if ((unsigned char)*p <= 0x20 || *p == 0x7f)
            return error_set(err, -EINVAL,
                             "it has white space or a control character; percent-encode it");
    if (!slashes || memchr(url, '/', (size_t)(slashes - url)))
        return refuse_relative(url, err);
    size_t scheme = (size_t)(slashes - url);
    if (!(scheme == 4 && strncasecmp(url, "http", 4) == 0) &&
        !(scheme == 5 && strncasecmp(url, "https", 5) == 0))
        return error_set(err, -EINVAL, "its scheme is not http or https");
    size_t authority = strcspn(slashes + 3, "/?#");
    if (authority == 0)
        return error_set(err, -EINVAL, "its host is missing");
    if (memchr(slashes + 3, '@', authority))
        return error_set(err, -EINVAL, "it holds a user or password; use `credential`");
    for (size_t i = 0; i < authority; i++)
        if ((unsigned char)slashes[3 + i] >= 0x80)
            return error_set(err, -EINVAL,
                             "its host is not ASCII; write an international name as xn--…");
    return 0;
}

static int curl_error(CURLUcode code, struct error *err)
{
    if (code == CURLUE_OUT_OF_MEMORY)
        return error_set(err, -ENOMEM, "out of memory");
    /* Which names libcurl refuses itself differs from version to version. */
    if (code == CURLUE_BAD_HOSTNAME)
        return error_set(err, -EINVAL, "its host is no valid name or address");
    return error_set(err, -EINVAL, "it is no valid URL: %s", curl_url_strerror(code));
}

static int check_host(const char *host, struct error *err)
{
    size_t len = strlen(host);
    if (len == 0 || len > 253 || *host == '.' || host[len - 1] == '.' || strstr(host, "..") ||
        strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.:") != len)
        return error_set(err, -EINVAL, "its host is no valid name or address");
    return 0;
}

/* The host as the policy, the limits and the shards know it. */
static int read_host(CURLU *u, char **ret_host, struct error *err)
{
    char *part = NULL;
    CURLUcode code = curl_url_get(u, CURLUPART_HOST, &part, 0);
    if (code)
        return curl_error(code, err);
    const char *from = part;
    size_t len = strlen(part);
    if (len > 2 && from[0] == '[' && from[len - 1] == ']') {
        from++;
        len -= 2;
    } else if (len > 0 && from[len - 1] == '.') {
        len--;
    }
    char *host = strndup(from, len);
    curl_free(part);
    if (!host)
        return error_set(err, -ENOMEM, "out of memory");
    for (char *p = host; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    int r = check_host(host, err);
    if (r < 0) {
        free(host);
        return r;
    }
    *ret_host = host;
    return 0;
}

static int check_port(CURLU *u, struct error *err)
{
    char *port = NULL;
    CURLUcode code = curl_url_get(u, CURLUPART_PORT, &port, 0);
    if (code == CURLUE_NO_PORT)
        return 0;
    if (code)
        return curl_error(code, err);
    int r = strtol(port, NULL, 10) == 0 ? error_set(err, -EINVAL, "port 0 is none") : 0;
    curl_free(port);
    return r;
}

static CURLUcode lower_host(CURLU *u)
{
    char *part = NULL;
    CURLUcode code = curl_url_get(u, CURLUPART_HOST, &part, 0);
    if (code)
        return code;
    for (char *p = part; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    /* It was a host before, so what is missing is memory: libcurl 8.14 then calls it a bad one. */
    code = curl_url_set(u, CURLUPART_HOST, part, 0) ? CURLUE_OUT_OF_MEMORY : CURLUE_OK;
    curl_free(part);
    return code;
}

static int read_normal(CURLU *u, char **ret_url, struct error *err)
{
    char *text = NULL;
    CURLUcode code = curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
    if (!code)
        code = lower_host(u);
    if (!code)
        code = curl_url_get(u, CURLUPART_URL, &text, 0);
    if (code)
        return curl_error(code, err);
    char *url = strdup(text); /* curl_free and free need not be the same */
    curl_free(text);
    if (!url)
        return error_set(err, -ENOMEM, "out of memory");
    *ret_url = url;
    return 0;
}

static int copy_plain(const char *text, const char *host, size_t host_len, char **ret_url,
                      char **ret_host, struct error *err)
{
    char *name = strndup(host, host_len), *url = ret_url ? strdup(text) : NULL;
    if (!name || (ret_url && !url)) {
        free(name);
        free(url);
        return error_set(err, -ENOMEM, "out of memory");
    }
    if (ret_url)
        *ret_url = url;
    *ret_host = name;
    return 0;
}

int spec_read_url(const char *text, char **ret_url, char **ret_host, struct error *err)
{
    char *url = NULL, *host = NULL;
    const char *name;
    size_t name_len;
    if (plain_url(text, URL_MAX, &name, &name_len))
        return copy_plain(text, name, name_len, ret_url, ret_host, err);
    uint64_t shortages = shortage_count();
    int r = check_text(text, err);
    if (r < 0)
        return r;
    CURLU *u = curl_url();
    if (!u)
        return error_set(err, -ENOMEM, "out of memory");
    CURLUcode code = curl_url_set(u, CURLUPART_URL, text, CURLU_URLENCODE);
    r = code ? curl_error(code, err) : check_port(u, err);
    if (r == 0)
        r = read_host(u, &host, err);
    if (r == 0 && ret_url)
        r = read_normal(u, &url, err);
    curl_url_cleanup(u);
    if (shortage_count() != shortages) /* libcurl has other words for it, or makes do with less */
        r = error_set(err, -ENOMEM, "out of memory");
    if (r < 0) {
        free(url);
        free(host);
        return r;
    }
    if (ret_url)
        *ret_url = url;
    *ret_host = host;
    return 0;
}

int spec_url_host(const char *url, char **ret_host, struct error *err)
{
    struct error why;
    int r = spec_read_url(url, NULL, ret_host, &why);
    return r < 0 ? error_set(err, r, "the URL cannot be used: %s", why.text) : 0;
}
