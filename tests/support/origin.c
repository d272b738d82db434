/* The misbehaving origin: listener, loop, and what tests ask of it. */
#include "support/origin.h"

#include "base/clock.h"
#include "base/fd.h"
#include "support/certs.h"
#include "support/origin_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 64

/* --- what has a name
 * --------------------------------------------------------------------------------- */

static struct named *find_named(struct named *list, const char *name)
{
    while (list && strcmp(list->name, name) != 0)
        list = list->next;
    return list;
}

/* With the lock held. */
static struct named *put_named(struct named **list, const char *name)
{
    struct named *entry = find_named(*list, name);
    if (entry)
        return entry;
    entry = calloc(1, sizeof *entry + strlen(name) + 1);
    if (!entry)
        return NULL;
    memcpy(entry->name, name, strlen(name) + 1);
    entry->next = *list;
    *list = entry;
    return entry;
}

static void free_named(struct named *list)
{
    while (list) {
        struct named *next = list->next;
        free(list->data);
        free(list);
        list = next;
    }
}

static void wake(struct origin *origin)
{
    uint64_t one = 1;
    while (write(origin->event, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

int origin_put(struct origin *origin, const char *name, const void *data, size_t len)
{
    char *copy = malloc(len ? len : 1);
    if (!copy)
        return -ENOMEM;
    if (len > 0)
        memcpy(copy, data, len);
    pthread_mutex_lock(&origin->lock);
    struct named *entry = put_named(&origin->data, name);
    char *old = entry ? entry->data : copy;
    if (entry) {
        entry->data = copy;
        entry->len = len;
    }
    pthread_mutex_unlock(&origin->lock);
    free(old);
    return entry ? 0 : -ENOMEM;
}

int origin_release(struct origin *origin, const char *name)
{
    pthread_mutex_lock(&origin->lock);
    bool known = put_named(&origin->released, name);
    pthread_mutex_unlock(&origin->lock);
    wake(origin);
    return known ? 0 : -ENOMEM;
}

bool origin_is_released(struct origin *origin, const char *name)
{
    pthread_mutex_lock(&origin->lock);
    bool known = find_named(origin->released, name);
    pthread_mutex_unlock(&origin->lock);
    return known;
}

/* --- counters
 * ------------------------------------------------------------------------------------------ */

static struct counter **bucket(struct origin *origin, const char *key)
{
    uint32_t h = 2166136261u;
    for (const char *p = key; *p; p++)
        h = (h ^ (unsigned char)*p) * 16777619u; /* FNV-1a */
    return &origin->counters[h % COUNTER_BUCKETS];
}

static struct counter *find_counter(struct origin *origin, const char *key)
{
    struct counter *counter = *bucket(origin, key);
    while (counter && strcmp(counter->key, key) != 0)
        counter = counter->next;
    return counter;
}

struct counter *origin_counter(struct origin *origin, const char *key)
{
    struct counter *counter = find_counter(origin, key);
    if (counter)
        return counter;
    counter = calloc(1, sizeof *counter + strlen(key) + 1);
    if (!counter)
        return NULL;
    memcpy(counter->key, key, strlen(key) + 1);
    counter->next = *bucket(origin, key);
    *bucket(origin, key) = counter;
    return counter;
}

bool origin_counts(struct origin *origin, const char *key, struct origin_counts *ret)
{
    pthread_mutex_lock(&origin->lock);
    const struct counter *counter = find_counter(origin, key);
    *ret = counter ? counter->counts : (struct origin_counts){0};
    pthread_mutex_unlock(&origin->lock);
    return counter;
}

void origin_totals(struct origin *origin, struct origin_totals *ret)
{
    pthread_mutex_lock(&origin->lock);
    *ret = origin->totals;
    pthread_mutex_unlock(&origin->lock);
}

static json_t *counts_json(const struct origin_counts *c)
{
    return json_pack("{sI sI sI sI sI sI sI sI ss ss}", "requests", (json_int_t)c->requests,
                     "ranged", (json_int_t)c->ranged, "body_sent", (json_int_t)c->body_sent,
                     "last_sent", (json_int_t)c->last_sent, "finished", (json_int_t)c->finished,
                     "client_left", (json_int_t)c->client_left, "held", (json_int_t)c->held,
                     "stalled", (json_int_t)c->stalled, "last_range", c->last_range,
                     "last_if_range", c->last_if_range);
}

static int put_stats(struct origin *origin, struct buf *ret)
{
    json_t *keys = json_object();
    pthread_mutex_lock(&origin->lock);
    struct origin_totals t = origin->totals;
    for (size_t i = 0; i < COUNTER_BUCKETS; i++)
        for (struct counter *c = origin->counters[i]; c; c = c->next)
            json_object_set_new(keys, c->key, counts_json(&c->counts));
    pthread_mutex_unlock(&origin->lock);
    json_t *all =
        json_pack("{sI sI sI sI sI sI so}", "connections", (json_int_t)t.connections, "open",
                  (json_int_t)t.open, "most_open", (json_int_t)t.most_open, "requests",
                  (json_int_t)t.requests, "body_sent", (json_int_t)t.body_sent,
                  "handshake_failures", (json_int_t)t.handshake_failures, "keys", keys);
    char *text = all ? json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    int r = text ? buf_printf(ret, "%s\n", text) : -ENOMEM;
    free(text);
    json_decref(all);
    return r;
}

/* --- the special paths
 * ---------------------------------------------------------------------------------- */

static int put_data(struct origin *origin, const char *name, struct buf *ret)
{
    pthread_mutex_lock(&origin->lock);
    const struct named *entry = find_named(origin->data, name);
    int r = entry ? buf_put(ret, entry->data, entry->len) : -ENOENT;
    pthread_mutex_unlock(&origin->lock);
    return r;
}

static int special(void *arg, const struct request *request, struct buf *ret)
{
    struct origin *origin = arg;
    const char *name = request_param(request, "name");
    if (strncmp(request->path, "/data/", 6) == 0)
        return put_data(origin, request->path + 6, ret);
    if (strcmp(request->path, "/_stats") == 0)
        return put_stats(origin, ret);
    if (strcmp(request->path, "/_release") != 0 || !name)
        return -ENOENT;
    int r = origin_release(origin, name);
    return r < 0 ? r : buf_puts(ret, "released\n");
}

int origin_expected(const char *path, struct buf *ret_body)
{
    struct buf head = BUF_INIT;
    struct request request = {0};
    struct content content = {0};
    const struct response_origin none = {0};
    buf_printf(&head, "GET %s HTTP/1.1\r\n\r\n", path);
    int r = head.failed ? -ENOMEM : request_parse(&request, head.data, head.len, NULL);
    if (r == 0)
        r = response_content(&content, &request, &none, NULL);
    if (r == 0 && content.size > 1 << 30)
        r = -EFBIG;
    if (r == 0)
        r = buf_reserve(ret_body, content.size);
    if (r == 0) {
        ssize_t n = content_read(&content, 0, ret_body->data + ret_body->len, content.size);
        ret_body->len += n > 0 ? (size_t)n : 0;
        ret_body->data[ret_body->len] = '\0';
        r = n < 0 ? (int)n : 0;
    }
    content_deinit(&content);
    request_deinit(&request);
    buf_deinit(&head);
    return r;
}

/* --- the loop
 * ------------------------------------------------------------------------------------------- */

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
        int size = origin->config.send_buffer;
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

/* --- start and end
 * --------------------------------------------------------------------------------------- */

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

static void free_counters(struct origin *origin)
{
    for (size_t i = 0; i < COUNTER_BUCKETS; i++) {
        while (origin->counters[i]) {
            struct counter *next = origin->counters[i]->next;
            free(origin->counters[i]);
            origin->counters[i] = next;
        }
    }
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
    free_counters(origin);
    free_named(origin->data);
    free_named(origin->released);
    pthread_mutex_destroy(&origin->lock);
    free(origin);
}

struct origin *origin_new(const struct origin_config *config)
{
    struct origin *origin = calloc(1, sizeof *origin);
    if (!origin)
        return NULL;
    origin->config = *config;
    origin->plan = (struct response_origin){config->root, special, origin};
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
    wake(origin);
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
