#include "notify.h"

#include "base/fd.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* A path, or a name in the abstract namespace behind "@". 0, or -EINVAL. */
static int read_address(const char *name, struct sockaddr_un *ret, socklen_t *ret_len)
{
    size_t len = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof ret->sun_path)
        return -EINVAL;
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret->sun_path, name, len);
    *ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    if (name[0] == '@') {
        ret->sun_path[0] = '\0';
        (*ret_len)--; /* there, a zero at the end would belong to the name */
    }
    return 0;
}

int notify_send(const char *text)
{
    struct sockaddr_un address;
    socklen_t len;
    const char *name = getenv("NOTIFY_SOCKET");
    if (!name)
        return 0;
    int r = read_address(name, &address, &len);
    if (r < 0)
        return r;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (sendto(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&address,
               len) < 0)
        r = -errno;
    fd_close(&fd);
    return r;
}
