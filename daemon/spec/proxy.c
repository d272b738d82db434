#include "spec/proxy.h"

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

/* "example.org" and ".example.org" are it and all below it; "*" is everything. */
static bool excepts(const char *item, size_t len, const char *host)
{
    size_t have = strlen(host);
    if (len == 1 && *item == '*')
        return true;
    if (len > 0 && *item == '.') {
        item++;
        len--;
    }
    if (len == 0 || have < len || strncasecmp(host + have - len, item, len) != 0)
        return false;
    return have == len || host[have - len - 1] == '.';
}

static bool is_excepted(const char *list, const char *host)
{
    while (list && *list) {
        list += strspn(list, ", \t");
        size_t len = strcspn(list, ", \t");
        if (excepts(list, len, host))
            return true;
        list += len;
    }
    return false;
}

const char *proxy_for(const struct proxy *proxy, const char *url, const char *host)
{
    if (!proxy || is_excepted(proxy->exceptions, host))
        return NULL;
    return strncasecmp(url, "https:", 6) == 0 ? proxy->https : proxy->http;
}
