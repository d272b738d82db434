/* One transfer of libcurl's, driven by hand, and what libcurl calls meanwhile: for the tests of
 * what this libcurl does. Included once. */
#ifndef TESTS_UNIT_FETCH_LIBCURL_RUN_H
#define TESTS_UNIT_FETCH_LIBCURL_RUN_H

#include "fetch/libcurl.h"

#include "fetch/connection.h"
#include "fetch/outcome.h"
#include "fetch/tls.h"
#include "unit/fetch/fetch_client.h"

#include "base/fd.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

static struct origin *origin, *tls_origin;

static int open_all(void **state)
{
    struct error err = {{0}};
    if (libcurl_start(&err) < 0)
        fail_msg("%s", err.text);
    origin = origin_new(&(struct origin_config){0});
    tls_origin = origin_new(&(struct origin_config){.tls = ORIGIN_TLS});
    assert_true(origin && tls_origin);
    return 0;
}

static int close_all(void **state)
{
    origin_free(origin);
    origin_free(tls_origin);
    return 0;
}

/* --- what libcurl calls, and this program answers --------------------------------------------- */

static atomic_uint asked, reads; /* look-ups of names.test, calls of SSL_read */
static sem_t look_up_begun, look_up_may_end;
static atomic_bool look_up_was_waited_for, look_up_over;

typedef int resolver_function(const char *, const char *, const struct addrinfo *,
                              struct addrinfo **);

static int look_up_slowly(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_sec += 10;
    sem_post(&look_up_begun);
    if (sem_timedwait(&look_up_may_end, &ts) < 0)
        atomic_store(&look_up_was_waited_for, true);
    sem_post(&look_up_may_end); /* later libcurls ask for each family by itself */
    atomic_store(&look_up_over, true);
    return EAI_NONAME;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **res)
{
    resolver_function *real;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo"); /* as dlsym(3) has it */
    if (name && strcmp(name, "slow.test") == 0)
        return look_up_slowly();
    if (!name || strcmp(name, "names.test") != 0)
        return real(name, service, hints, res);
    atomic_fetch_add(&asked, 1);
    int r = real("127.0.0.2", service, hints, res);
    return r ? r : real("127.0.0.1", service, hints, &(*res)->ai_next);
}

int SSL_read(SSL *ssl, void *data, int size)
{
    int (*real)(SSL *, void *, int);
    *(void **)&real = dlsym(RTLD_NEXT, "SSL_read");
    atomic_fetch_add(&reads, 1);
    return real(ssl, data, size);
}

/* --- one transfer, driven by hand, as multi.c drives it --------------------------------------- */

struct run {
    CURLM *multi;
    CURL *easy;
    char url[256];
    curl_socket_t opened; /* the last socket */
    int wanted;           /* what curl wants of it, CURL_POLL_…; 0: nothing */
    long timer;           /* ms; -1: none */
    unsigned calls;       /* of the write callback */
    size_t bytes, head, largest;
    unsigned pause_at; /* the call that is told to pause; 0: none */
    unsigned fail_at;  /* the call that is refused */
    bool inside;       /* within curl_easy_pause */
    unsigned inside_calls;
    unsigned opens;   /* sockets that were asked for */
    unsigned refused; /* the first so many of them are refused */
    int prereqs;
    bool refuses; /* the request is not to go out */
    struct tls_answer *answer;
    bool shows_tls, cut_line; /* a piece of the head was not one line */
    char error[CURL_ERROR_SIZE];
    int64_t read_base;
    struct connection_ends ends;
    CURLMsg *done;
    CURLcode code;
    bool wrong;
};

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
    struct run *r = arg;
    if (r->opens++ < r->refused)
        return CURL_SOCKET_BAD;
    r->opened = socket(addr->family, addr->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, addr->protocol);
    return r->opened;
}

static int on_prereq(void *arg, char *remote, char *local, int remote_port, int local_port)
{
    struct run *r = arg;
    r->prereqs++;
    r->ends.remote_port = remote_port;
    r->ends.local_port = local_port;
    snprintf(r->ends.remote, sizeof r->ends.remote, "%s", remote);
    snprintf(r->ends.local, sizeof r->ends.local, "%s", local);
    r->read_base = connection_bytes_read(r->opened);
    r->shows_tls = connection_tls(r->easy) != NULL;
    tls_answer_put(r->answer);
    r->answer = tls_answer_expect(connection_tls(r->easy));
    return r->refuses ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static size_t on_head(char *line, size_t size, size_t count, void *arg)
{
    struct run *r = arg;
    size_t len = size * count;
    r->head += len;
    if (len == 0 || memchr(line, '\n', len) != line + len - 1)
        r->cut_line = true;
    return len;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct run *r = arg;
    size_t len = size * count;
    r->calls++;
    r->inside_calls += r->inside;
    if (r->calls == r->pause_at)
        return CURL_WRITEFUNC_PAUSE;
    if (r->calls == r->fail_at)
        return 0;
    if (len > r->largest)
        r->largest = len;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)data[i] != origin_pattern(r->bytes + i))
            r->wrong = true;
    r->bytes += len;
    return len;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct run *r = arg;
    if (fd == r->opened)
        r->wanted = what == CURL_POLL_REMOVE ? 0 : what;
    return 0;
}

static int on_timer(CURLM *multi, long ms, void *arg)
{
    ((struct run *)arg)->timer = ms;
    return 0;
}

static void run_open_url(struct run *r, const char *url)
{
    *r = (struct run){.opened = CURL_SOCKET_BAD, .timer = -1};
    snprintf(r->url, sizeof r->url, "%s", url);
    r->multi = curl_multi_init();
    r->easy = curl_easy_init();
    assert_true(r->multi && r->easy);
    curl_multi_setopt(r->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(r->multi, CURLMOPT_SOCKETDATA, r);
    curl_multi_setopt(r->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(r->multi, CURLMOPT_TIMERDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_URL, r->url);
    curl_easy_setopt(r->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(r->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(r->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(r->easy, CURLOPT_BUFFERSIZE, (long)CURL_MAX_WRITE_SIZE);
    curl_easy_setopt(r->easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(r->easy, CURLOPT_OPENSOCKETDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_PREREQFUNCTION, on_prereq);
    curl_easy_setopt(r->easy, CURLOPT_PREREQDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(r->easy, CURLOPT_HEADERDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_ERRORBUFFER, r->error);
    curl_easy_setopt(r->easy, CURLOPT_QUICK_EXIT, 1L);
    assert_true(tls_limit(r->easy));
    assert_int_equal(curl_multi_add_handle(r->multi, r->easy), CURLM_OK);
}

static void run_open(struct run *r, const char *path)
{
    char url[sizeof r->url];
    origin_url(origin, url, sizeof url, "%s", path);
    run_open_url(r, url);
}

static void run_open_tls(struct run *r, const char *path)
{
    char url[sizeof r->url];
    origin_url(tls_origin, url, sizeof url, "%s", path);
    run_open_url(r, url);
    curl_easy_setopt(r->easy, CURLOPT_CAINFO, origin_ca_file(tls_origin));
    curl_easy_setopt(r->easy, CURLOPT_CAPATH, NULL);
}

/* The same once more, on the connections that there are; its options stay. */
static void run_again(struct run *r)
{
    curl_multi_remove_handle(r->multi, r->easy);
    r->done = NULL;
    r->bytes = r->calls = 0;
    r->prereqs = 0;
    r->opens = 0;
    assert_int_equal(curl_multi_add_handle(r->multi, r->easy), CURLM_OK);
}

static void run_close(struct run *r)
{
    curl_multi_remove_handle(r->multi, r->easy);
    curl_easy_cleanup(r->easy);
    curl_multi_cleanup(r->multi);
    tls_answer_put(r->answer);
}

static void take_message(struct run *r)
{
    int left;
    CURLMsg *msg;
    while ((msg = curl_multi_info_read(r->multi, &left))) {
        r->done = msg;
        r->code = msg->data.result;
    }
}

/* One turn: waits for what curl wants, 100 ms at most, and gives it. */
static void turn(struct run *r)
{
    struct pollfd pfd = {.fd = r->wanted ? r->opened : -1,
                         .events = (short)((r->wanted & CURL_POLL_IN ? POLLIN : 0) |
                                           (r->wanted & CURL_POLL_OUT ? POLLOUT : 0))};
    int running, flags = 0;
    int ms = r->timer >= 0 && r->timer < 100 ? (int)r->timer : 100;
    if (poll(&pfd, 1, ms) == 1)
        flags = (pfd.revents & (POLLIN | POLLHUP | POLLERR) ? CURL_CSELECT_IN : 0) |
                (pfd.revents & POLLOUT ? CURL_CSELECT_OUT : 0);
    r->timer = flags ? r->timer : -1;
    curl_multi_socket_action(r->multi, flags ? pfd.fd : CURL_SOCKET_TIMEOUT, flags, &running);
    take_message(r);
}

#define RUN_UNTIL(r, condition)                                   \
    do {                                                          \
        for (int turns = 0; !(condition) && turns < 600; turns++) \
            turn(r);                                              \
        if (!(condition))                                         \
            fail_msg("libcurl never came to: %s", #condition);    \
    } while (0)

#endif
