#include "job/condition.h"

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
    free(v->url);
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

int condition_init(struct condition *c, const char *etag, const char *modified, const char *url)
{
    *c = (struct condition){.noting = true};
    if (!url || (!etag && !modified))
        return 0;
    bool made = (c->known.url = strdup(url));
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

size_t condition_ask(struct condition *c, const char *url, const char **headers)
{
    size_t count = 0;
    c->asked = c->known.url && strcmp(c->known.url, url) == 0;
    for (size_t i = 0; c->asked && i < CONDITION_HEADERS; i++)
        if (c->headers[i])
            headers[count++] = c->headers[i];
    return count;
}

bool condition_holds(struct condition *c, int status)
{
    c->unchanged = c->asked && status == 304;
    return c->unchanged;
}

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

void condition_note(struct condition *c, const struct transfer_response *response, const char *url)
{
    if (!c->noting)
        return;
    clear(&c->seen);
    if (response->status != 200)
        return;
    c->seen.etag = value_of(response, "ETag");
    c->seen.modified = value_of(response, "Last-Modified");
    c->seen.url = c->seen.etag || c->seen.modified ? strdup(url) : NULL;
    if (!c->seen.url)
        clear(&c->seen);
}
