/* A response's Location, each line one of them: what it leads to is a URL of ASCII without a
 * fragment, and the same when it is resolved again; a secret that was taken out of it is not in it
 * as that parameter; and a host that the job layer takes is the one that libcurl means. */
#include "base/utf8.h"
#include "fetch/location.h"
#include "attempt/redirect.h"
#include "terms/credential.h"
#include "terms/spec.h"
#include "terms/spec_url.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BASE "https://origin.example:8443/a/b?key=s3cret"

static void require(int condition)
{
    if (!condition)
        abort();
}

static void check_secrets(const char *url)
{
    struct credential c = {.type = CREDENTIAL_QUERY,
                           .field = (char *)"key",
                           .query = (char *)"key=s3cret",
                           .marks = {(char *)"s3cret", (char *)"s3cret"}};
    char *stripped = credential_strip(&c, url), *sent = credential_url(&c, url);
    require(stripped && sent && strlen(stripped) <= strlen(url));
    if (!credential_shows(&c, stripped))
        require(!strstr(stripped, "key=s3cret"));
    char *again = credential_strip(&c, stripped);
    require(again && strcmp(again, stripped) == 0);
    require(strstr(sent, "key=s3cret") != NULL);
    free(again);
    free(stripped);
    free(sent);
}

static void check_url(const char *url)
{
    struct transfer_header header = {"Location", url};
    struct error err;
    char *again = NULL, *host = NULL;
    CURLU *base = curl_url();
    require(!strchr(url, '#'));
    for (const char *p = url; *p; p++)
        require((unsigned char)*p > 0x20 && (unsigned char)*p < 0x7f);
    require(base && curl_url_set(base, CURLUPART_URL, BASE, 0) == CURLUE_OK);
    int r = location_resolve(base, &header, 1, &again, &err);
    require(r == LOCATION_URL && strcmp(again, url) == 0);
    curl_free(again);
    curl_url_cleanup(base);
    if (spec_url_host(url, &host, &err) == 0) {
        require(redirect_same_origin(url, url));
        free(host);
    }
    check_secrets(url);
}

static void check_location(const char *text)
{
    struct transfer_header header = {"Location", text};
    struct error err = {{0}};
    char *url = NULL;
    CURLU *base = curl_url();
    require(base && curl_url_set(base, CURLUPART_URL, BASE, 0) == CURLUE_OK);
    int r = location_resolve(base, &header, 1, &url, &err);
    if (r == LOCATION_URL && !redirect_is_forbidden(url)) /* which is not followed */
        check_url(url);
    else if (r != LOCATION_URL)
        require(r == -EINVAL && err.text[0] &&
                utf8_valid(err.text, strlen(err.text)) == strlen(err.text));
    curl_free(url);
    curl_url_cleanup(base);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *save = NULL;
    require(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        check_location(line);
    free(text);
    return 0;
}
