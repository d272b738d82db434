#include "terms/proxy.h"

#include "fetch/address.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct proxy {
    char *http, *https; /* or NULL */
    char *exceptions;   /* of the environment; or NULL */
};

/* The first of them that is set, and not to nothing. */
static const char *variable(const char *const *names)
{
    for (; *names; names++) {
        const char *value = getenv(*names);
        if (value && *value)
            return value;
    }
    return NULL;
}

static bool copy(char **ret, const char *text)
{
    *ret = text ? strdup(text) : NULL;
    return *ret || !text;
}

/* HTTP_PROXY in capitals is left alone, as curl does: a CGI's client could set it. */
static bool read_environment(struct proxy *p)
{
    static const char *const http[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
    static const char *const https[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                                        NULL};
    static const char *const exceptions[] = {"no_proxy", "NO_PROXY", NULL};
    return copy(&p->http, variable(http)) && copy(&p->https, variable(https)) &&
           copy(&p->exceptions, variable(exceptions));
}

int proxy_new(const char *setting, struct proxy **ret_proxy)
{
    bool none = !setting || strcmp(setting, "none") == 0;
    struct proxy *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    bool good = none                          ? true
                : strcmp(setting, "env") == 0 ? read_environment(p)
                                              : copy(&p->http, setting) && copy(&p->https, setting);
    if (!good) {
        proxy_free(p);
        return -ENOMEM;
    }
    *ret_proxy = p;
    return 0;
}

void proxy_free(struct proxy *proxy)
{
    if (!proxy)
        return;
    free(proxy->http);
    free(proxy->https);
    free(proxy->exceptions);
    free(proxy);
}

/* "example.org" and ".example.org" are it and all below it; a dot at the end of either is none. */
static bool is_below(const char *item, size_t len, const char *host)
{
    size_t have = strlen(host);
    if (have > 0 && host[have - 1] == '.')
        have--;
    if (len > 0 && item[len - 1] == '.')
        len--;
    if (len > 0 && *item == '.') {
        item++;
        len--;
    }
    if (len == 0 || have < len || strncasecmp(host + have - len, item, len) != 0)
        return false;
    return have == len || host[have - len - 1] == '.';
}

/* An address, or a block: /0 says no more than the address alone, as to libcurl. */
static bool is_within(const char *item, size_t len, const struct address *host)
{
    char text[ADDRESS_TEXT_SIZE + 4];
    struct address block;
    unsigned bits = host->family == AF_INET ? 32 : 128;
    if (len >= sizeof text)
        return false;
    memcpy(text, item, len);
    text[len] = '\0';
    char *slash = strchr(text, '/');
    unsigned prefix = slash ? (unsigned)strtoul(slash + 1, NULL, 10) : bits;
    if (slash)
        *slash = '\0';
    if (address_parse(text, &block) < 0 || prefix > bits)
        return false;
    return address_in(host, &block, prefix ? prefix : bits);
}

static bool is_excepted(const char *list, const char *host)
{
    struct address address;
    bool literal = address_parse(host, &address) == 0;
    if (list && strcmp(list, "*") == 0)
        return true;
    while (list && *list) {
        list += strspn(list, ", \t");
        size_t len = strcspn(list, ", \t");
        if (literal ? is_within(list, len, &address) : is_below(list, len, host))
            return true;
        list += len;
    }
    return false;
}

int proxy_host(const char *proxy, char **ret_host)
{
    CURLU *url = curl_url();
    char *host = NULL;
    CURLUcode code =
        url ? curl_url_set(url, CURLUPART_URL, proxy, CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME)
            : CURLUE_OUT_OF_MEMORY;
    if (!code)
        code = curl_url_get(url, CURLUPART_HOST, &host, 0);
    curl_url_cleanup(url);
    if (code)
        return code == CURLUE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
    size_t len = strlen(host), skip = *host == '[' && len >= 2;
    char *copy = strndup(host + skip, len - 2 * skip);
    curl_free(host);
    for (char *p = copy; p && *p; p++)
        *p = (char)tolower((unsigned char)*p);
    *ret_host = copy;
    return copy ? 0 : -ENOMEM;
}

const char *proxy_for(const struct proxy *proxy, const char *url, const char *host)
{
    if (!proxy || is_excepted(proxy->exceptions, host))
        return NULL;
    return strncasecmp(url, "https:", 6) == 0 ? proxy->https : proxy->http;
}
