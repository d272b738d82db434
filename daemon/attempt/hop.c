#include "attempt/hop.h"

#include "attempt/encoding.h"
#include "attempt/redirect.h"
#include "fetch/cookies.h"
#include "fetch/shortage.h"
#include "terms/proxy.h"
#include "terms/spec_redact.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int hop_init(struct hop *hop, const struct spec *spec, struct credential *credential)
{
    hop->identity.credential = credential;
    hop->method = spec->method;
    hop->headers = calloc(spec->headers.count + 1, sizeof *hop->headers);
    if (!hop->headers)
        return -ENOMEM;
    if (spec->effective.max_redirects > 0)
        hop->cookies = cookies_new();
    return spec->effective.max_redirects > 0 && !hop->cookies ? -ENOMEM : 0;
}

void hop_deinit(struct hop *hop)
{
    identity_deinit(&hop->identity);
    cookies_free(hop->cookies);
    free(hop->headers);
    free(hop->url);
    free(hop->host);
    free(hop->shown_url);
}

/* Ours go everywhere; the job's own as the hop has it. */
static void choose_headers(struct hop *hop, const struct spec *spec)
{
    const struct strings *asked = &spec->headers;
    bool had_body = strcmp(spec->method, "POST") == 0, has_body = strcmp(hop->method, "POST") == 0;
    hop->header_count = 0;
    /* What nobody decodes is not asked for. */
    if (spec->effective.compress && spec->effective.decode != DECODE_FILE_NONE)
        hop->headers[hop->header_count++] = ENCODING_ACCEPT;
    for (size_t i = 0; i < asked->count; i++)
        if (redirect_keeps_header(asked->items[i], hop->elsewhere, had_body, has_body))
            hop->headers[hop->header_count++] = asked->items[i];
}

/* What was meant for the job's origin stays there; once another one was asked it is not sent any
 * more. */
static void turn_to(struct hop *hop, const char *url, int status)
{
    hop->method = redirect_method(status, hop->method);
    if (!hop->elsewhere && !redirect_same_origin(hop->url, url)) {
        hop->elsewhere = true;
        identity_forget_credential(&hop->identity);
    }
}

int hop_next(struct hop *hop, const struct spec *spec, const struct proxy *proxy, const char *url,
             const char *host, const struct hop_traits *traits, int status)
{
    bool first = hop->count == 0;
    char *url_copy = strdup(url), *host_copy = strdup(host);
    char *shown = first ? NULL : spec_redact_url(url, traits->redact);
    const char *by = proxy_for(proxy, url, host);
    struct credential *proxy_credential = NULL;
    assert(!hop->identity.reading);
    if (!url_copy || !host_copy || (!first && !shown) ||
        credential_for_proxy(traits->proxy_credential, by, &proxy_credential) < 0 ||
        identity_prepare(&hop->identity, traits->client_cert, traits->client_key,
                         proxy_credential) < 0) {
        free(url_copy);
        free(host_copy);
        free(shown);
        return -ENOMEM;
    }
    uint64_t shortages = shortage_count();
    if (!first)
        turn_to(hop, url, status);
    bool turned = shortage_count() == shortages; /* else it may not have seen where it leads */
    hop->count++;
    choose_headers(hop, spec);
    free(hop->url);
    free(hop->host);
    free(hop->shown_url);
    hop->url = url_copy;
    hop->host = host_copy;
    hop->shown_url = shown;
    hop->proxy = by;
    hop->http = traits->http;
    hop->bytes_per_second = traits->bytes_per_second;
    return turned ? 0 : -ENOMEM;
}

void hop_begin_again(struct hop *hop, const struct spec *spec, struct credential *credential)
{
    hop->count = 0;
    hop->elsewhere = false;
    hop->method = spec->method;
    identity_forget_credential(&hop->identity);
    hop->identity.credential = credential;
}
