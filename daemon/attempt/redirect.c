#include "attempt/redirect.h"

#include <curl/curl.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct origin {
    char *scheme, *host, *port; /* libcurl's; scheme and host as they stand in the URL */
};

/* An origin that lacks a part is none. */
static bool origin_read(CURLU *url, const char *text, struct origin *ret)
{
    return url && !curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) &&
           !curl_url_get(url, CURLUPART_SCHEME, &ret->scheme, 0) &&
           !curl_url_get(url, CURLUPART_HOST, &ret->host, 0) &&
           !curl_url_get(url, CURLUPART_PORT, &ret->port, CURLU_DEFAULT_PORT);
}

static void origin_deinit(struct origin *o)
{
    curl_free(o->scheme);
    curl_free(o->host);
    curl_free(o->port);
}

static size_t host_len(const char *host)
{
    size_t len = strlen(host);
    return len > 1 && host[len - 1] == '.' ? len - 1 : len;
}

static bool same_host(const char *a, const char *b)
{
    return host_len(a) == host_len(b) && strncasecmp(a, b, host_len(a)) == 0;
}

bool redirect_same_origin(const char *a, const char *b)
{
    struct origin x = {0}, y = {0};
    CURLU *url_a = curl_url(), *url_b = curl_url();
    bool same = origin_read(url_a, a, &x) && origin_read(url_b, b, &y) &&
                strcasecmp(x.scheme, y.scheme) == 0 && same_host(x.host, y.host) &&
                strcmp(x.port, y.port) == 0;
    origin_deinit(&x);
    origin_deinit(&y);
    curl_url_cleanup(url_a);
    curl_url_cleanup(url_b);
    return same;
}

bool redirect_downgrades(const char *from, const char *to)
{
    return strncasecmp(from, "https:", 6) == 0 && strncasecmp(to, "https:", 6) != 0;
}

bool redirect_is_forbidden(const char *url)
{
    const char *slashes = strstr(url, "://");
    bool http = strncasecmp(url, "http:", 5) == 0 || strncasecmp(url, "https:", 6) == 0;
    return !http || (slashes && memchr(slashes + 3, '@', strcspn(slashes + 3, "/?#")));
}

const char *redirect_method(int status, const char *method)
{
    if (strcmp(method, "HEAD") == 0)
        return method;
    return status == 301 || status == 302 || status == 303 ? "GET" : method;
}

/* What speaks of the body that is sent along. */
static bool tells_of_body(const char *line)
{
    static const char *const names[] = {
        "Content-Type",        "Content-Encoding", "Content-Language",
        "Content-Location",    "Content-MD5",      "Content-Digest",
        "Content-Disposition", "Digest",           "Repr-Digest"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t len = strlen(names[i]);
        if (strncasecmp(line, names[i], len) == 0 && line[len] == ':')
            return true;
    }
    return false;
}

bool redirect_keeps_header(const char *line, bool elsewhere, bool had_body, bool has_body)
{
    if (had_body && tells_of_body(line))
        return has_body;
    return !elsewhere;
}
