#include "control/exposer.h"

#include "base/clock.h"
#include "base/endpoint.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/metric.h"
#include "control/host_header.h"
#include "control/listener.h"
#include "control/page.h"
#include "control/page_html.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A newcomer beyond GUESTS has the oldest connection closed that asks for nothing just then; beyond
 * GUESTS_BUSY also one that does. MHD itself accepts nobody beyond CONNECTIONS: it must never come
 * to that, or idle clients would shut a scrape out. */
#define GUESTS       16
#define GUESTS_BUSY  32
#define CONNECTIONS  64
#define IDLE_SECONDS 10
/* for a whole header, however lively its bytes trickle in */
#define HEADER_NS     (10 * NS_PER_SEC)
#define REQUEST_BYTES ((size_t)16 << 10)
#define FRESH_NS      (200 * NS_PER_MS)
#define BACKLOG       64

enum { TEXT_OPENMETRICS, TEXT_PROMETHEUS, TEXT_HTML, TEXT_HEALTH, TEXT_READY, TEXT_COUNT };

/* One text that is made when it is asked for. */
struct page {
    struct exposer *exposer;
    const char *type;
    struct api_call call; /* control loop's, of the figures */
    json_t *params;
    bool asking; /* control loop's: it is being made */

    /* Under the lock. */
    struct list waiting; /* struct visit */
    char *text;          /* NULL: there is none yet */
    size_t len;
    bool good; /* 200, else 503 */
    uint64_t made_at;
};

/* One connection. The HTTP thread's. */
struct guest {
    struct list link; /* in `idle` or `busy` */
    int fd;           /* MHD's */
    bool shut;        /* it was told to go */
    uint64_t since;   /* it came, or its last request ended, or began */
};

/* One request. The HTTP thread's, and under the lock while it waits. */
struct visit {
    struct list link;
    struct MHD_Connection *connection;
    struct page *page;
    bool ready; /* under the lock: it has waited */
};

struct exposer {
    struct exposer_config config;
    struct listener listener; /* of a unix socket */
    int fd;                   /* of a loopback address; MHD's once it runs */
    struct MHD_Daemon *http;
    struct mail mail;
    pthread_mutex_t lock;
    bool stopped; /* under the lock */
    struct page pages[TEXT_COUNT];
    struct page_source *source; /* control loop's */

    /* The HTTP thread's: struct guest, the oldest first. */
    struct list idle, busy;
    unsigned guests; /* in both */
};

/* --- the control loop ------------------------------------------------------------------------- */

/* Under the lock: the HTTP thread takes them up again. */
static void wake(struct page *page)
{
    for (struct list *e; (e = list_pop(&page->waiting));) {
        struct visit *visit = container_of(e, struct visit, link);
        visit->ready = true;
        MHD_resume_connection(visit->connection);
    }
}

static void on_made(void *arg, char *text, bool good)
{
    struct page *page = arg;
    struct exposer *exposer = page->exposer;
    page->asking = false;
    pthread_mutex_lock(&exposer->lock);
    free(page->text);
    page->text = text;
    page->len = text ? strlen(text) : 0;
    page->good = good;
    page->made_at = clock_now();
    wake(page);
    pthread_mutex_unlock(&exposer->lock);
}

static void on_figures(struct api_call *call, json_t *result, int code, const struct error *error,
                       const char *field)
{
    char *text = code == 0 ? strdup(json_string_value(result)) : NULL;
    (void)error, (void)field;
    on_made(container_of(call, struct page, call), text, true);
    json_decref(result);
}

static void make(struct exposer *exposer, int i)
{
    static const enum page_kind kinds[] = {
        [TEXT_HTML] = PAGE_HTML, [TEXT_HEALTH] = PAGE_HEALTH, [TEXT_READY] = PAGE_READY};
    struct page *page = &exposer->pages[i];
    page->asking = true;
    if (!page->params) {
        page_make(exposer->source, kinds[i], on_made, page);
        return;
    }
    page->call = (struct api_call){
        .method = API_METRICS, .params = page->params, .fd = -1, .answer = on_figures};
    api_call(exposer->config.api, &page->call);
}

static void on_visit(struct mail *mail)
{
    struct exposer *exposer = container_of(mail, struct exposer, mail);
    for (int i = 0; i < TEXT_COUNT; i++) {
        struct page *page = &exposer->pages[i];
        pthread_mutex_lock(&exposer->lock);
        bool wanted = !exposer->stopped && !list_empty(&page->waiting);
        pthread_mutex_unlock(&exposer->lock);
        if (wanted && !page->asking)
            make(exposer, i);
    }
}

/* --- the HTTP thread: who is there ------------------------------------------------------------ */

/* MHD notices the end in the same turn and closes it. */
static void guest_shut(struct exposer *exposer, struct guest *guest)
{
    list_del(&guest->link);
    exposer->guests--;
    guest->shut = true;
    shutdown(guest->fd, SHUT_RDWR);
}

static void guest_move(struct guest *guest, struct list *where)
{
    if (guest->shut)
        return;
    list_del(&guest->link);
    guest->since = clock_now();
    list_add_tail(where, &guest->link);
}

static void make_room(struct exposer *exposer)
{
    uint64_t now = clock_now();
    list_for_each(e, &exposer->idle)
    {
        struct guest *guest = container_of(e, struct guest, link);
        if (exposer->guests < GUESTS && now - guest->since < HEADER_NS)
            break;
        guest_shut(exposer, guest);
    }
    if (exposer->guests >= GUESTS_BUSY)
        guest_shut(exposer, container_of(exposer->busy.next, struct guest, link));
}

static void guest_come(struct exposer *exposer, struct MHD_Connection *connection, void **context)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct guest *guest = info ? calloc(1, sizeof *guest) : NULL;
    make_room(exposer);
    *context = guest;
    if (!guest)
        return; /* for want of memory it cannot be shut; MHD's own clock ends it */
    guest->fd = info->connect_fd;
    list_init(&guest->link);
    guest_move(guest, &exposer->idle);
    exposer->guests++;
}

static void guest_go(struct exposer *exposer, struct guest *guest)
{
    if (guest && !guest->shut) {
        list_del(&guest->link);
        exposer->guests--;
    }
    free(guest);
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        guest_come(arg, connection, context);
    else
        guest_go(arg, *context);
}

static void guest_is(struct MHD_Connection *connection, struct list *where)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    if (info && info->socket_context)
        guest_move(info->socket_context, where);
}

/* --- the HTTP thread: requests ---------------------------------------------------------------- */

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned status, const char *type,
                               const char *text, size_t len)
{
    static const char *const always[][2] = {{"Content-Security-Policy", PAGE_POLICY},
                                            {"X-Content-Type-Options", "nosniff"},
                                            {"X-Frame-Options", "DENY"},
                                            {"Referrer-Policy", "no-referrer"},
                                            {"Cross-Origin-Resource-Policy", "same-origin"},
                                            {"Cache-Control", "no-store"}};
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
        MHD_add_response_header(response, always[i][0], always[i][1]);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result r = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return r;
}

static enum MHD_Result say(struct MHD_Connection *connection, unsigned status, const char *text)
{
    return respond(connection, status, "text/plain; charset=utf-8", text, strlen(text));
}

/* Hands out the page, or has the request wait for it. */
static enum MHD_Result serve(struct exposer *exposer, struct visit *visit)
{
    struct page *page = visit->page;
    enum MHD_Result r = MHD_YES;
    pthread_mutex_lock(&exposer->lock);
    bool fresh = page->text && clock_now() - page->made_at < FRESH_NS;
    if (exposer->stopped || (visit->ready && !page->text)) {
        r = say(visit->connection, MHD_HTTP_SERVICE_UNAVAILABLE, "there are no figures now\n");
    } else if (visit->ready || fresh) {
        r = respond(visit->connection, page->good ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
                    page->type, page->text, page->len);
    } else {
        list_add_tail(&page->waiting, &visit->link);
        MHD_suspend_connection(visit->connection);
        mailbox_post(exposer->config.mailbox, &exposer->mail);
    }
    pthread_mutex_unlock(&exposer->lock);
    return r;
}

/* Prometheus names OpenMetrics among what it accepts; others get the older format. */
static struct page *figures_for(struct exposer *exposer, struct MHD_Connection *connection)
{
    const char *accept =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
    return &exposer
                ->pages[accept && strstr(accept, "application/openmetrics-text") ? TEXT_OPENMETRICS
                                                                                 : TEXT_PROMETHEUS];
}

/* By its path; NULL: there is none. */
static struct page *page_for(struct exposer *exposer, struct MHD_Connection *connection,
                             const char *url)
{
    if (strcmp(url, "/metrics") == 0)
        return figures_for(exposer, connection);
    if (strcmp(url, "/healthz") == 0)
        return &exposer->pages[TEXT_HEALTH];
    if (strcmp(url, "/readyz") == 0)
        return &exposer->pages[TEXT_READY];
    return strcmp(url, "/") == 0 && exposer->config.page != METRICS_PAGE_OFF
               ? &exposer->pages[TEXT_HTML]
               : NULL;
}

/* Whoever relays for a browser to a unix socket answers for the names that it takes. */
static bool is_foreign(const struct exposer *exposer, struct MHD_Connection *connection)
{
    return exposer->config.listen[0] != '/' &&
           !host_header_is_local(
               MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST));
}

static enum MHD_Result answer(struct exposer *exposer, struct visit *visit, const char *url)
{
    if (is_foreign(exposer, visit->connection))
        return say(visit->connection, MHD_HTTP_FORBIDDEN,
                   "this is served as localhost, 127.0.0.1 or [::1] alone\n");
    if (visit->page)
        return serve(exposer, visit);
    if (exposer->config.page != METRICS_PAGE_OFF && strcmp(url, "/page.css") == 0)
        return respond(visit->connection, MHD_HTTP_OK, "text/css; charset=utf-8", page_css,
                       strlen(page_css));
    if (exposer->config.page != METRICS_PAGE_OFF && strcmp(url, "/page.js") == 0)
        return respond(visit->connection, MHD_HTTP_OK, "text/javascript; charset=utf-8", page_js,
                       strlen(page_js));
    return say(visit->connection, MHD_HTTP_NOT_FOUND, "the figures are at /metrics\n");
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **state)
{
    struct exposer *exposer = arg;
    struct visit *visit = *state;
    (void)version, (void)upload;
    if (!visit) { /* the header is there; a body would follow */
        visit = calloc(1, sizeof *visit);
        if (!visit)
            return MHD_NO;
        list_init(&visit->link);
        visit->connection = connection;
        visit->page = page_for(exposer, connection, url);
        *state = visit;
        guest_is(connection, &exposer->busy);
        return MHD_YES;
    }
    if (*upload_len > 0) {
        *upload_len = 0; /* nobody wants it */
        return MHD_YES;
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return say(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
    return answer(exposer, visit, url);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    struct exposer *exposer = arg;
    struct visit *visit = *state;
    (void)code;
    if (!visit)
        return;
    guest_is(connection, &exposer->idle);
    pthread_mutex_lock(&exposer->lock);
    list_del(&visit->link);
    pthread_mutex_unlock(&exposer->lock);
    free(visit);
}

/* --- life ------------------------------------------------------------------------------------- */

/* It may have been the kernel's choice. */
static void tell_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    char host[64], port[16];
    if (getsockname(fd, (struct sockaddr *)&address, &len) == 0 &&
        getnameinfo((struct sockaddr *)&address, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        log_info("metrics are served on %s, port %s", host, port);
}

static int listen_on_loopback(struct exposer *exposer, struct error *err)
{
    struct sockaddr_storage address;
    socklen_t len;
    int one = 1, r = endpoint_parse(exposer->config.listen, &address, &len, err);
    if (r < 0)
        return r;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, BACKLOG) < 0) {
        r = -errno;
        fd_close(&fd);
        return error_set(err, r, "metrics.listen: %s: %s", exposer->config.listen, strerror(-r));
    }
    exposer->fd = fd;
    tell_port(fd);
    return 0;
}

static int listen_on_socket(struct exposer *exposer, struct error *err)
{
    struct error why;
    struct listener_config config = {.path = exposer->config.listen,
                                     .mode = exposer->config.mode,
                                     .group = exposer->config.group,
                                     .dir_mode = exposer->config.dir_mode,
                                     .inherited_fd = -1};
    int r = listener_open(&exposer->listener, &config, &why);
    if (r < 0)
        return error_set(err, r, "metrics.listen: %s", why.text);
    exposer->fd = fd_dup(exposer->listener.fd); /* MHD closes what it is given */
    return exposer->fd < 0 ? error_set(err, exposer->fd, "metrics.listen: no descriptor") : 0;
}

__attribute__((format(printf, 2, 0))) static void on_http_log(void *arg, const char *fmt,
                                                              va_list ap)
{
    char text[256];
    (void)arg;
    vsnprintf(text, sizeof text, fmt, ap);
    text[strcspn(text, "\n")] = '\0';
    log_debug("metrics: %s", text);
}

/* The process's signals are the control loop's: the thread that MHD makes takes none. */
static int start_http(struct exposer *exposer, struct error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    exposer->http = MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        on_request, exposer, MHD_OPTION_EXTERNAL_LOGGER, on_http_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, exposer->fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        REQUEST_BYTES, MHD_OPTION_NOTIFY_COMPLETED, on_completed, exposer,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, exposer, MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!exposer->http)
        return error_set(err, -ENOMEM, "metrics.listen: the HTTP server does not start");
    exposer->fd = -1;
    return 0;
}

static const struct {
    const char *format, *type; /* a format of the figures, or NULL */
} texts[TEXT_COUNT] = {
    [TEXT_OPENMETRICS] = {"openmetrics", METRIC_OPENMETRICS_TYPE},
    [TEXT_PROMETHEUS] = {"prometheus", METRIC_PROMETHEUS_TYPE},
    [TEXT_HTML] = {NULL, "text/html; charset=utf-8"},
    [TEXT_HEALTH] = {NULL, "text/plain; charset=utf-8"},
    [TEXT_READY] = {NULL, "text/plain; charset=utf-8"},
};

static int init_pages(struct exposer *exposer)
{
    for (int i = 0; i < TEXT_COUNT; i++) {
        struct page *page = &exposer->pages[i];
        page->exposer = exposer;
        page->type = texts[i].type;
        list_init(&page->waiting);
        if (texts[i].format && !(page->params = json_pack("{s:s}", "format", texts[i].format)))
            return -ENOMEM;
    }
    return page_source_new(exposer->config.loop, exposer->config.api,
                           exposer->config.page == METRICS_PAGE_ALL, &exposer->source);
}

int exposer_new(const struct exposer_config *config, struct exposer **ret_exposer,
                struct error *err)
{
    struct exposer *exposer = calloc(1, sizeof *exposer);
    if (!exposer)
        return error_set(err, -ENOMEM, "out of memory");
    exposer->config = *config;
    exposer->fd = exposer->listener.fd = exposer->listener.lock_fd = -1;
    pthread_mutex_init(&exposer->lock, NULL);
    mail_init(&exposer->mail, on_visit);
    list_init(&exposer->idle);
    list_init(&exposer->busy);
    int r = init_pages(exposer) < 0 ? error_set(err, -ENOMEM, "out of memory") : 0;
    if (r == 0)
        r = config->listen[0] == '/' ? listen_on_socket(exposer, err)
                                     : listen_on_loopback(exposer, err);
    if (r == 0)
        r = start_http(exposer, err);
    if (r < 0) {
        exposer_free(exposer);
        return r;
    }
    *ret_exposer = exposer;
    return 0;
}

void exposer_stop(struct exposer *exposer)
{
    if (!exposer)
        return;
    pthread_mutex_lock(&exposer->lock);
    exposer->stopped = true;
    for (int i = 0; i < TEXT_COUNT; i++)
        wake(&exposer->pages[i]);
    pthread_mutex_unlock(&exposer->lock);
    MHD_stop_daemon(exposer->http);
    exposer->http = NULL;
    listener_stop(&exposer->listener);
    page_source_close(exposer->source);
    exposer->source = NULL;
}

void exposer_free(struct exposer *exposer)
{
    if (!exposer)
        return;
    page_source_close(exposer->source); /* if it never ran */
    for (int i = 0; i < TEXT_COUNT; i++) {
        json_decref(exposer->pages[i].params);
        free(exposer->pages[i].text);
    }
    fd_close(&exposer->fd);
    listener_stop(&exposer->listener);
    listener_close(&exposer->listener);
    pthread_mutex_destroy(&exposer->lock);
    free(exposer);
}
