#include "terms/credential.h"

#include "base/buf.h"
#include "terms/netrc.h"
#include "terms/proxy.h"
#include "terms/secret.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX 8192

/* --- which ------------------------------------------------------------------------------------ */

bool credential_is_for(const struct settings_credential *c, const char *host)
{
    for (size_t i = 0; i < c->hosts.count; i++)
        if (settings_pattern_match(c->hosts.items[i], host))
            return true;
    return false;
}

int credential_choose(const struct settings *settings, const struct spec *spec,
                      const struct settings_credential **ret, struct error *err)
{
    const char *name = spec->effective.credential;
    bool own = spec->own.set & UINT64_C(1) << PARAM_CREDENTIAL;
    const struct settings_credential *c = name ? settings_credential_find(settings, name) : NULL;
    *ret = NULL;
    if (c && credential_is_for(c, spec->host))
        *ret = c;
    else if (name && own && !c)
        return error_set(err, -EACCES, "credential: there is no credential %.64s", name);
    else if (name && own)
        return error_set(err, -EACCES,
                         "credential: %.64s is not sent to %.128s: that is none of its hosts", name,
                         spec->host);
    return 0;
}

/* --- life ------------------------------------------------------------------------------------- */

static bool copy(char **ret, const char *text)
{
    *ret = text ? strdup(text) : NULL;
    return *ret || !text;
}

/* systemd's LoadCredential= gives a directory with a file for each. */
static bool find_path(struct credential *c, const char *secret_file)
{
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    if (secret_file || !dir || dir[0] != '/')
        return copy(&c->path, secret_file);
    if (asprintf(&c->path, "%s/%s", dir, c->name) < 0) {
        c->path = NULL;
        return false;
    }
    return true;
}

int credential_new(const struct settings_credential *settings, const char *host,
                   struct credential **ret_credential)
{
    struct credential *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    c->type = (enum credential_type)settings->type;
    if (!copy(&c->name, settings->name) || !copy(&c->user, settings->user) ||
        !copy(&c->host, host) ||
        !copy(&c->field, settings->header ? settings->header : settings->query) ||
        !find_path(c, settings->secret_file)) {
        credential_free(c);
        return -ENOMEM;
    }
    *ret_credential = c;
    return 0;
}

int credential_for_proxy(const struct settings_credential *settings, const char *proxy,
                         struct credential **ret_credential)
{
    char *host;
    *ret_credential = NULL;
    if (!settings || !proxy)
        return 0;
    int r = proxy_host(proxy, &host);
    if (r == -EINVAL) /* it will be told when it is to be used */
        return 0;
    if (r == 0 && credential_is_for(settings, host))
        r = credential_new(settings, host, ret_credential);
    if (r == 0)
        free(host);
    return r;
}

void credential_wipe(struct credential *c)
{
    if (!c)
        return;
    secret_free(&c->header);
    secret_free(&c->query);
    for (size_t i = 0; i < CREDENTIAL_MARKS; i++)
        secret_free(&c->marks[i]);
}

void credential_free(struct credential *c)
{
    if (!c)
        return;
    credential_wipe(c);
    free(c->name);
    free(c->user);
    free(c->field);
    free(c->host);
    free(c->path);
    free(c);
}

/* --- what is sent ----------------------------------------------------------------------------- */

static int no_memory(struct error *err)
{
    return error_set(err, -ENOMEM, "out of memory");
}

static char *base64(const char *text, size_t len)
{
    char *out = malloc(4 * ((len + 2) / 3) + 1);
    if (out)
        EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)text, (int)len);
    return out;
}

static bool unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static char *percent_encode(const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = malloc(3 * strlen(text) + 1), *to = out;
    for (; out && *text; text++) {
        if (unreserved(*text)) {
            *to++ = *text;
            continue;
        }
        *to++ = '%';
        *to++ = digits[(unsigned char)*text >> 4];
        *to++ = digits[(unsigned char)*text & 15];
    }
    if (out)
        *to = '\0';
    return out;
}

static int make_basic(struct credential *c, const char *user, const char *password,
                      struct error *err)
{
    char *pair = NULL;
    if (asprintf(&pair, "%s:%s", user, password) < 0)
        return no_memory(err);
    c->marks[0] = strdup(password);
    c->marks[1] = base64(pair, strlen(pair));
    secret_free(&pair);
    if (!c->marks[0] || !c->marks[1] ||
        asprintf(&c->header, "Authorization: Basic %s", c->marks[1]) < 0)
        return no_memory(err);
    return 0;
}

static int make_line(struct credential *c, const char *name, const char *value, struct error *err)
{
    c->marks[0] = strdup(value + (strncmp(value, "Bearer ", 7) == 0 ? 7 : 0));
    if (!c->marks[0] || asprintf(&c->header, "%s: %s", name, value) < 0)
        return no_memory(err);
    return 0;
}

static int make_bearer(struct credential *c, const char *token, struct error *err)
{
    char *value = NULL;
    if (asprintf(&value, "Bearer %s", token) < 0)
        return no_memory(err);
    int r = make_line(c, "Authorization", value, err);
    secret_free(&value);
    return r;
}

static int make_query(struct credential *c, const char *value, struct error *err)
{
    c->marks[0] = strdup(value);
    c->marks[1] = percent_encode(value);
    if (!c->marks[0] || !c->marks[1] || asprintf(&c->query, "%s=%s", c->field, c->marks[1]) < 0)
        return no_memory(err);
    return 0;
}

static int make_netrc(struct credential *c, char *text, struct error *err)
{
    const char *login, *password;
    int r = netrc_find(text, c->host, &login, &password);
    if (r == -ENOENT)
        return error_set(err, r, "%s has no entry for %s", c->path, c->host);
    if (r < 0)
        return error_set(err, r, "%s is not a netrc file", c->path);
    return make_basic(c, login, password, err);
}

/* Whatever is sent in a header is printable: a line break would forge others. */
static int check_text(const struct credential *c, const char *text, size_t len, struct error *err)
{
    if (strlen(text) != len)
        return error_set(err, -EINVAL, "%s has a NUL in it", c->path);
    if (c->type == CREDENTIAL_NETRC)
        return 0;
    if (len > VALUE_MAX)
        return error_set(err, -EFBIG, "%s has more than %d bytes", c->path, VALUE_MAX);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return error_set(err, -EINVAL,
                             "%s has more than one line, or another control character in it",
                             c->path);
    return 0;
}

static int make(struct credential *c, char *text, struct error *err)
{
    switch (c->type) {
    case CREDENTIAL_BASIC:
        return make_basic(c, c->user, text, err);
    case CREDENTIAL_BEARER:
        return make_bearer(c, text, err);
    case CREDENTIAL_HEADER:
        return make_line(c, c->field, text, err);
    case CREDENTIAL_QUERY:
        return make_query(c, text, err);
    case CREDENTIAL_NETRC:
        return make_netrc(c, text, err);
    }
    return error_set(err, -EINVAL, "its type is not known");
}

int credential_read(struct credential *c, struct error *err)
{
    char *text = NULL;
    size_t len = 0;
    struct error why;
    if (!c->path)
        return error_set(err, -ENOENT,
                         "credential %s: it has no secret_file, and systemd has given none "
                         "($CREDENTIALS_DIRECTORY)",
                         c->name);
    credential_wipe(c);
    int r = secret_read(c->path, &text, &len, &why);
    if (r == 0)
        r = check_text(c, text, len, &why);
    if (r == 0)
        r = make(c, text, &why);
    secret_free_len(&text, len);
    return r < 0 ? error_set(err, r, "credential %s: %s", c->name, why.text) : 0;
}

/* --- in URLs ---------------------------------------------------------------------------------- */

/* Bytes of a secret that is looked for wherever it may stand: a shorter one may be any word. One
 * that was sent in the URL comes back easily, another only if somebody wants it. */
#define TELLING_QUERY 8
#define TELLING_OTHER 16
#define ENCODED_DEEP  4 /* a URL in a URL in a URL … */

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *p = c ? strchr(digits, c | 0x20) : NULL;
    return p ? (int)(p - digits) : -1;
}

/* Takes one layer of percent-encoding off, in place; with `form`, a plus is a space. True if there
 * was any. */
static bool decode(char *text, bool form)
{
    char *to = text;
    bool changed = false;
    for (const char *p = text; *p; p++, to++) {
        int high = *p == '%' ? hex_digit(p[1]) : -1, low = high >= 0 ? hex_digit(p[2]) : -1;
        changed = changed || low >= 0 || (form && *p == '+');
        *to = low >= 0 ? (char)(high * 16 + low) : form && *p == '+' ? ' ' : *p;
        p += low >= 0 ? 2 : 0;
    }
    *to = '\0';
    return changed;
}

/* A part of a URL as its reader sees it, compared. NULL matches anything. */
static bool means(const char *part, size_t len, const char *text)
{
    char *copy = text ? strndup(part, len) : NULL;
    bool same = !text;
    if (copy) {
        decode(copy, false);
        same = strcmp(copy, text) == 0;
    }
    if (copy && !same) {
        memcpy(copy, part, len);
        copy[len] = '\0';
        decode(copy, true);
        same = strcmp(copy, text) == 0;
    }
    secret_free(&copy);
    return same;
}

static bool is_parameter(const char *p, size_t len, const char *name, const char *value)
{
    const char *equal = memchr(p, '=', len);
    size_t name_len = equal ? (size_t)(equal - p) : len;
    return means(p, name_len, name) &&
           (equal ? means(equal + 1, len - name_len - 1, value) : !value || !*value);
}

/* The URL without the query parameters of this name and value (NULL: any). NULL: out of memory. */
static char *without(const char *url, const char *name, const char *value)
{
    size_t start = strcspn(url, "?#");
    char *out = malloc(strlen(url) + 1);
    if (!out)
        return NULL;
    char *to = mempcpy(out, url, start);
    const char *p = url + start;
    bool first = true;
    while (*p && *p != '#') {
        char mark = *p++;
        size_t len = strcspn(p, "&;#");
        if (len == 0 || !is_parameter(p, len, name, value)) {
            *to++ = first ? '?' : mark;
            to = mempcpy(to, p, len);
            first = false;
        }
        p += len;
    }
    strcpy(to, p);
    return out;
}

char *credential_url(const struct credential *c, const char *url)
{
    char *out = NULL, *plain = without(url, c->field, NULL);
    if (!plain)
        return NULL;
    size_t len = strcspn(plain, "#");
    const char *glue = memchr(plain, '?', len) ? "&" : "?";
    int r = asprintf(&out, "%.*s%s%s%s", (int)len, plain, glue, c->query, plain + len);
    free(plain);
    return r < 0 ? NULL : out;
}

char *credential_strip(const struct credential *c, const char *url)
{
    return c->type == CREDENTIAL_QUERY && c->marks[0] ? without(url, c->field, c->marks[0])
                                                      : strdup(url);
}

/* One layer: the secret as it is, or in the letters of a host name, or as the value of its
 * parameter. */
static bool shows(const struct credential *c, const char *text)
{
    size_t telling = c->type == CREDENTIAL_QUERY ? TELLING_QUERY : TELLING_OTHER;
    for (size_t i = 0; i < CREDENTIAL_MARKS; i++)
        if (c->marks[i] && strlen(c->marks[i]) >= telling && strcasestr(text, c->marks[i]))
            return true;
    if (c->type != CREDENTIAL_QUERY || !c->marks[0])
        return false;
    size_t len = strlen(c->field);
    for (const char *p = text; (p = strstr(p, c->field)); p++)
        if (p[len] == '=' && strncmp(p + len + 1, c->marks[0], strlen(c->marks[0])) == 0)
            return true;
    return false;
}

bool credential_shows(const struct credential *c, const char *url)
{
    char *text = strdup(url);
    bool found = !text; /* without memory nobody knows */
    for (int deep = 0; text && !found && deep < ENCODED_DEEP; deep++) {
        found = shows(c, text);
        if (!decode(text, false))
            break;
    }
    secret_free(&text);
    return found;
}

/* --- what comes back -------------------------------------------------------------------------- */

#define MARK_MIN 4 /* a shorter beginning at a text's end may be anything */

/* Where `mark` is in the text, whole or, at the text's end, begun. */
static char *find_mark(char *text, const char *mark)
{
    size_t len = strlen(mark);
    for (char *p = text; len > 0 && *p; p++) {
        size_t left = strnlen(p, len);
        if (left < len && left < MARK_MIN)
            return NULL;
        if (strncmp(p, mark, left) == 0)
            return p;
    }
    return NULL;
}

static void strike(char *text, const char *mark)
{
    for (char *p = text; (p = find_mark(p, mark));)
        for (size_t n = strlen(mark); n > 0 && *p; n--)
            *p++ = '*';
}

void credential_redact(const struct credential *c, char *text)
{
    for (size_t i = 0; c && i < CREDENTIAL_MARKS; i++)
        if (c->marks[i])
            strike(text, c->marks[i]);
}
