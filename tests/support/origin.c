/* The misbehaving origin: listener, loop, start and end. */
#include "support/origin.h"

#include "base/clock.h"
#include "base/fd.h"
#include "support/certs.h"
#include "support/origin_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 64

/* --- the loop ------------------------------------------------------------- */

static void set_accepting(struct origin *origin, bool accepting)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (accepting != origin->accepting)
        epoll_ctl(origin->epoll, accepting ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, origin->listener,
                  &event);
    origin->accepting = accepting;
}

static void accept_all(struct origin *origin)
{
    for (;;) {
        int fd = accept4(origin->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            /* Without descriptors the listener stays readable: leave it for a turn. */
            int why = errno;
            set_accepting(origin,
                          why != EMFILE && why != ENFILE && why != ENOBUFS && why != ENOMEM);
            if (why != ECONNABORTED && why != EINTR)
                return;
            continue;
        }
        int size = origin->config.send_buffer, on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (size > 0)
            setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        conn_new(origin, fd);
    }
}

/* Milliseconds until the first sleeper is due; -1: none sleeps. */
static int next_wake(const struct origin *origin)
{
    uint64_t first = UINT64_MAX, now = clock_now();
    list_for_each(e, (struct list *)&origin->sleepers)
    {
        uint64_t at = container_of(e, struct conn, sleeper)->wake;
        first = at < first ? at : first;
    }
    if (!origin->accepting && now + 10 * NS_PER_MS < first)
        first = now + 10 * NS_PER_MS;
    if (first == UINT64_MAX)
        return -1;
    return first <= now ? 0 : (int)((first - now + NS_PER_MS - 1) / NS_PER_MS);
}

static void wake_sleepers(struct origin *origin)
{
    uint64_t now = clock_now();
    struct list due;
    list_init(&due);
    list_for_each(e, &origin->sleepers)
    {
        if (container_of(e, struct conn, sleeper)->wake <= now) {
            list_del(e);
            list_add_tail(&due, e);
        }
    }
    for (struct list *e; (e = list_pop(&due));)
        conn_woken(container_of(e, struct conn, sleeper));
}

/* True: go on. */
static bool take_orders(struct origin *origin)
{
    uint64_t count;
    if (read(origin->event, &count, sizeof count) < 0)
        return true;
    pthread_mutex_lock(&origin->lock);
    bool stopping = origin->stopping;
    pthread_mutex_unlock(&origin->lock);
    list_for_each(e, &origin->conns)
    {
        struct conn *conn = container_of(e, struct conn, node);
        if (!stopping && conn->held)
            conn_run(conn);
    }
    return !stopping;
}

static void *serve(void *arg)
{
    struct origin *origin = arg;
    struct epoll_event events[EVENTS];
    bool going = true;
    while (going) {
        int n = epoll_wait(origin->epoll, events, EVENTS, next_wake(origin));
        set_accepting(origin, true);
        bool orders = false;
        for (int i = 0; i < n; i++) {
            if (!events[i].data.ptr)
                accept_all(origin);
            else if (events[i].data.ptr == origin)
                orders = true; /* last: they may end connections that have events here */
            else
                conn_event(events[i].data.ptr, events[i].events);
        }
        wake_sleepers(origin);
        if (orders)
            going = take_orders(origin);
    }
    while (!list_empty(&origin->conns))
        conn_free(container_of(origin->conns.next, struct conn, node));
    return NULL;
}

/* --- start and end -------------------------------------------------------- */

static int open_listener(struct origin *origin)
{
    const struct origin_config *config = &origin->config;
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_port = htons(config->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                              .sin6_port = htons(config->port),
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    const struct sockaddr *address = config->ipv6 ? (void *)&v6 : (void *)&v4;
    socklen_t len = config->ipv6 ? sizeof v6 : sizeof v4, size = sizeof origin->address;
    int on = 1;
    origin->listener = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (origin->listener < 0 ||
        setsockopt(origin->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(origin->listener, address, len) < 0 || listen(origin->listener, 4096) < 0 ||
        getsockname(origin->listener, (struct sockaddr *)&origin->address, &size) < 0)
        return -errno;
    return 0;
}

static int open_tls(struct origin *origin)
{
    enum origin_tls tls = origin->config.tls;
    if (tls == ORIGIN_PLAIN || tls == ORIGIN_TLS_SILENT)
        return 0;
    char path[4096];
    const char *tmp = getenv("TMPDIR");
    if (origin->config.ca_file) {
        snprintf(path, sizeof path, "%s", origin->config.ca_file);
    } else {
        snprintf(path, sizeof path, "%s/origin-XXXXXX", tmp ? tmp : "/tmp");
        if (!mkdtemp(path))
            return -errno;
        origin->ca_dir = strdup(path);
        strncat(path, "/ca.pem", sizeof path - strlen(path) - 1);
    }
    origin->ca_file = strdup(path);
    origin->ssl = origin->ca_file ? certs_server_context(tls, path) : NULL;
    return origin->ssl ? 0 : -EIO;
}

static int open_loop(struct origin *origin)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = origin};
    origin->epoll = epoll_create1(EPOLL_CLOEXEC);
    origin->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (origin->epoll < 0 || origin->event < 0 ||
        epoll_ctl(origin->epoll, EPOLL_CTL_ADD, origin->event, &event) < 0)
        return -errno;
    set_accepting(origin, true);
    return 0;
}

/* All signals are the program's: SIGPIPE, which OpenSSL's writes can raise, is pending here for
 * good. */
static int start_thread(struct origin *origin)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&origin->thread, NULL, serve, origin);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -r;
}

/* Without a thread (any more). */
static void dispose(struct origin *origin)
{
    fd_close(&origin->listener);
    fd_close(&origin->epoll);
    fd_close(&origin->event);
    SSL_CTX_free(origin->ssl);
    if (origin->ca_dir) {
        unlink(origin->ca_file);
        rmdir(origin->ca_dir);
    }
    free(origin->ca_file);
    free(origin->ca_dir);
    origin_state_deinit(origin);
    pthread_mutex_destroy(&origin->lock);
    free(origin);
}

struct origin *origin_new(const struct origin_config *config)
{
    struct origin *origin = calloc(1, sizeof *origin);
    if (!origin)
        return NULL;
    origin->config = *config;
    origin->plan = (struct response_origin){config->root, origin_special, origin};
    origin->listener = origin->epoll = origin->event = -1;
    list_init(&origin->conns);
    list_init(&origin->sleepers);
    pthread_mutex_init(&origin->lock, NULL);
    int r = open_listener(origin);
    if (r == 0)
        r = open_tls(origin);
    if (r == 0)
        r = open_loop(origin);
    if (r == 0)
        r = start_thread(origin);
    if (r == 0)
        return origin;
    fprintf(stderr, "test-origin: it can't start: %s\n", strerror(-r));
    dispose(origin);
    return NULL;
}

void origin_free(struct origin *origin)
{
    if (!origin)
        return;
    pthread_mutex_lock(&origin->lock);
    origin->stopping = true;
    pthread_mutex_unlock(&origin->lock);
    origin_wake(origin);
    pthread_join(origin->thread, NULL);
    dispose(origin);
}

uint16_t origin_port(const struct origin *origin)
{
    return ntohs(origin->config.ipv6 ? ((const struct sockaddr_in6 *)&origin->address)->sin6_port
                                     : ((const struct sockaddr_in *)&origin->address)->sin_port);
}

const char *origin_ca_file(const struct origin *origin)
{
    return origin->ca_file;
}

char *origin_url(const struct origin *origin, char *ret, size_t size, const char *fmt, ...)
{
    int n = snprintf(ret, size, "http%s://%s:%u", origin->config.tls ? "s" : "",
                     origin->config.ipv6 ? "[::1]" : "127.0.0.1", origin_port(origin));
    va_list ap;
    va_start(ap, fmt);
    if (n > 0 && (size_t)n < size)
        n += vsnprintf(ret + n, size - (size_t)n, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= size)
        abort();
    return ret;
}
