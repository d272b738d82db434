/* A request as curl's options. Each handle is reset first, so all that must not be left to curl's
 * defaults (they read the environment, follow schemes, trust a CA directory without caching it) is
 * set here every time. */
#include "fetch/setup.h"

#include "fetch/cookies.h"
#include "fetch/callbacks.h"
#include "fetch/libcurl.h"
#include "fetch/loop_impl.h"
#include "fetch/proxied.h"
#include "fetch/tls.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_MAX_HEADER (256 * 1024)
#define IDLE_SECONDS       90L
#define LIFE_SECONDS       900L
#define DNS_SECONDS        60L

/* --- the URL ---------------------------------------------------------------------------------- */

static int url_fails(struct transfer_impl *impl, CURLUcode code)
{
    if (code == CURLUE_OUT_OF_MEMORY)
        impl_fail(impl, KIND_RESOURCES, "out of memory");
    else if (code == CURLUE_USER_NOT_ALLOWED)
        impl_fail(impl, KIND_POLICY, "the URL has a user name in it: use `credential`");
    else if (code == CURLUE_UNSUPPORTED_SCHEME)
        impl_fail(impl, KIND_POLICY, "the URL is neither http nor https");
    else
        impl_fail(impl, KIND_PROTOCOL, "the URL cannot be used: %s", curl_url_strerror(code));
    return -1;
}

static int check_scheme(struct transfer_impl *impl)
{
    char *scheme = NULL;
    CURLUcode code = curl_url_get(impl->url, CURLUPART_SCHEME, &scheme, 0);
    if (code)
        return url_fails(impl, code);
    bool good = strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0;
    impl->plain = strcmp(scheme, "http") == 0;
    curl_free(scheme);
    return good ? 0 : url_fails(impl, CURLUE_UNSUPPORTED_SCHEME);
}

/* The host as curl understands it, and not as somebody else did: 0x7f.1 is 127.0.0.1 here already.
 */
static int take_host(struct transfer_impl *impl)
{
    char *host = NULL, *port = NULL;
    CURLUcode code = curl_url_get(impl->url, CURLUPART_HOST, &host, 0);
    if (!code)
        code = curl_url_get(impl->url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    if (!code) {
        size_t len = strlen(host), skip = *host == '[' && len >= 2;
        len -= 2 * skip;
        if (len < sizeof impl->host) {
            memcpy(impl->host, host + skip, len);
            impl->host[len] = '\0';
            impl->port = impl->result.port = (int)strtol(port, NULL, 10);
        } else {
            code = CURLUE_BAD_HOSTNAME;
        }
    }
    curl_free(host);
    curl_free(port);
    return code ? url_fails(impl, code) : 0;
}

static bool is_localhost(const char *host)
{
    static const char name[] = "localhost";
    size_t len = strlen(host), want = sizeof name - 1;
    if (len > 0 && host[len - 1] == '.')
        len--;
    return len >= want && strncasecmp(host + len - want, name, want) == 0 &&
           (len == want || host[len - want - 1] == '.');
}

/* A name that can only mean loopback (RFC 6761, 6.3), however a resolver takes it: one of the two
 * addresses must be permitted. Through a proxy no other look at it is ever had. */
static int judge_loopback(struct transfer_impl *impl, struct error *err)
{
    const struct policy *policy = impl->t->request->policy;
    struct error second;
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)impl->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                              .sin6_port = htons((uint16_t)impl->port),
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int r = policy_check(policy, impl->host, (struct sockaddr *)&v4, sizeof v4, err);
    return r < 0 ? policy_check(policy, impl->host, (struct sockaddr *)&v6, sizeof v6, &second) : r;
}

static int judge_host(struct transfer_impl *impl)
{
    struct error err = {{0}};
    int r = policy_check_host(impl->t->request->policy, impl->host, impl->port, &err);
    if (r == 0 && is_localhost(impl->host))
        r = judge_loopback(impl, &err);
    if (r < 0)
        impl_fail(impl, KIND_POLICY, "%s", err.text);
    return r;
}

static int set_url(struct transfer_impl *impl)
{
    const struct transfer_request *request = impl->t->request;
    CURLUcode code = curl_url_set(impl->url, CURLUPART_URL, request->url, CURLU_DISALLOW_USER);
    if (code)
        return url_fails(impl, code);
    if (check_scheme(impl) < 0 || take_host(impl) < 0)
        return -1;
    return request->policy ? judge_host(impl) : 0;
}

/* --- headers ---------------------------------------------------------------------------------- */

static int no_memory(struct transfer_impl *impl)
{
    impl_fail(impl, KIND_RESOURCES, "out of memory");
    return -1;
}

static int add_line(struct transfer_impl *impl, const char *line)
{
    struct curl_slist *list = curl_slist_append(impl->headers, line);
    if (!list)
        return no_memory(impl);
    impl->headers = list;
    return 0;
}

/* To curl `Name:` means "don't send it"; a header without a value is written `Name;`. */
static int add_empty(struct transfer_impl *impl, const char *line, size_t name_len)
{
    char *text = NULL;
    if (asprintf(&text, "%.*s;", (int)name_len, line) < 0)
        return no_memory(impl);
    int r = add_line(impl, text);
    free(text);
    return r;
}

static int refuse_breaks(struct transfer_impl *impl, const char *what, const char *text)
{
    if (!strpbrk(text, "\r\n"))
        return 0;
    impl_fail(impl, KIND_INTERNAL, "%s has a line break in it", what);
    return -1;
}

/* One Cookie field is all there may be (RFC 6265, 5.4). */
static int set_cookie(struct transfer_impl *impl, const char *value)
{
    value += strspn(value, " \t");
    return curl_easy_setopt(impl->easy, CURLOPT_COOKIE, value) ? no_memory(impl) : 0;
}

static int add_header(struct transfer_impl *impl, const char *line)
{
    if (refuse_breaks(impl, "a request header", line) < 0)
        return -1;
    const char *colon = strchr(line, ':');
    if (!colon || colon == line) {
        impl_fail(impl, KIND_INTERNAL, "a request header has no name");
        return -1;
    }
    if (colon - line == 6 && strncasecmp(line, "Cookie", 6) == 0)
        return set_cookie(impl, colon + 1);
    if (!colon[1 + strspn(colon + 1, " \t")])
        return add_empty(impl, line, (size_t)(colon - line));
    return add_line(impl, line);
}

static bool has_header(const struct transfer_request *request, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < request->header_count; i++)
        if (strncasecmp(request->headers[i], name, len) == 0 && request->headers[i][len] == ':')
            return true;
    return false;
}

/* The range goes as plain headers: with its own option, curl takes a 416 and a few wrong answers
 * for success without a byte. */
static int add_range(struct transfer_impl *impl)
{
    const struct transfer_request *request = impl->t->request;
    char line[64];
    if (!request->range_from && !request->if_range)
        return 0;
    snprintf(line, sizeof line, "Range: bytes=%" PRIu64 "-", request->range_from);
    if (add_line(impl, line) < 0)
        return -1;
    if (!request->if_range)
        return 0;
    char *text = NULL;
    if (refuse_breaks(impl, "the validator of If-Range", request->if_range) < 0)
        return -1;
    if (asprintf(&text, "If-Range: %s", request->if_range) < 0)
        return no_memory(impl);
    int r = add_line(impl, text);
    free(text);
    return r;
}

static int set_headers(struct transfer_impl *impl)
{
    const struct transfer_request *request = impl->t->request;
    for (size_t i = 0; i < request->header_count; i++)
        if (add_header(impl, request->headers[i]) < 0)
            return -1;
    /* A 417 to curl's own Expect would make it ask twice within one transfer. */
    if (!has_header(request, "Expect") && add_line(impl, "Expect:") < 0)
        return -1;
    return add_range(impl);
}

/* --- options ---------------------------------------------------------------------------------- */

/* True if it was set: the only failure left is memory. */
static bool set_text(struct transfer_impl *impl, CURLoption option, const char *text)
{
    return curl_easy_setopt(impl->easy, option, text) == CURLE_OK;
}

/* No failure possible: constants that this libcurl knows. */
static void set_behaviour(CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT,
                     1L); /* a look-up under way is left, not waited for */
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    /* A proxy that is asked for a tunnel must not see what is meant for the origin. */
    curl_easy_setopt(easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)CURL_MAX_WRITE_SIZE);
}

/* One that this libcurl does not have is not asked of it: it would refuse the option and speak what
 * it likes. */
static long http_version(const struct transfer_request *request)
{
    if (request->http >= 30 && libcurl_speaks_http3())
        return CURL_HTTP_VERSION_3;
    if (request->http >= 20 && libcurl_speaks_http2())
        return CURL_HTTP_VERSION_2TLS;
    return CURL_HTTP_VERSION_1_1;
}

/* The connection: its protocol, its addresses, and how long an idle one is good for: not much
 * longer than servers keep theirs (75 s in nginx), and in all no longer than a name's move to
 * another address should take to be seen. */
static void set_connection(struct transfer_impl *impl)
{
    const struct transfer_request *request = impl->t->request;
    bool fills = lookup_fills(&impl->loop->lookups, impl->host, impl->port);
    curl_easy_setopt(impl->easy, CURLOPT_HTTP_VERSION, http_version(request));
    curl_easy_setopt(impl->easy, CURLOPT_MAXAGE_CONN, IDLE_SECONDS);
    curl_easy_setopt(impl->easy, CURLOPT_MAXLIFETIME_CONN, LIFE_SECONDS);
    /* At its end curl drops all names that are as old as this transfer allows, or older. */
    curl_easy_setopt(impl->easy, CURLOPT_DNS_CACHE_TIMEOUT, fills ? 0L : DNS_SECONDS);
    curl_easy_setopt(impl->easy, CURLOPT_IPRESOLVE,
                     request->ip == 4   ? (long)CURL_IPRESOLVE_V4
                     : request->ip == 6 ? (long)CURL_IPRESOLVE_V6
                                        : (long)CURL_IPRESOLVE_WHATEVER);
}

static bool set_blob(struct transfer_impl *impl, CURLoption option, const void *data, size_t len)
{
    struct curl_blob blob = {
        .data = (void *)(uintptr_t)data, .len = len, .flags = CURL_BLOB_NOCOPY};
    return curl_easy_setopt(impl->easy, option, &blob) == CURLE_OK;
}

/* As blobs: a file would be read by the loop's thread. */
static bool set_identity(struct transfer_impl *impl)
{
    const struct transfer_request *r = impl->t->request;
    if (!r->client_cert)
        return true;
    const void *key = r->client_key ? r->client_key : r->client_cert;
    size_t key_len = r->client_key ? r->client_key_len : r->client_cert_len;
    return set_blob(impl, CURLOPT_SSLCERT_BLOB, r->client_cert, r->client_cert_len) &&
           set_blob(impl, CURLOPT_SSLKEY_BLOB, key, key_len);
}

const char *setup_bundle(const struct transfer_impl *impl)
{
    const char *own = impl->t->request->ca_file;
    return own ? own : impl->loop->trust.path;
}

/* Without CAPATH: Debian's default switches curl's CA cache off, 34 ms of CPU a connection. */
static bool set_trust(struct transfer_impl *impl)
{
    const struct trust *trust = &impl->loop->trust;
    const char *ca = setup_bundle(impl);
    if (!trust_sessions(trust))
        curl_easy_setopt(impl->easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    return set_text(impl, CURLOPT_CAPATH, NULL) && set_text(impl, CURLOPT_PROXY_CAPATH, NULL) &&
           (!ca ||
            (set_text(impl, CURLOPT_CAINFO, ca) && set_text(impl, CURLOPT_PROXY_CAINFO, ca)));
}

static bool set_texts(struct transfer_impl *impl)
{
    const struct transfer_request *request = impl->t->request;
    return set_text(impl, CURLOPT_PROTOCOLS_STR, "http,https") &&
           set_text(impl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https") &&
           set_text(impl, CURLOPT_USERAGENT, request->user_agent) && set_trust(impl);
}

static bool set_method(struct transfer_impl *impl)
{
    const struct transfer_request *request = impl->t->request;
    if (request_is_head(request)) {
        curl_easy_setopt(impl->easy, CURLOPT_NOBODY, 1L);
        /* A body that comes all the same would be taken for the next answer. */
        curl_easy_setopt(impl->easy, CURLOPT_FORBID_REUSE, 1L);
        return true;
    }
    if (!request->method || strcmp(request->method, "POST") != 0)
        return true;
    curl_easy_setopt(impl->easy, CURLOPT_POST, 1L);
    /* On a connection that its peer is closing, curl would send it once more by itself, though the
     * peer may have acted on the first. */
    curl_easy_setopt(impl->easy, CURLOPT_FRESH_CONNECT, 1L);
    CURLcode code =
        curl_easy_setopt(impl->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
    curl_easy_setopt(impl->easy, CURLOPT_POSTFIELDS, request->body ? request->body : "");
    return code == CURLE_OK;
}

/* "-host:port" takes a name out of curl's cache (CURLOPT_RESOLVE). */
static bool set_lookup(struct transfer_impl *impl)
{
    char entry[sizeof impl->host + 16];
    if (strchr(impl->host, ':') ||
        !lookup_settle_doubt(&impl->loop->lookups, impl->host, impl->port))
        return true;
    snprintf(entry, sizeof entry, "-%s:%d", impl->host, impl->port);
    impl->forget = curl_slist_append(NULL, entry);
    return impl->forget && curl_easy_setopt(impl->easy, CURLOPT_RESOLVE, impl->forget) == CURLE_OK;
}

static bool set_rate(struct transfer_impl *impl)
{
    uint64_t rate = impl->t->request->bytes_per_second;
    if (rate > 0)
        impl->rate = rate_get(&impl->loop->rates, impl->host, rate);
    return rate == 0 || impl->rate;
}

int setup_handle(struct transfer_impl *impl)
{
    const struct transfer_request *request = impl->t->request;
    uint64_t max = request->max_header_bytes;
    head_init(&impl->head, max ? max : DEFAULT_MAX_HEADER);
    if (set_url(impl) < 0 || set_headers(impl) < 0 || proxied_setup(impl) < 0)
        return -1;
    if (request->user_agent && refuse_breaks(impl, "the user agent", request->user_agent) < 0)
        return -1;
    set_behaviour(impl->easy);
    set_connection(impl);
    if (request->cookies && cookies_lend(request->cookies, impl->easy) < 0)
        return no_memory(impl);
    if (!set_texts(impl) || !set_method(impl) || !set_identity(impl) || !set_lookup(impl) ||
        !set_rate(impl) || !tls_limit(impl->easy))
        return no_memory(impl);
    /* Curl's own limit as well, as it gives each of several addresses its share of it. */
    if (request->connect_ms)
        curl_easy_setopt(impl->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_ms);
    curl_easy_setopt(impl->easy, CURLOPT_CURLU, impl->url);
    curl_easy_setopt(impl->easy, CURLOPT_HTTPHEADER, impl->headers);
    curl_easy_setopt(impl->easy, CURLOPT_PRIVATE, impl);
    curl_easy_setopt(impl->easy, CURLOPT_ERRORBUFFER, impl->curl_error);
    callbacks_set(impl);
    return 0;
}

/* There may be secrets among them. */
static void free_headers(struct curl_slist *headers)
{
    for (struct curl_slist *h = headers; h; h = h->next)
        explicit_bzero(h->data, strlen(h->data));
    curl_slist_free_all(headers);
}

void setup_reset(struct transfer_impl *impl)
{
    cookies_take_back(impl->easy);
    curl_easy_reset(impl->easy);
    free_headers(impl->headers);
    curl_slist_free_all(impl->forget);
    head_deinit(&impl->head);
    tls_answer_put(impl->answer);
    struct transfer_impl *i = impl;
    i->answer = NULL;
    i->t = NULL;
    i->headers = i->forget = NULL;
    i->stage = STAGE_CONNECT;
    i->added = i->paused = i->throttled = i->ended = i->settled = i->proxied = i->overdue =
        i->opened = i->passed_over = i->over = i->stale = i->unheard = i->afresh = i->held =
            i->no_splice = false;
    i->started = i->stage_since = i->last_byte = i->armed = 0;
    i->open_errno = 0;
    i->socket = -1;
    i->tried_count = 0;
    i->kept_off = 0;
    buf_deinit(&i->kept);
    i->proxy_type = PROXY_NONE;
    i->proxy[0] = '\0';
    i->refusal.text[0] = i->host[0] = i->curl_error[0] = '\0';
    i->result = (struct transfer_result){.kind = KIND_NONE};
}
