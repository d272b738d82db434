/* A job's JSON: any object is taken or refused with a sentence; what is taken is safe to send and
 * to show, and what the store keeps of it is read again. The input is also tried as a URL. */
#include "base/utf8.h"
#include "base/config_ini.h"
#include "base/config_tree.h"
#include "terms/plain_url.h"
#include "terms/settings_load.h"
#include "terms/spec.h"
#include "terms/spec_redact.h"
#include "terms/spec_url.h"

#include <curl/curl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char config_text[] = "[host \"*.example.org\"]\nparser = lines\ntimeout = 1h\n"
                                  "[ceilings]\nmax_attempts = 9\n"
                                  "[policy]\nredact = token *key\n";

static struct settings *settings;
static struct registry *registry;

static void require(int condition)
{
    if (!condition)
        abort();
}

static void set_up(void)
{
    struct config config = {0};
    struct error err;
    if (settings)
        return;
    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    setenv("HOME", "/home/u", 1);
    require(config_parse(&config, config_text, sizeof config_text - 1, "f", &err) == 0);
    require(settings_load(&config, &settings, &err) == 0);
    config_deinit(&config);
    registry = registry_new();
    require(registry != NULL);
}

static void check_printable(const char *text)
{
    for (const char *p = text; *p; p++)
        require((unsigned char)*p > 0x20 && (unsigned char)*p < 0x7f);
}

static void check_spec(const struct spec *spec)
{
    const char *authority = strstr(spec->url, "://") + 3;
    check_printable(spec->url);
    require(strncmp(spec->url, "http://", 7) == 0 || strncmp(spec->url, "https://", 8) == 0);
    require(!memchr(authority, '@', strcspn(authority, "/?#")));
    require(*spec->host && !strpbrk(spec->host, "[]/@?# ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
    for (size_t i = 0; i < spec->headers.count; i++)
        require(!strpbrk(spec->headers.items[i], "\r\n") && strchr(spec->headers.items[i], ':') &&
                strncasecmp(spec->headers.items[i], "Authorization:", 14) != 0);
    require(spec->effective.set == (UINT64_C(1) << PARAM_COUNT_) - 1);
    require(spec->effective.max_attempts <= 9 && spec->parser);
}

/* What is taken for plain, libcurl gives back as it stands. */
static void check_plain(const char *text)
{
    const char *host;
    size_t len;
    char *url = NULL, *name = NULL;
    if (!plain_url(text, 8192, &host, &len))
        return;
    CURLU *u = curl_url();
    require(u && curl_url_set(u, CURLUPART_URL, text, CURLU_URLENCODE) == CURLUE_OK);
    require(curl_url_get(u, CURLUPART_URL, &url, 0) == CURLUE_OK && strcmp(url, text) == 0);
    require(curl_url_get(u, CURLUPART_HOST, &name, 0) == CURLUE_OK);
    require(strlen(name) == len && strncmp(name, host, len) == 0);
    curl_free(url);
    curl_free(name);
    curl_url_cleanup(u);
}

/* The normalised URL says the same host again, and the store's text is a fixed point. */
static void check_again(const struct spec *spec, const char *text)
{
    struct error err = {""};
    char *host = NULL;
    require(spec_url_host(spec->url, &host, &err) == 0 && strcmp(host, spec->host) == 0);
    free(host);
    json_t *job = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    char *again = job ? spec_store_text(job) : NULL;
    require(again && strcmp(again, text) == 0);
    free(again);
    json_decref(job);
}

static void try_job(const json_t *job)
{
    struct spec *spec = NULL;
    struct error err = {""};
    const char *field = NULL;
    if (spec_parse(job, settings, registry, &spec, &err, &field) < 0) {
        size_t len = strlen(err.text);
        require(!spec && len > 0 && utf8_valid(err.text, len) == len);
        return;
    }
    char *text = spec_store_text(job);
    require(text && !field);
    check_spec(spec);
    check_again(spec, text);
    free(text);
    spec_free(spec);
}

static void try_url(const char *text)
{
    struct error err;
    char *host = NULL;
    char *shown = spec_redact_url(text, &settings->redact);
    require(shown != NULL);
    char *twice = spec_redact_url(shown, &settings->redact);
    require(twice && strcmp(shown, twice) == 0); /* nothing secret is left */
    if (spec_url_host(text, &host, &err) == 0)
        require(*host);
    check_plain(text);
    free(host);
    free(twice);
    free(shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    set_up();
    char *text = malloc(size + 1);
    require(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    json_t *job = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    if (job)
        try_job(job);
    json_decref(job);
    try_url(text);
    free(text);
    return 0;
}
