#include "control/host_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#define HOST_MAX   253
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-."

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), n = strlen(end);
    return len >= n && strcasecmp(text + len - n, end) == 0;
}

/* What follows the host: nothing, or a port. */
static bool is_port(const char *text)
{
    if (*text == '\0')
        return true;
    return *text == ':' && text[1] && text[1 + strspn(text + 1, "0123456789")] == '\0';
}

static bool is_loopback6(const char *host)
{
    struct in6_addr address;
    return inet_pton(AF_INET6, host, &address) == 1 && IN6_IS_ADDR_LOOPBACK(&address);
}

static bool is_loopback4(const char *host)
{
    struct in_addr address;
    return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

bool host_header_is_local(const char *value)
{
    char host[HOST_MAX + 1];
    if (!value)
        return true;
    bool bracket = *value == '[';
    size_t len = strcspn(value + bracket, bracket ? "]" : ":");
    const char *rest = value + bracket + len;
    if (len == 0 || len > HOST_MAX || (bracket && *rest++ != ']') || !is_port(rest))
        return false;
    memcpy(host, value + bracket, len);
    host[len] = '\0';
    if (bracket)
        return is_loopback6(host);
    if (host[strspn(host, NAME_CHARS)])
        return false;
    return is_loopback4(host) || strcasecmp(host, "localhost") == 0 ||
           ends_with(host, ".localhost");
}
