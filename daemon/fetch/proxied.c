#include "fetch/proxied.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define UNAUTHORISED 407

/* --- who it is -------------------------------------------------------------------------------- */

static enum proxy_type type_of(const char *scheme)
{
    static const struct {
        const char *scheme;
        enum proxy_type type;
    } known[] = {{"http", PROXY_HTTP},    {"https", PROXY_HTTPS},   {"socks4", PROXY_SOCKS},
                 {"socks", PROXY_SOCKS},  {"socks4a", PROXY_SOCKS}, {"socks5", PROXY_SOCKS},
                 {"socks5h", PROXY_SOCKS}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcasecmp(scheme, known[i].scheme) == 0)
            return known[i].type;
    return PROXY_NONE;
}

static int useless(struct transfer_impl *impl, const char *why)
{
    impl->result.proxy_refuses = true;
    impl_fail(impl, KIND_PROXY, "the proxy's URL cannot be used: %s", why);
    return -1;
}

/* Without a port libcurl takes 1080, whatever the scheme but https. */
static void name_it(struct transfer_impl *impl, const char *host, const char *port)
{
    snprintf(impl->proxy, sizeof impl->proxy, "%.255s port %s", host,
             port                              ? port
             : impl->proxy_type == PROXY_HTTPS ? "443"
                                               : "1080");
}

static int read_url(struct transfer_impl *impl, CURLU *url, const char *text)
{
    char *scheme = NULL, *host = NULL, *port = NULL;
    CURLUcode code =
        curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME);
    const char *why = code ? curl_url_strerror(code) : NULL;
    if (!code && !strstr(text, "://"))
        impl->proxy_type = PROXY_HTTP; /* libcurl's guess goes by the host's name */
    else if (!code && !(code = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0)))
        impl->proxy_type = type_of(scheme);
    if (!code && impl->proxy_type == PROXY_NONE)
        why = "its scheme is not http, https, socks4, socks4a, socks5 or socks5h";
    if (!why && (code = curl_url_get(url, CURLUPART_HOST, &host, 0)))
        why = curl_url_strerror(code);
    if (!why && curl_url_get(url, CURLUPART_PORT, &port, 0) == CURLUE_OUT_OF_MEMORY)
        why = "out of memory";
    if (!why)
        name_it(impl, host, port);
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    return why ? useless(impl, why) : 0;
}

static int no_memory(struct transfer_impl *impl)
{
    impl_fail(impl, KIND_RESOURCES, "out of memory");
    return -1;
}

static bool set_text(struct transfer_impl *impl, CURLoption option, const char *text)
{
    return curl_easy_setopt(impl->easy, option, text) == CURLE_OK;
}

int proxied_setup(struct transfer_impl *impl)
{
    const struct transfer_request *request = impl->t->request;
    impl->proxied = request->proxy && *request->proxy;
    /* Empty, so that neither http_proxy nor no_proxy of the environment counts: with a proxy the
     * target's address is not judged, so a way around it must not open. */
    if (!set_text(impl, CURLOPT_PROXY, impl->proxied ? request->proxy : "") ||
        !set_text(impl, CURLOPT_NOPROXY, ""))
        return no_memory(impl);
    if (!impl->proxied)
        return 0;
    if (request->proxy_user && (!set_text(impl, CURLOPT_PROXYUSERNAME, request->proxy_user) ||
                                !set_text(impl, CURLOPT_PROXYPASSWORD, request->proxy_password)))
        return no_memory(impl);
    CURLU *url = curl_url();
    if (!url)
        return no_memory(impl);
    int r = read_url(impl, url, request->proxy);
    curl_url_cleanup(url);
    /* TLS within TLS: what the outer one has read ahead cannot be seen, so an idle tunnel is never
     * known to be innocent (callbacks.c). */
    if (impl->proxy_type == PROXY_HTTPS && !impl->plain)
        curl_easy_setopt(impl->easy, CURLOPT_FRESH_CONNECT, 1L);
    return r;
}

/* --- what it does ----------------------------------------------------------------------------- */

static bool unauthorised(struct transfer_impl *impl)
{
    impl->result.proxy_refuses = true;
    if (impl->t->request->proxy_user)
        impl_fail(
            impl, KIND_PROXY,
            "the proxy %s does not take the user and password of fetch.proxy_credential (407)",
            impl->proxy);
    else
        impl_fail(impl, KIND_PROXY,
                  "the proxy %s wants a user and a password (407): name a credential for it in "
                  "fetch.proxy_credential",
                  impl->proxy);
    return true;
}

bool proxied_refused(struct transfer_impl *impl, int status)
{
    /* What comes through a tunnel is the origin's. */
    if (!impl->proxied || !impl->plain || impl->proxy_type == PROXY_SOCKS || status != UNAUTHORISED)
        return false;
    return unauthorised(impl);
}

/* It answered, and no tunnel came of it. */
static bool no_tunnel(struct transfer_impl *impl, int status)
{
    if (status == UNAUTHORISED)
        return unauthorised(impl);
    impl->result.proxy_refuses = status < 500;
    impl_fail(impl, KIND_PROXY, "the proxy %s makes no tunnel to %s port %d: it answered %d",
              impl->proxy, impl->host, impl->port, status);
    return true;
}

static bool broke(struct transfer_impl *impl, CURLcode code)
{
    impl->result.proxy_refuses = code == CURLE_PEER_FAILED_VERIFICATION;
    impl_fail(impl, KIND_PROXY, "the proxy %s: %s", impl->proxy,
              impl->curl_error[0] ? impl->curl_error : curl_easy_strerror(code));
    return true;
}

/* Is the fault the proxy's own: on the way to it or, if it speaks HTTP, in what it says before
 * there is a tunnel? Once a tunnel stands it is the origin that shakes hands; with SOCKS no code
 * shows which of the two it was. */
static bool is_its_own(const struct transfer_impl *impl, CURLcode code)
{
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_PROXY)
        return true;
    return impl->proxy_type != PROXY_SOCKS && code != CURLE_OUT_OF_MEMORY &&
           code != CURLE_OPERATION_TIMEDOUT && code != CURLE_NO_CONNECTION_AVAILABLE &&
           code != CURLE_ABORTED_BY_CALLBACK && code != CURLE_FAILED_INIT;
}

bool proxied_failed(struct transfer_impl *impl, CURLcode code)
{
    long status = 0;
    if (!impl->proxied || code == CURLE_OK)
        return false;
    if (code == CURLE_COULDNT_RESOLVE_PROXY && !strstr(impl->curl_error, "thread"))
        return broke(impl, code);
    if (impl->stage != STAGE_CONNECT || (impl->open_errno && !impl->opened))
        return false;
    curl_easy_getinfo(impl->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    if (status > 0 && status / 100 != 2)
        return no_tunnel(impl, (int)status);
    return status == 0 && is_its_own(impl, code) && broke(impl, code);
}
