/* Showing what may hold secrets: URLs, and texts that others wrote. */
#include "terms/spec_redact.h"

#include "base/buf.h"
#include "base/url.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PARAMETER_MAX 256 /* of a query parameter, when it is matched */
#define TOKEN_MIN     16  /* a bearer's token; a word that is shorter may be prose */
#define VALUE_MIN     6   /* a secret is struck wherever it stands; a shorter one may be any word */

/* What no config makes visible. */
static const char *const always[] = {"*token", "*secret", "*passw*", NULL};

/* --- URLs ------------------------------------------------------------------------------------- */
/* The character that %XY at p stands for; 0 if there is none, or a NUL. */
static char decode_escape(const char *p, const char *end)
{
    if (end - p < 3 || p[0] != '%' || !isxdigit((unsigned char)p[1]) ||
        !isxdigit((unsigned char)p[2]))
        return '\0';
    const char digits[] = {p[1], p[2], '\0'};
    return (char)strtoul(digits, NULL, 16);
}

/* A parameter's name as its reader will see it: %6Bey is key. Cut at PARAMETER_MAX. */
static void decode_name(const char *p, size_t len, char name[PARAMETER_MAX])
{
    size_t n = 0;
    for (const char *end = p + len; p < end && n < PARAMETER_MAX - 1; n++) {
        char c = decode_escape(p, end);
        name[n] = c ? c : *p;
        p += c ? 3 : 1;
    }
    name[n] = '\0';
}

static bool matches(const char *name, const struct strings *patterns)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (fnmatch(patterns->items[i], name, FNM_CASEFOLD) == 0)
            return true;
    for (size_t i = 0; always[i]; i++)
        if (fnmatch(always[i], name, FNM_CASEFOLD) == 0)
            return true;
    return false;
}

/* Each part of names such as token[] and auth[token] counts as well. */
static bool is_secret(const char *p, size_t len, const struct strings *patterns)
{
    char name[PARAMETER_MAX], *rest;
    decode_name(p, len, name);
    bool secret = matches(name, patterns);
    for (char *part = strtok_r(name, "[]", &rest); part && !secret;
         part = strtok_r(NULL, "[]", &rest))
        secret = matches(part, patterns);
    return secret;
}

/* NAME=VALUE pairs, of a query or a fragment. */
static void put_parameters(struct buf *b, const char *p, const char *end,
                           const struct strings *patterns)
{
    while (p < end) {
        size_t len = 0;
        while (p + len < end && p[len] != '&' && p[len] != ';')
            len++;
        const char *equal = memchr(p, '=', len);
        if (equal && is_secret(p, (size_t)(equal - p), patterns)) {
            buf_put(b, p, (size_t)(equal - p) + 1);
            buf_puts(b, "***");
        } else {
            buf_put(b, p, len);
        }
        p += len;
        if (p < end)
            buf_putc(b, *p++);
    }
}

/* What comes before the query, without a user's name and password. */
static const char *put_before_query(struct buf *b, const char *url)
{
    const char *start = url, *at = url_find_user(url, &start);
    const char *rest = at ? at : url;
    buf_put(b, url, (size_t)(start - url));
    if (at)
        buf_puts(b, "***");
    const char *query = rest + strcspn(rest, "?#");
    buf_put(b, rest, (size_t)(query - rest));
    return query;
}

char *spec_redact_url(const char *url, const struct strings *patterns)
{
    struct buf b = BUF_INIT;
    const char *p = put_before_query(&b, url);
    while (*p) { /* at '?' or '#' */
        buf_putc(&b, *p);
        bool query = *p++ == '?';
        size_t len = query ? strcspn(p, "#") : strlen(p);
        put_parameters(&b, p, p + len, patterns);
        p += len;
    }
    return buf_steal(&b);
}

/* --- texts ------------------------------------------------------------------------------------ */

/* What is being read: where, and what it becomes. */
struct reading {
    const char *p;
    struct buf *out;
};

static bool in_name(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("_-.~%[]", c));
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_word(const char *p, size_t len, const char *word)
{
    return strlen(word) == len && strncasecmp(p, word, len) == 0;
}

/* A header whose whole value is a secret. */
static bool is_secret_header(const char *p, size_t len)
{
    return is_word(p, len, "authorization") || is_word(p, len, "proxy-authorization") ||
           is_word(p, len, "cookie") || is_word(p, len, "set-cookie");
}

/* The length of a quote, which may stand in a string of JSON's: " or ' or \". 0: there is none. */
static size_t quote_len(const char *p)
{
    size_t back = p[0] == '\\';
    return p[back] == '"' || (!back && p[0] == '\'') ? back + 1 : 0;
}

static void copy(struct reading *r, size_t len)
{
    buf_put(r->out, r->p, len);
    r->p += len;
}

/* At a quote of `len` bytes: strikes all up to the same quote. */
static void strike_quoted(struct reading *r, size_t len)
{
    const char *quote = r->p;
    copy(r, len);
    buf_puts(r->out, "***");
    while (*r->p && strncmp(r->p, quote, len) != 0)
        r->p += len == 1 && r->p[0] == '\\' && r->p[1] ? 2 : 1;
    copy(r, strnlen(r->p, len));
}

/* SCHEME TOKEN, or words of which each but the last ends in , or ; (parameters, cookies). */
static void strike_header(struct reading *r)
{
    size_t quote = quote_len(r->p);
    bool more = true;
    if (quote) {
        strike_quoted(r, quote);
        return;
    }
    buf_puts(r->out, "***");
    for (bool first = true; more && *r->p && !quote_len(r->p); first = false) {
        size_t len = strcspn(r->p, " \t\r\n\"'<>");
        const char *end = r->p + len;
        more = len > 0 && ((first && !memchr(r->p, '=', len)) || end[-1] == ',' || end[-1] == ';');
        r->p = end;
        if (more && is_space(*end) && in_name(end[1]))
            r->p++;
        else
            more = false;
    }
}

/* NAME=VALUE. */
static void strike_value(struct reading *r)
{
    buf_puts(r->out, "***");
    r->p += strcspn(r->p, "&; \t\"'<>");
}

/* "NAME": VALUE, the quote of `quote` bytes after the name being next. */
static void strike_member(struct reading *r, size_t quote)
{
    size_t value;
    copy(r, quote);
    while (is_space(*r->p) || *r->p == ':')
        copy(r, 1);
    if ((value = quote_len(r->p))) {
        strike_quoted(r, value);
        return;
    }
    size_t len = strcspn(r->p, ",}] \t");
    if (len > 0)
        buf_puts(r->out, "***");
    r->p += len;
}

/* A colon after the quote: it ends the name of a member. */
static size_t member_quote(const char *p)
{
    size_t quote = quote_len(p);
    const char *after = p + quote;
    while (quote && is_space(*after))
        after++;
    return quote && *after == ':' ? quote : 0;
}

/* At a name's end. */
static void read_value(struct reading *r, const char *name, size_t len,
                       const struct strings *patterns)
{
    bool header = is_secret_header(name, len);
    size_t quote = member_quote(r->p);
    if (quote) {
        if (header || is_secret(name, len, patterns))
            strike_member(r, quote);
    } else if (header && (*r->p == ':' || *r->p == '=')) {
        copy(r, 1);
        while (is_space(*r->p))
            copy(r, 1);
        strike_header(r);
    } else if (*r->p == '=') {
        copy(r, 1);
        if (is_secret(name, len, patterns))
            strike_value(r);
    } else if (is_word(name, len, "bearer") && is_space(*r->p)) {
        size_t token = 0;
        while (in_name(r->p[1 + token]) || (r->p[1 + token] && strchr("+/=", r->p[1 + token])))
            token++;
        if (token >= TOKEN_MIN) {
            copy(r, 1);
            buf_puts(r->out, "***");
            r->p += token;
        }
    }
}

void spec_redact_text(struct buf *b, const char *text, const struct strings *patterns)
{
    struct reading r = {.p = text, .out = b};
    while (*r.p) {
        const char *name = r.p;
        size_t len = 0;
        while (in_name(name[len]))
            len++;
        copy(&r, len > 0 ? len : 1);
        if (len > 0)
            read_value(&r, name, len, patterns);
    }
}

/* --- the values themselves -------------------------------------------------------------------- */

/* How many bytes of `text` are those that p[0, len) gives, as it stands or with its escapes
 * decoded; 0: they are others. */
static size_t value_len(const char *text, const char *p, size_t len, bool decoded)
{
    const char *t = text, *end = p + len;
    while (p < end) {
        char c = decoded ? decode_escape(p, end) : '\0';
        if (*t++ != (c ? c : *p)) /* at the latest at its NUL, which no URL has */
            return 0;
        p += c ? 3 : 1;
    }
    return (size_t)(t - text);
}

/* As it stands in the URL, or as its reader sees it. */
static void strike(char *text, const char *p, size_t len, bool decoded)
{
    for (char *t = text; *t; t++) {
        size_t n = value_len(t, p, len, decoded);
        if (n >= VALUE_MIN)
            memset(t, '*', n);
    }
}

void spec_strike_secrets(char *text, const char *url, const struct strings *patterns)
{
    const char *p = url + strcspn(url, "?#");
    while (*p++) {
        size_t len = strcspn(p, "&;#");
        const char *equal = memchr(p, '=', len);
        if (equal && is_secret(p, (size_t)(equal - p), patterns)) {
            size_t value = len - (size_t)(equal + 1 - p);
            strike(text, equal + 1, value, false);
            strike(text, equal + 1, value, true);
        }
        p += len;
    }
}
