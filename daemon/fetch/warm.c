#include "fetch/loop.h"

#include "base/fd.h"

#include <sys/socket.h>
#include <unistd.h>

/* Curl reads the bundle when it begins a handshake. So one is begun, with a socket pair for a
 * network: the other end is closed for writing already, so it fails at once. */
static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
    return fd_dup(*(int *)arg);
}

static int on_opened(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    return CURL_SOCKOPT_ALREADY_CONNECTED;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    return 0;
}

static void handshake(CURLM *multi, CURL *easy)
{
    int running = 1, left;
    if (curl_multi_add_handle(multi, easy) != CURLM_OK)
        return;
    for (int i = 0; i < 50 && running; i++) {
        if (curl_multi_perform(multi, &running) != CURLM_OK)
            break;
        if (running)
            curl_multi_wait(multi, NULL, 0, 1, NULL);
    }
    while (curl_multi_info_read(multi, &left))
        ;
    curl_multi_remove_handle(multi, easy);
}

void warm_ca(CURLM *multi, const char *ca_file)
{
    int pair[2];
    CURL *easy = curl_easy_init();
    if (!easy)
        return;
    if (!ca_file || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
        curl_easy_cleanup(easy);
        return;
    }
    shutdown(pair[1], SHUT_WR);
    curl_easy_setopt(easy, CURLOPT_URL, "https://127.0.0.1/");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &pair[0]);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_opened);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    handshake(multi, easy);
    curl_easy_cleanup(easy);
    fd_close(&pair[0]);
    fd_close(&pair[1]);
}
