#include "base/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int read_port(const char *text, in_port_t *ret_port)
{
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return -EINVAL;
    unsigned long port = strtoul(text, &end, 10);
    if (*end || port > 65535)
        return -EINVAL;
    *ret_port = htons((in_port_t)port);
    return 0;
}

static int read_v4(const char *host, const char *port, struct sockaddr_in *ret)
{
    *ret = (struct sockaddr_in){.sin_family = AF_INET};
    if (inet_pton(AF_INET, host, &ret->sin_addr) != 1 || read_port(port, &ret->sin_port) < 0)
        return -EINVAL;
    return ntohl(ret->sin_addr.s_addr) >> 24 == 127 ? 0 : -EINVAL;
}

static int read_v6(const char *host, const char *port, struct sockaddr_in6 *ret)
{
    *ret = (struct sockaddr_in6){.sin6_family = AF_INET6};
    if (inet_pton(AF_INET6, host, &ret->sin6_addr) != 1 || read_port(port, &ret->sin6_port) < 0)
        return -EINVAL;
    return IN6_IS_ADDR_LOOPBACK(&ret->sin6_addr) ? 0 : -EINVAL;
}

static int refuse(const char *text, struct error *err)
{
    return error_set(
        err, -EINVAL,
        "'%.80s' is no address of this machine alone, as 127.0.0.1:9469, [::1]:9469 or "
        "/run/penstock/metrics.sock; for others, put a proxy before it",
        text);
}

int endpoint_parse(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_len,
                   struct error *err)
{
    char host[64];
    bool v6 = text[0] == '[';
    const char *end = v6 ? strstr(text, "]:") : strrchr(text, ':');
    const char *start = text + v6;
    if (!end || (size_t)(end - start) >= sizeof host)
        return refuse(text, err);
    memcpy(host, start, (size_t)(end - start));
    host[end - start] = '\0';
    *ret_len = v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    int r = v6 ? read_v6(host, end + 2, (struct sockaddr_in6 *)ret_address)
               : read_v4(host, end + 1, (struct sockaddr_in *)ret_address);
    return r < 0 ? refuse(text, err) : 0;
}

int endpoint_check(const char *text, struct error *err)
{
    struct sockaddr_storage address;
    socklen_t len;
    return text[0] == '/' ? 0 : endpoint_parse(text, &address, &len, err);
}
