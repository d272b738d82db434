#include "fetch/warm.h"

#include "base/fd.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Curl reads the bundle when it begins a handshake. So one is begun, with a listener that never
 * accepts, at an abstract address that the kernel picks; closing the listener ends it. (A socket
 * pair would do without an address, but 7.88 connects even what is said to be connected.) */
static int listen_abstract(char *ret_name, size_t size)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    socklen_t len = sizeof un.sun_family; /* no path: autobind, unix(7) */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (bind(fd, (struct sockaddr *)&un, len) < 0 || listen(fd, 1) < 0)
        goto failed;
    len = sizeof un;
    if (getsockname(fd, (struct sockaddr *)&un, &len) < 0)
        goto failed;
    int name_len = (int)len - (int)offsetof(struct sockaddr_un, sun_path) - 1;
    if (name_len <= 0 || (size_t)name_len >= size)
        goto failed;
    snprintf(ret_name, size, "%.*s", name_len, un.sun_path + 1);
    return fd;

failed:
    fd_close(&fd);
    return -1;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
    return socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
}

static void perform(CURLM *multi, int *running, int times)
{
    for (int i = 0; i < times && *running; i++)
        if (curl_multi_perform(multi, running) != CURLM_OK)
            return;
}

static void handshake(CURLM *multi, CURL *easy, int *listener)
{
    int running = 1, left;
    if (curl_multi_add_handle(multi, easy) != CURLM_OK)
        return;
    perform(multi, &running, 10); /* connects and says hello, without waiting for anything */
    fd_close(listener);
    perform(multi, &running, 10);
    while (curl_multi_info_read(multi, &left))
        ;
    curl_multi_remove_handle(multi, easy);
}

void warm_ca(CURLM *multi, const char *ca_file)
{
    char name[sizeof((struct sockaddr_un *)NULL)->sun_path];
    CURL *easy = curl_easy_init();
    if (!easy || !ca_file)
        goto out;
    int listener = listen_abstract(name, sizeof name);
    if (listener < 0)
        goto out;
    curl_easy_setopt(easy, CURLOPT_URL, "https://localhost/");
    curl_easy_setopt(easy, CURLOPT_ABSTRACT_UNIX_SOCKET, name);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    handshake(multi, easy, &listener);
    fd_close(&listener);
out:
    curl_easy_cleanup(easy);
}
