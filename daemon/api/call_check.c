/* check_url: a job is read, merged and judged as `submit` would, and then forgotten. Nothing is
 * asked of a resolver or of the host, so that nobody can hold the control loop up by it: who wants
 * addresses judged looks them up himself and sends them along. */
#include "api/call_check.h"

#include "api/call.h"
#include "base/clock.h"
#include "base/json_read.h"
#include "fetch/policy.h"
#include "job/hold.h"
#include "job/host.h"
#include "job/job.h"
#include "terms/credential.h"
#include "terms/params.h"
#include "terms/proxy.h"
#include "terms/quota.h"
#include "terms/spec.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESSES_MAX 64

/* --- the policy ------------------------------------------------------------------------------- */

/* curl has read this URL before. 0: it has none that is known, or memory is lost, which is
 * noted. */
static int port_of(const char *url)
{
    char *text = NULL;
    CURLU *parts = curl_url();
    CURLUcode r = parts ? curl_url_set(parts, CURLUPART_URL, url, 0) : CURLUE_OUT_OF_MEMORY;
    if (r == CURLUE_OK)
        r = curl_url_get(parts, CURLUPART_PORT, &text, CURLU_DEFAULT_PORT);
    if (r == CURLUE_OUT_OF_MEMORY)
        json_note_lost();
    int port = r == CURLUE_OK ? atoi(text) : 0;
    curl_free(text);
    curl_url_cleanup(parts);
    return port;
}

/* 0; -EINVAL: it is no address. */
static int parse_address(const char *text, int port, struct sockaddr_storage *ret, socklen_t *len)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
    memset(ret, 0, sizeof *ret);
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        *len = sizeof *v4;
        return 0;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1)
        return -EINVAL;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)port);
    *len = sizeof *v6;
    return 0;
}

static json_t *view_refusal(int r, const struct error *err)
{
    return r == 0 ? json_pack("{s:b}", "allowed", 1)
                  : json_pack("{s:b, s:s}", "allowed", 0, "message", err->text);
}

static bool are_addresses(const json_t *addresses)
{
    struct sockaddr_storage address;
    socklen_t len;
    json_t *item;
    size_t i;
    json_array_foreach(addresses, i, item)
    {
        const char *text = json_string_value(item);
        if (!text || parse_address(text, 0, &address, &len) < 0)
            return false;
    }
    return true;
}

/* NULL: no memory. */
static json_t *view_addresses(const struct policy *policy, const struct spec *spec, int port,
                              const json_t *addresses)
{
    json_t *list = json_array(), *item;
    size_t i;
    json_array_foreach(addresses, i, item)
    {
        struct sockaddr_storage address;
        socklen_t len = 0;
        struct error err;
        const char *text = json_string_value(item);
        (void)parse_address(text, port, &address, &len); /* it is one */
        int r = policy_check(policy, spec->host, (struct sockaddr *)&address, len, &err);
        json_t *view = view_refusal(r, &err);
        json_object_set_new(view, "address", json_string(text));
        json_array_append_new(list, view);
    }
    return list;
}

/* --- the host --------------------------------------------------------------------------------- */

/* The sections that match, the most specific first, and what they and [fetch] come to. */
static json_t *view_host(const struct jobs *jobs, const char *name)
{
    const struct settings *s = jobs->settings;
    const struct settings_host *section;
    const struct host *host = host_find(jobs, name);
    uint64_t connections = 0, bytes = 0;
    double requests = 0;
    json_t *sections = json_array();
    for (size_t i = 0; (section = settings_host_match(s, name, i)); i++) {
        json_array_append_new(sections, json_string(section->pattern));
        connections = connections ? connections : section->connections;
        bytes = bytes ? bytes : section->bytes_per_second;
        requests = requests > 0 ? requests : section->requests_per_second;
    }
    json_t *view = json_pack("{s:s, s:o, s:I}", "name", name, "sections", sections, "connections",
                             (json_int_t)(connections ? connections : s->host_connections));
    if (bytes)
        json_object_set_new(view, "bytes_per_second", json_integer((json_int_t)bytes));
    if (requests > 0)
        json_object_set_new(view, "requests_per_second", json_real(requests));
    if (host) {
        json_object_set_new(view, "running", json_integer((json_int_t)host->running));
        json_object_set_new(view, "paused", json_boolean(host->held));
        json_object_set_new(view, "broken", json_boolean(host->pace.breaker != BREAKER_CLOSED));
    }
    return view;
}

/* --- terms ------------------------------------------------------------------------------------ */

/* Which of the four gives a parameter: the nearest. */
static void put_origin(struct buf *b, const struct settings *s, const struct spec *spec, size_t i)
{
    uint64_t bit = UINT64_C(1) << i;
    const struct settings_parser *parser = settings_parser_find(s, spec->effective.parser);
    const struct settings_host *host;
    if (spec->own.set & bit) {
        buf_puts(b, "job");
        return;
    }
    if (parser && (parser->params.set & bit)) {
        buf_printf(b, "parser \"%s\"", parser->name);
        return;
    }
    for (size_t k = 0; (host = settings_host_match(s, spec->host, k)); k++) {
        if (host->params.set & bit) {
            buf_printf(b, "host \"%s\"", host->pattern);
            return;
        }
    }
    buf_puts(b, "defaults");
}

static json_t *view_terms(const struct settings *s, const struct spec *spec)
{
    json_t *terms = json_object();
    for (size_t i = 0; i < PARAM_COUNT_; i++) {
        struct buf value = BUF_INIT, from = BUF_INIT;
        field_put(&params_fields[i], &spec->effective, 0, &value);
        put_origin(&from, s, spec, i);
        if (value.failed || from.failed)
            json_note_lost();
        else
            json_object_set_new(
                terms, params_fields[i].name,
                json_pack("{s:s, s:s}", "value", value.len ? value.data : "", "from", from.data));
        buf_deinit(&value);
        buf_deinit(&from);
    }
    return terms;
}

static void set_credential(json_t *view, const struct settings *s, const struct spec *spec)
{
    const struct settings_credential *chosen;
    struct error err;
    int r = credential_choose(s, spec, &chosen, &err);
    if (r == -EACCES)
        json_object_set_new(view, "credential", json_pack("{s:s}", "message", err.text));
    else if (r == 0 && chosen)
        json_object_set_new(view, "credential", json_pack("{s:s}", "name", chosen->name));
}

static void set_proxy(json_t *view, const struct settings *s, const struct spec *spec)
{
    struct proxy *proxy = NULL;
    char *host = NULL;
    int r = proxy_new(s->proxy, &proxy);
    const char *url = r == 0 ? proxy_for(proxy, spec->url, spec->host) : NULL;
    if (url)
        r = proxy_host(url, &host); /* the environment's may hold a password */
    if (r == -ENOMEM)
        json_note_lost();
    if (host)
        json_object_set_new(view, "proxy", json_string(host));
    free(host);
    proxy_free(proxy);
}

/* What [user "…"] or [group "…"] say of whoever asks; nothing of who is in none. */
static void set_quota(json_t *view, const struct jobs *jobs, const struct peer *peer)
{
    struct quota quota;
    char name[96];
    quota_of(jobs->settings, peer->uid, peer->gid, &quota);
    const struct user *user = user_find(jobs, peer->uid);
    if (!quota.max_running)
        return;
    json_object_set_new(view, "max_running",
                        json_pack("{s:I, s:I, s:s}", "value", (json_int_t)quota.max_running,
                                  "running", (json_int_t)(user ? user->running : 0), "from",
                                  quota_name(quota.running, name, sizeof name)));
}

static void answer(struct api_call *call, const struct spec *spec, const json_t *addresses)
{
    const struct jobs *jobs = call->api->jobs;
    struct error err;
    int port = port_of(spec->url);
    json_t *judged = view_addresses(jobs->policy, spec, port, addresses);
    int r = policy_check_host(jobs->policy, spec->host, port, &err);
    json_t *view = json_pack("{s:s, s:i, s:o, s:o, s:o, s:s, s:o}", "url", spec->shown_url, "port",
                             port, "policy", view_refusal(r, &err), "addresses", judged, "host",
                             view_host(jobs, spec->host), "parser", spec->effective.parser, "terms",
                             view_terms(jobs->settings, spec));
    if (view) {
        set_credential(view, jobs->settings, spec);
        set_proxy(view, jobs->settings, spec);
        set_quota(view, jobs, &call->peer);
        if (hold_on_all(jobs))
            json_object_set_new(view, "paused", json_true());
    }
    call_reply(call, view);
}

void call_check_url(struct api_call *call)
{
    struct jobs *jobs = call->api->jobs;
    const json_t *job = json_object_get(call->params, "job");
    const json_t *addresses = json_object_get(call->params, "addresses");
    struct spec *spec;
    struct error err;
    const char *field;
    size_t known = (job != NULL) + (addresses != NULL);
    if (!json_is_object(job) || json_object_size(call->params) > known ||
        (addresses && (!json_is_array(addresses) || json_array_size(addresses) > ADDRESSES_MAX))) {
        call_fail(call, API_INVALID_PARAMS, NULL,
                  "`job`, an object as `submit` takes it, and `addresses`, an array of at most %d, "
                  "are what check_url knows",
                  ADDRESSES_MAX);
        return;
    }
    if (!are_addresses(addresses)) {
        call_fail(call, API_INVALID_PARAMS, "addresses",
                  "addresses: an array of addresses as 192.0.2.1 or 2001:db8::1 is wanted");
        return;
    }
    int r = spec_parse(job, jobs->settings, jobs->registry, &spec, &err, &field);
    if (r < 0) {
        call_fail(call, r == -ENOMEM ? API_INTERNAL : API_INVALID_PARAMS, field, "%s", err.text);
        return;
    }
    answer(call, spec, addresses);
    spec_free(spec);
}
