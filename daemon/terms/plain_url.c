#include "terms/plain_url.h"

#include <stdlib.h>
#include <string.h>

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

#define HOST_MAX 253

/* NULL: it is neither. */
static const char *behind_scheme(const char *url)
{
    if (strncmp(url, "http://", 7) == 0)
        return url + 7;
    return strncmp(url, "https://", 8) == 0 ? url + 8 : NULL;
}

/* How many digits there are of a number from `min` to `max` in its one way of writing; 0: it is
 * another. */
static size_t number_len(const char *p, long min, long max)
{
    size_t len = strspn(p, DIGITS);
    if (len == 0 || len > 5 || (len > 1 && *p == '0'))
        return 0;
    long value = strtol(p, NULL, 10);
    return value >= min && value <= max ? len : 0;
}

static bool is_quad(const char *host, size_t len)
{
    const char *p = host;
    for (int i = 0; i < 4; i++) {
        size_t digits = number_len(p, 0, 255);
        if (digits == 0 || (i < 3 && p[digits] != '.'))
            return false;
        p += digits + (i < 3);
    }
    return p == host + len;
}

/* No part is empty, and the last one cannot be a number, in whatever base. */
static bool is_name(const char *host, size_t len)
{
    const char *last = host;
    for (const char *p = host; p < host + len; p++)
        if (*p == '.') {
            if (p == last)
                return false;
            last = p + 1;
        }
    return last < host + len && *last >= 'a' && *last <= 'z';
}

/* With the slash it begins with. */
static const char *behind_path(const char *p)
{
    while (*p == '/') {
        if (p[1] == '.')
            return NULL;
        p += 1 + strspn(p + 1, LOWER UPPER DIGITS "-._~");
    }
    return p;
}

bool plain_url(const char *url, size_t max, const char **ret_host, size_t *ret_host_len)
{
    const char *host = behind_scheme(url);
    if (!host)
        return false;
    size_t len = strspn(host, LOWER DIGITS "-.");
    const char *p = host + len;
    if (len == 0 || len > HOST_MAX || (!is_name(host, len) && !is_quad(host, len)))
        return false;
    if (*p == ':') {
        size_t digits = number_len(p + 1, 1, 65535);
        if (digits == 0)
            return false;
        p += 1 + digits;
    }
    if (*p != '/')
        return false;
    p = behind_path(p);
    if (p && *p == '?' && p[1])
        p += 1 + strspn(p + 1, LOWER UPPER DIGITS "-._~/&=");
    if (!p || *p || (size_t)(p - url) > max)
        return false;
    *ret_host = host;
    *ret_host_len = len;
    return true;
}
