#include "fetch/location.h"

#include "base/url.h"

#include <ctype.h>
#include <errno.h>
#include <idn2.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SHOWN_MAX 120 /* bytes of a Location in a message */

/* --- its text --------------------------------------------------------------------------------- */

static int refuse(const char *location, const char *why, struct error *err)
{
    const char *start, *at = url_find_user(location, &start);
    const char *text = at ? at : location;
    return error_set(err, -EINVAL, "the redirect's Location '%s%.*s%s' %s", at ? "***" : "",
                     SHOWN_MAX, text, strlen(text) > SHOWN_MAX ? "…" : "", why);
}

/* The one value there is; the same one twice is one. 0, -ENOENT or -EINVAL. */
static int find(const struct transfer_header *headers, size_t count, const char **ret_location,
                struct error *err)
{
    const char *found = NULL;
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(headers[i].name, "Location") != 0)
            continue;
        if (found && strcmp(found, headers[i].value) != 0)
            return refuse(headers[i].value, "is the second one: which is meant cannot be known",
                          err);
        found = headers[i].value;
    }
    *ret_location = found;
    return found ? 0 : -ENOENT;
}

/* --- its host --------------------------------------------------------------------------------- */

/* As libcurl does it: by IDNA 2008, and where that refuses a name by the older mapping. */
static int to_ascii(const char *host, char **ret_ascii)
{
    uint8_t *ascii = NULL;
    int r = idn2_lookup_u8((const uint8_t *)host, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (r != IDN2_OK)
        r = idn2_lookup_u8((const uint8_t *)host, &ascii, IDN2_NFC_INPUT | IDN2_TRANSITIONAL);
    if (r == IDN2_OK)
        *ret_ascii = (char *)ascii;
    return r;
}

static CURLUcode lower_host(CURLU *url, char *host)
{
    for (char *p = host; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return curl_url_set(url, CURLUPART_HOST, host, 0);
}

static bool is_ascii(const char *text)
{
    while (*text && (unsigned char)*text < 0x80)
        text++;
    return !*text;
}

/* A name that was mapped to digits is an address, which libcurl sees only when it reads the
 * whole. */
static CURLUcode read_again(CURLU *url)
{
    char *text = NULL;
    CURLUcode code = curl_url_get(url, CURLUPART_URL, &text, 0);
    if (!code)
        code = curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
    curl_free(text);
    return code;
}

/* A name in other letters becomes what a resolver can be asked for. 0, -EINVAL or -ENOMEM. */
static int set_host(CURLU *url, const char *location, struct error *err)
{
    char *host = NULL, *ascii = NULL;
    CURLUcode code = curl_url_get(url, CURLUPART_HOST, &host, 0);
    if (code == CURLUE_NO_HOST) /* as file:///path has none */
        return 0;
    if (!code && !is_ascii(host)) {
        int r = to_ascii(host, &ascii);
        curl_free(host);
        if (r == IDN2_MALLOC)
            return error_set(err, -ENOMEM, "out of memory");
        if (r != IDN2_OK)
            return refuse(location, idn2_strerror(r), err);
        code = lower_host(url, ascii);
        idn2_free(ascii);
        if (!code)
            code = read_again(url);
    } else if (!code) {
        code = lower_host(url, host);
        curl_free(host);
    }
    if (code == CURLUE_OUT_OF_MEMORY)
        return error_set(err, -ENOMEM, "out of memory");
    return code ? refuse(location, "has a host that is none", err) : 0;
}

/* --- all of it -------------------------------------------------------------------------------- */

static int fail_url(CURLUcode code, const char *location, struct error *err)
{
    char why[160];
    if (code == CURLUE_OUT_OF_MEMORY)
        return error_set(err, -ENOMEM, "out of memory");
    snprintf(why, sizeof why, "cannot be used: %s", curl_url_strerror(code));
    return refuse(location, why, err);
}

/* libcurl takes an empty reference for the directory that the page is in. */
static int resolve(CURLU *url, const char *location, char **ret_url, struct error *err)
{
    if (!*location || *location == '#')
        return refuse(location, "names no other page", err);
    CURLUcode code = curl_url_set(url, CURLUPART_URL, location,
                                  CURLU_URLENCODE | CURLU_ALLOW_SPACE | CURLU_NON_SUPPORT_SCHEME);
    if (!code)
        code = curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
    if (code)
        return fail_url(code, location, err);
    int r = set_host(url, location, err);
    if (r < 0)
        return r;
    code = curl_url_get(url, CURLUPART_URL, ret_url, 0);
    return code ? fail_url(code, location, err) : LOCATION_URL;
}

int location_resolve(CURLU *base, const struct transfer_header *headers, size_t count,
                     char **ret_url, struct error *err)
{
    const char *location = NULL;
    int r = find(headers, count, &location, err);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    CURLU *url = curl_url_dup(base);
    if (!url)
        return error_set(err, -ENOMEM, "out of memory");
    r = resolve(url, location, ret_url, err);
    curl_url_cleanup(url);
    return r;
}
