/* What curl's code means, in the closed list of kinds. In this order:
 *
 *   1. what a callback, a clock or the consumer has settled: curl's code is a consequence of it
 *   2. CURLE_OK: the response ended. Our own count of bytes against Content-Length, the last chunk,
 * or HTTP/2's end of stream says that it is whole; else the peer just closed and nobody can tell
 * (VERIFIED_NONE). OK without the end of a head (curl says so when one was cut): truncated
 *   3. the table below; and where the connection broke, by how far the response had come:
 *        nothing had come                 connect    another try may well work
 *        some of the head, or the body    truncated
 *      Garbage (no status line, bad chunks, a head that contradicts itself) is `protocol` wherever
 * it stands.
 *
 * Messages say host, port and address, never path or query. */
#include "fetch/outcome.h"

#include "fetch/loop_impl.h"
#include "fetch/proxied.h"
#include "fetch/resolver.h"
#include "fetch/setup.h"
#include "fetch/tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Curl's own words for it: they name hosts, certificates and numbers, no URL. */
static const char *detail(const struct transfer_impl *impl, CURLcode code)
{
    return impl->curl_error[0] ? impl->curl_error : curl_easy_strerror(code);
}

static const char *os_error(const struct transfer_impl *impl, CURLcode code)
{
    long number = 0;
    curl_easy_getinfo(impl->easy, CURLINFO_OS_ERRNO, &number);
    return number > 0 ? strerrordesc_np((int)number) : detail(impl, code);
}

static void truncated(struct transfer_impl *impl, const char *at)
{
    unsigned long long bytes = impl->result.bytes;
    if (impl->stage < STAGE_BODY)
        impl_fail(impl, KIND_TRUNCATED, "%s closed the connection inside the response's head", at);
    else if (impl->head.content_length >= 0)
        impl_fail(impl, KIND_TRUNCATED, "%s closed the connection after %llu of %lld bytes", at,
                  bytes, (long long)impl->head.content_length);
    else
        impl_fail(impl, KIND_TRUNCATED,
                  "%s closed the connection after %llu bytes, before the end of the body", at,
                  bytes);
}

static void broken(struct transfer_impl *impl, CURLcode code, const char *at)
{
    if (impl->stage >= STAGE_HEAD)
        truncated(impl, at);
    else if (strstr(impl->curl_error, "Out of memory")) /* nghttp2's words */
        impl_fail(impl, KIND_RESOURCES, "no memory for the request to %s", at);
    else
        impl_fail(impl, KIND_CONNECT, "%s closed the connection without an answer: %s", at,
                  os_error(impl, code));
}

static void no_connection(struct transfer_impl *impl, CURLcode code, const char *at)
{
    if (impl->open_errno && !impl->opened)
        impl_fail(impl, KIND_RESOURCES, "no socket for %s: %s", at,
                  strerrordesc_np(impl->open_errno));
    else if (impl->refusal.text[0] && !impl->opened)
        impl_fail(impl, KIND_POLICY, "%s", impl->refusal.text);
    else
        impl_fail(impl, KIND_CONNECT, "cannot connect to %s: %s", at, os_error(impl, code));
}

/* A look-up takes a thread, and "no thread" has the code of "no such host". */
static void no_address(struct transfer_impl *impl, CURLcode code)
{
    bool no_thread = strstr(impl->curl_error, "thread failed to start") != NULL;
    if (resolver_is_full()) {
        impl_fail(impl, KIND_RESOURCES,
                  "%s was not looked up: the resolver does not answer, and %d look-ups that nobody "
                  "waits for "
                  "are under way",
                  impl->host, RESOLVER_LEFT_MAX);
        return;
    }
    impl_fail(impl, no_thread ? KIND_RESOURCES : KIND_DNS, "%s", detail(impl, code));
}

static void timed_out(struct transfer_impl *impl, CURLcode code, const char *at)
{
    if (impl->stage == STAGE_CONNECT && impl->passed_over && !impl->opened)
        no_connection(impl, code, at); /* of its many addresses none could even be tried */
    else if (impl->stage == STAGE_CONNECT)
        impl_fail(impl, KIND_CONNECT_TIMEOUT, "no connection to %s in time", at);
    else if (impl->stage == STAGE_SENT)
        impl_fail(impl, KIND_FIRST_BYTE_TIMEOUT, "%s did not answer in time", at);
    else
        impl_fail(impl, KIND_STALLED, "%s sent nothing any more", at);
}

/* Curl has one code for broken connections and broken chunks, and one for all that was too much. */
static void receive_failed(struct transfer_impl *impl, CURLcode code, const char *at)
{
    if (strstr(impl->curl_error, "chunk"))
        impl_fail(impl, KIND_PROTOCOL, "%s: %s", at, impl->curl_error);
    else if (strstr(impl->curl_error, "Too large response headers"))
        impl_fail(impl, KIND_LIMIT_EXCEEDED, "%s: %s", at, impl->curl_error);
    else
        broken(impl, code, at);
}

/* A header line that does not fit into curl's 100 KB buffer has, in 7.88, the code of a failed
 * malloc. */
static void out_of_memory(struct transfer_impl *impl, const char *at)
{
    if (impl->stage == STAGE_SENT || impl->stage == STAGE_HEAD)
        impl_fail(impl, KIND_LIMIT_EXCEEDED, "%s: a line of the response's head is too long", at);
    else
        impl_fail(impl, KIND_RESOURCES, "out of memory");
}

/* A connection that broke during the handshake says nothing about TLS: the next may work. */
static void handshake_failed(struct transfer_impl *impl, CURLcode code, const char *at)
{
    bool cut = strstr(impl->curl_error, "SSL_ERROR_SYSCALL") ||
               strstr(impl->curl_error, "unexpected eof") ||
               strstr(impl->curl_error, "reset by peer");
    /* What OpenSSL makes of an answer in clear text. */
    bool clear = strstr(impl->curl_error, "wrong version number") ||
                 strstr(impl->curl_error, "packet length too long") ||
                 strstr(impl->curl_error, "http request");
    if (clear)
        impl_fail(impl, KIND_TLS, "%s does not speak TLS; did you mean http://? (%s)", at,
                  impl->curl_error);
    else if (cut)
        impl_fail(impl, KIND_CONNECT, "%s closed the connection during the TLS handshake", at);
    else
        impl_fail(impl, KIND_TLS, "%s: %s", at, detail(impl, code));
}

/* OpenSSL reads it by stdio, whose own allocations nobody sees. */
static void no_bundle(struct transfer_impl *impl, CURLcode code, const char *at)
{
    const char *path = setup_bundle(impl);
    enum error_kind kind = path && trust_lacks_resources(path) ? KIND_RESOURCES : KIND_TLS;
    impl_fail(impl, kind, "%s: %s", at, detail(impl, code));
}

static void map_connecting(struct transfer_impl *impl, CURLcode code, const char *at)
{
    switch ((int)code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        no_address(impl, code);
        return;
    case CURLE_COULDNT_CONNECT:
    case CODE_QUIC_CONNECT:
    case CURLE_PROXY:
        no_connection(impl, code, at);
        return;
    case CURLE_SSL_CONNECT_ERROR:
        handshake_failed(impl, code, at);
        return;
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_USE_SSL_FAILED:
    case CURLE_SSL_SHUTDOWN_FAILED:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CLIENTCERT:
        impl_fail(impl, KIND_TLS, "%s: %s", at, detail(impl, code));
        return;
    case CURLE_SSL_CACERT_BADFILE:
        no_bundle(impl, code, at);
        return;
    case CURLE_NO_CONNECTION_AVAILABLE:
        impl_fail(impl, KIND_RESOURCES, "%s: %s", at, detail(impl, code));
        return;
    default:
        impl_fail(impl, KIND_INTERNAL, "%s: libcurl's error %d: %s", at, (int)code,
                  detail(impl, code));
    }
}

static void map_code(struct transfer_impl *impl, CURLcode code, const char *at)
{
    const char *limit = tls_reason(impl->answer, impl->curl_error);
    if (limit) {
        impl_fail(impl, strstr(limit, "HTTP/2") ? KIND_PROTOCOL : KIND_TLS, "%s sent %s", at,
                  limit);
        return;
    }
    switch ((int)code) {
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CODE_HTTP3:
        broken(impl, code, at);
        return;
    case CURLE_PARTIAL_FILE:
        truncated(impl, at);
        return;
    case CURLE_RECV_ERROR:
        receive_failed(impl, code, at);
        return;
    case CURLE_OPERATION_TIMEDOUT:
        timed_out(impl, code, at);
        return;
    case CURLE_OUT_OF_MEMORY:
        out_of_memory(impl, at);
        return;
    case CODE_TOO_LARGE:
        impl_fail(impl, KIND_LIMIT_EXCEEDED, "%s: %s", at, detail(impl, code));
        return;
    case CURLE_UNSUPPORTED_PROTOCOL: /* the URL's scheme was checked: an answer without a status
                                        line */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_FUNCTION_ARGUMENT: /* a header that it can make nothing of */
    case CURLE_BAD_CONTENT_ENCODING:  /* a Transfer-Encoding, as decoding contents is off */
    case CURLE_URL_MALFORMAT:
        impl_fail(impl, KIND_PROTOCOL, "%s: %s", at, detail(impl, code));
        return;
    default:
        map_connecting(impl, code, at);
    }
}

static bool is_bodiless(const struct transfer_impl *impl)
{
    return head_bodiless(&impl->head) || request_is_head(impl->t->request);
}

static void ended_well(struct transfer_impl *impl, const char *at)
{
    const struct head *head = &impl->head;
    struct transfer_result *result = &impl->result;
    if (!head->done || (!is_bodiless(impl) && head->content_length >= 0 &&
                        result->bytes != (uint64_t)head->content_length)) {
        truncated(impl, at);
        return;
    }
    if (!is_bodiless(impl) && head->content_length < 0 && head->version == 20 &&
        !tls_answer_ended(impl->answer)) {
        truncated(impl, at);
        return;
    }
    bool until_close = !is_bodiless(impl) && head->content_length < 0 &&
                       !head->transfer_encodings && head->version < 20;
    if (until_close && tls_answer_cut(impl->answer)) { /* so do later libcurls */
        impl_fail(impl, KIND_TRUNCATED,
                  "%s ended the connection after %llu bytes, without TLS's close_notify", at,
                  (unsigned long long)result->bytes);
        return;
    }
    impl->settled = true;
    if (is_bodiless(impl) || head->content_length >= 0)
        result->verified = VERIFIED_LENGTH;
    else if (head->transfer_encodings)
        result->verified = VERIFIED_CHUNKED;
    else if (head->version >= 20) /* as it was negotiated (callbacks.c) */
        result->verified = head->version == 30 ? VERIFIED_HTTP3 : VERIFIED_HTTP2;
    else
        result->verified = VERIFIED_NONE;
}

void outcome_fill(struct transfer_impl *impl, CURLcode code)
{
    char at[IMPL_AT];
    if (impl->settled)
        return;
    impl_at(impl, at, sizeof at);
    if (code == CURLE_OK)
        ended_well(impl, at);
    else if (impl_is_starved(impl)) /* in the body, too, it is the reason rather than the peer */
        impl_fail(impl, KIND_RESOURCES, "%s: memory was short: %s", at, detail(impl, code));
    else if (!proxied_failed(impl, code))
        map_code(impl, code, at);
}
