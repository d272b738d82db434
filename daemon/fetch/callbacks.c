/* What curl calls while a transfer runs. Nothing is torn down in here: a callback settles the
 * result and gives curl the error that ends the transfer. */
#include "fetch/callbacks.h"

#include "base/clock.h"
#include "base/fd.h"
#include "fetch/address.h"
#include "fetch/cookies.h"
#include "fetch/location.h"
#include "fetch/clocks.h"
#include "fetch/delivery.h"
#include "fetch/loop_impl.h"
#include "fetch/proxied.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* --- connecting ------------------------------------------------------------------------------- */

static void note_address(struct transfer_impl *impl, const struct sockaddr *addr, socklen_t len)
{
    struct address address;
    int port;
    char text[ADDRESS_TEXT_SIZE];
    if (address_from_sockaddr(addr, len, &address, &port) < 0)
        return;
    address_print(&address, text);
    snprintf(impl->result.address, sizeof impl->result.address, "%s", text);
}

/* A connection died before its request was answered, and curl tries another: back to the first
 * clock. */
static void note_connecting(struct transfer_impl *impl)
{
    impl->opened = true;
    impl->socket = -1;
    if (impl->stage == STAGE_SENT)
        clocks_enter(impl, STAGE_CONNECT);
}

static int make_socket(struct transfer_impl *impl, const struct curl_sockaddr *addr)
{
    int fd = socket(addr->family, addr->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, addr->protocol);
    if (fd < 0)
        return -errno;
    int size = (int)impl->loop->receive_buffer;
    if (size > 0) /* a wish: the kernel's limit may be lower */
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    int r = multi_socket_opened(&impl->loop->multi, fd);
    if (r < 0)
        fd_close(&fd);
    return r < 0 ? r : fd;
}

/* Curl goes on to the name's next address: at once, if it is called. */
static curl_socket_t pass_over(struct transfer_impl *impl)
{
    impl->passed_over = true;
    clocks_hurry(impl);
    return CURL_SOCKET_BAD;
}

/* A refused address fails alone. */
static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
    struct transfer_impl *impl = arg;
    const struct policy *policy = impl->t->request->policy;
    struct error err = {{0}};
    if (policy && !impl->proxied &&
        policy_check(policy, impl->host, &addr->addr, addr->addrlen, &err) < 0) {
        if (!impl->refusal.text[0])
            impl->refusal = err;
        return pass_over(impl);
    }
    int fd = make_socket(impl, addr);
    if (fd < 0) {
        /* A machine without IPv6 is no shortage; the other addresses will do. */
        if (fd != -EAFNOSUPPORT && fd != -EPROTONOSUPPORT)
            impl->open_errno = -fd;
        return pass_over(impl);
    }
    impl->tried[impl->tried_count++ % TRIED_MAX] = fd;
    note_address(impl, &addr->addr, addr->addrlen);
    note_connecting(impl);
    return fd;
}

/* The address of a connection that is about to be used, which a reused one has not shown to
 * on_open. */
static bool connected_address(const char *text, int port, struct sockaddr_storage *ret,
                              socklen_t *ret_len)
{
    struct sockaddr_in *in = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
    memset(ret, 0, sizeof *ret);
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
        *ret_len = sizeof *in;
        return true;
    }
    if (inet_pton(AF_INET6, text, &in6->sin6_addr) != 1)
        return false;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons((uint16_t)port);
    *ret_len = sizeof *in6;
    return true;
}

static int check_connected(struct transfer_impl *impl, const char *ip, int port)
{
    struct sockaddr_storage addr;
    socklen_t len = 0;
    struct error err = {{0}};
    if (!impl->t->request->policy || impl->proxied)
        return 0;
    if (!connected_address(ip, port, &addr, &len)) {
        impl_fail(impl, KIND_POLICY, "%s port %d is connected to an address that cannot be judged",
                  impl->host, impl->port);
        return -1;
    }
    if (policy_check(impl->t->request->policy, impl->host, (struct sockaddr *)&addr, len, &err) <
        0) {
        impl_fail(impl, KIND_POLICY, "%s", err.text);
        return -1;
    }
    return 0;
}

static void find_new_socket(struct transfer_impl *impl)
{
    unsigned count = impl->tried_count < TRIED_MAX ? impl->tried_count : TRIED_MAX;
    for (unsigned i = 0; i < count && impl->socket < 0; i++)
        if (connection_is(impl->tried[i], &impl->ends))
            impl->socket = impl->tried[i];
    connection_note(&impl->loop->sockets, &impl->ends, impl->socket,
                    connection_http(impl->easy, impl->socket) >= 20);
}

/* What an idle connection holds before a request of ours goes out is an answer to nothing: bytes
 * that would be taken for this request's answer, or an end. (curl before 8.0 does not look;
 * curl/curl issue 10690.) In TLS all that comes after a whole answer is such: a server's session
 * tickets stand before it. Frames of HTTP/2 name their stream.
 *
 * Nobody can tell whether a peer of QUIC's still knows an idle connection: one that was started
 * again answers with resets that nobody can verify, and the request would meet silence for half a
 * minute. Such a connection is not used again. */
static bool find_used_socket(struct transfer_impl *impl)
{
    bool framed = false;
    impl->socket = connection_find(&impl->loop->sockets, &impl->ends, &framed);
    if (connection_http(impl->easy, impl->socket) == 30)
        return false;
    return framed || (impl->socket >= 0 && connection_is_quiet(impl->socket) &&
                      !connection_tls_holds(impl->easy));
}

static int expect_answer(struct transfer_impl *impl)
{
    SSL *ssl = connection_tls(impl->easy);
    tls_answer_put(impl->answer);
    impl->answer = tls_answer_expect(ssl);
    snprintf(impl->result.tls, sizeof impl->result.tls, "%s", ssl ? SSL_get_version(ssl) : "");
    if (!ssl || impl->answer)
        return 0;
    impl_fail(impl, KIND_RESOURCES, "out of memory");
    return -1;
}

/* Which a HEAD is asked for. */
static void note_phases(struct transfer_impl *impl)
{
    curl_off_t named = 0, connected = 0, secured = 0; /* µs from the start */
    if (!impl->opened || !request_is_head(impl->t->request))
        return;
    curl_easy_getinfo(impl->easy, CURLINFO_NAMELOOKUP_TIME_T, &named);
    curl_easy_getinfo(impl->easy, CURLINFO_CONNECT_TIME_T, &connected);
    curl_easy_getinfo(impl->easy, CURLINFO_APPCONNECT_TIME_T, &secured);
    impl->result.dns_ns = (uint64_t)named * 1000;
    impl->result.tls_ns = secured > connected ? (uint64_t)(secured - connected) * 1000 : 0;
}

/* A stream that was reset because its server wants HTTP/1.1 is asked for once more by curl, even in
 * mid-answer. What comes then is another answer, whose head nobody would see. */
static bool has_begun(struct transfer_impl *impl)
{
    char at[IMPL_AT];
    if (!impl->head.done)
        return false;
    impl_fail(impl, KIND_TRUNCATED, "%s wants to be asked anew, after %llu bytes of its answer",
              impl_at(impl, at, sizeof at), (unsigned long long)impl->result.bytes);
    return true;
}

/* Connected, TLS and all; the request goes out next. */
static int on_connected(void *arg, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
    struct transfer_impl *impl = arg;
    struct connection_ends *ends = &impl->ends;
    if (has_begun(impl))
        return CURL_PREREQFUNC_ABORT;
    snprintf(impl->result.address, sizeof impl->result.address, "%s", remote_ip);
    if (check_connected(impl, remote_ip, remote_port) < 0)
        return CURL_PREREQFUNC_ABORT;
    *ends = (struct connection_ends){.local_port = local_port, .remote_port = remote_port};
    snprintf(ends->remote, sizeof ends->remote, "%s", remote_ip);
    snprintf(ends->local, sizeof ends->local, "%s", local_ip);
    impl->socket = -1;
    impl->result.connection_reused = !impl->opened;
    if (impl->opened) {
        find_new_socket(impl);
        atomic_fetch_add_explicit(&impl->loop->connections, 1, memory_order_relaxed);
    } else if (!find_used_socket(impl)) {
        impl->stale = true;
        return CURL_PREREQFUNC_ABORT;
    }
    if (expect_answer(impl) < 0)
        return CURL_PREREQFUNC_ABORT;
    impl->unheard = !impl->opened && !impl->afresh && impl->socket >= 0;
    impl->read_base = connection_bytes_read(impl->socket);
    impl->result.connect_ns = clock_now() - impl->started;
    note_phases(impl);
    clocks_enter(impl, STAGE_SENT);
    return CURL_PREREQFUNC_OK;
}

/* --- the head --------------------------------------------------------------------------------- */

static int count_cookies(struct transfer_impl *impl)
{
    struct cookies *cookies = impl->t->request->cookies;
    char at[IMPL_AT];
    if (!cookies || cookies_count(cookies, impl->head.headers, impl->head.field_count) == 0)
        return 0;
    impl_fail(impl, KIND_LIMIT_EXCEEDED,
              "%s: more than %d KiB of cookies in one chain of redirects",
              impl_at(impl, at, sizeof at), COOKIES_MAX / 1024);
    return -1;
}

static int tell_response(struct transfer_impl *impl)
{
    const struct head *head = &impl->head;
    char *location = NULL;
    if (impl_is_starved(impl)) { /* whatever was asked for, and whatever of the answer is here */
        impl_fail(impl, KIND_RESOURCES, "out of memory");
        return -1;
    }
    if (proxied_refused(impl, head->status))
        return -1;
    struct error why;
    int r = 0;
    if (head->status / 100 == 3)
        r = location_resolve(impl->url, head->headers, head->field_count, &location, &why);
    if (r == -ENOMEM || impl_is_starved(impl)) { /* "Bad scheme", says libcurl without memory */
        curl_free(location);
        impl_fail(impl, KIND_RESOURCES, "out of memory for the response's head");
        return -1;
    }
    struct transfer_response response = {
        .status = head->status,
        .http_version = head->version,
        .headers = head->headers,
        .header_count = head->field_count,
        .content_length = head->content_length,
        .chunked = head->transfer_encodings > 0,
        .location = location,
        .bad_location = r < 0 ? why.text : NULL,
    };
    if (count_cookies(impl) < 0) {
        curl_free(location);
        return -1;
    }
    clocks_enter(impl, STAGE_BODY);
    impl->result.got_response = true;
    r = impl->t->ops->on_response(impl->t, &response);
    curl_free(location);
    if (r < 0)
        impl_stop(impl);
    return r < 0 ? -1 : 0;
}

/* A server that calls its answer HTTP/2 on a connection of HTTP/1 has its end taken for the
 * stream's end, by curl before 8.0 as well. */
static bool version_fits(struct transfer_impl *impl)
{
    int version = impl->head.version, negotiated = connection_http(impl->easy, impl->socket);
    if (negotiated == 11 ? version <= 11 : version == negotiated)
        return true;
    impl_fail(impl, KIND_PROTOCOL,
              "%s port %d (%s) calls its answer HTTP/%d on a connection of HTTP/%d", impl->host,
              impl->port, impl->result.address, version / 10, negotiated / 10);
    return false;
}

static void fail_head(struct transfer_impl *impl, int r)
{
    char at[IMPL_AT];
    impl_at(impl, at, sizeof at);
    if (r == -ENOMEM)
        impl_fail(impl, KIND_RESOURCES, "out of memory for the response's head");
    else if (r == -EMSGSIZE)
        impl_fail(impl, KIND_LIMIT_EXCEEDED, "%s: %s (%llu bytes)", at, impl->head.error,
                  (unsigned long long)impl->head.max);
    else
        impl_fail(impl, KIND_PROTOCOL, "%s: %s", at, impl->head.error);
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
    struct transfer_impl *impl = arg;
    size_t len = size * count;
    if (impl->settled)
        return 0;
    if (impl->stale) { /* its peer is there after all: clocks.c's report has not been told yet */
        list_del(&impl->report.link);
        impl->stale = false;
    }
    int r = head_line(&impl->head, line, len);
    if (r < 0) {
        fail_head(impl, r);
        return 0;
    }
    if (impl->stage < STAGE_HEAD && impl->head.status >= 200) {
        impl->result.first_byte_ns = clock_now() - impl->started;
        clocks_enter(impl, STAGE_HEAD);
    }
    impl->last_byte = clock_now();
    impl->overdue = false;
    if (r == HEAD_DONE && (!version_fits(impl) || tell_response(impl) < 0))
        return 0;
    return len;
}

/* --- the body --------------------------------------------------------------------------------- */

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct transfer_impl *impl = arg;
    if (impl->settled || impl->splice)
        return 0;
    if (!impl->head.done) { /* what curl takes for a body has no head that we know */
        char at[IMPL_AT];
        impl_fail(impl, KIND_PROTOCOL, "%s sent a body without a head",
                  impl_at(impl, at, sizeof at));
        return 0;
    }
    impl->last_byte = clock_now();
    impl->overdue = false;
    return delivery_take(impl, data, size * count);
}

void callbacks_set(struct transfer_impl *impl)
{
    curl_easy_setopt(impl->easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(impl->easy, CURLOPT_OPENSOCKETDATA, impl);
    curl_easy_setopt(impl->easy, CURLOPT_PREREQFUNCTION, on_connected);
    curl_easy_setopt(impl->easy, CURLOPT_PREREQDATA, impl);
    curl_easy_setopt(impl->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(impl->easy, CURLOPT_HEADERDATA, impl);
    curl_easy_setopt(impl->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(impl->easy, CURLOPT_WRITEDATA, impl);
}
