#include "attempt/condition.h"

#include "flow/message_digest.h"
#include "attempt/validator.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define VALUE_MAX 1024 /* a longer validator is not kept */

static void clear(struct validators *v)
{
    free(v->etag);
    free(v->modified);
    free(v->page);
    *v = (struct validators){0};
}

void condition_deinit(struct condition *c)
{
    clear(&c->known);
    clear(&c->seen);
    for (size_t i = 0; i < CONDITION_HEADERS; i++)
        free(c->headers[i]);
    *c = (struct condition){0};
}

int condition_init(struct condition *c, const char *etag, const char *modified, const char *page)
{
    *c = (struct condition){.noting = true};
    if (!page || (!etag && !modified))
        return 0;
    bool made = (c->known.page = strdup(page));
    if (etag)
        made = made && (c->known.etag = strdup(etag)) &&
               asprintf(&c->headers[0], "If-None-Match: %s", etag) >= 0;
    if (modified)
        made = made && (c->known.modified = strdup(modified)) &&
               asprintf(&c->headers[1], "If-Modified-Since: %s", modified) >= 0;
    if (made)
        return 0;
    condition_deinit(c);
    return -ENOMEM;
}

/* --- the page --------------------------------------------------------------------------------- */

/* NULL: out of memory, or libcrypto failed: then nothing is conditional. */
static char *page_of(const char *url)
{
    struct digest *digest = NULL;
    char hex[DIGEST_HEX_SIZE];
    bool made = digest_new("sha256", &digest) == 0 &&
                digest_update(digest, url, strlen(url)) == 0 && digest_final(digest, hex) == 0;
    digest_free(digest);
    return made ? strdup(hex) : NULL;
}

static bool is_page(const char *page, const char *url)
{
    char *other = page ? page_of(url) : NULL;
    bool same = other && strcmp(page, other) == 0;
    free(other);
    return same;
}

size_t condition_ask(struct condition *c, const char *url, const char **headers)
{
    size_t count = 0;
    c->asked = is_page(c->known.page, url);
    for (size_t i = 0; c->asked && i < CONDITION_HEADERS; i++)
        if (c->headers[i])
            headers[count++] = c->headers[i];
    return count;
}

/* --- what a response says --------------------------------------------------------------------- */

/* The value of a header that stands once, and could stand in a request. */
static char *value_of(const struct transfer_response *response, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < response->header_count; i++) {
        if (strcasecmp(response->headers[i].name, name) != 0)
            continue;
        if (value)
            return NULL;
        value = response->headers[i].value;
    }
    size_t len = value ? strlen(value) : 0;
    if (len == 0 || len > VALUE_MAX)
        return NULL;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
            return NULL;
    return strdup(value);
}

/* No date at all is not in the way. */
static bool is_settled(const struct transfer_response *response, const char *modified, time_t now)
{
    return !modified || validator_date_is_strong(response, now);
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* A tag that stays while the date changes is one of its size alone. */
static bool is_the_same_body(const struct validators *known, const char *etag, const char *modified)
{
    return validator_is_strong(etag) && same(etag, known->etag) &&
           (!modified || !known->modified || same(modified, known->modified));
}

static void take(char **to, const char *from)
{
    if (!*to && from)
        *to = strdup(from);
}

/* After a 304: what it says anew, and what it leaves out as it was. Unless that is settled there is
 * nothing. */
static void renew(struct condition *c, const struct transfer_response *response, time_t now)
{
    struct validators *seen = &c->seen;
    bool settled = is_settled(response, seen->modified, now);
    take(&seen->etag, c->known.etag);
    take(&seen->modified, c->known.modified);
    c->renewed =
        !settled || !same(seen->etag, c->known.etag) || !same(seen->modified, c->known.modified);
    if (settled)
        take(&seen->page, c->known.page);
    if (!seen->page)
        clear(seen);
}

static void drop(char **field)
{
    free(*field);
    *field = NULL;
}

/* A tag of nothing is every version's, and nobody can ask with a date that is none. */
static void read_validators(struct condition *c, const struct transfer_response *response)
{
    clear(&c->seen);
    c->seen.etag = value_of(response, "ETag");
    c->seen.modified = value_of(response, "Last-Modified");
    if (c->seen.etag && (same(c->seen.etag, "\"\"") || same(c->seen.etag, "W/\"\"")))
        drop(&c->seen.etag);
    if (c->seen.modified && validator_date(response, "Last-Modified") == -1)
        drop(&c->seen.modified);
}

bool condition_holds(struct condition *c, const struct transfer_response *response, time_t now)
{
    c->unchanged = c->renewed = false;
    if (!c->asked || (response->status != 304 && response->status != 200))
        return false;
    read_validators(c, response);
    if (response->status == 304)
        renew(c, response, now);
    c->unchanged =
        response->status == 304 || is_the_same_body(&c->known, c->seen.etag, c->seen.modified);
    return c->unchanged;
}

void condition_note(struct condition *c, const struct transfer_response *response, const char *url,
                    time_t now)
{
    clear(&c->seen);
    if (!c->noting || response->status != 200)
        return;
    read_validators(c, response);
    if ((c->seen.etag || c->seen.modified) && is_settled(response, c->seen.modified, now))
        c->seen.page = page_of(url);
    if (!c->seen.page)
        clear(&c->seen);
}
