#include "attempt/echo.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A short secret may stand in these by chance. */
static bool is_plain(const char *name)
{
    static const char *const names[] = {"Date",        "Last-Modified",  "Content-Range",
                                        "Retry-After", "Content-Digest", "Repr-Digest",
                                        "Digest",      "Content-MD5"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

struct transfer_header *echo_redact(const struct credential *c,
                                    const struct transfer_response *response)
{
    const struct transfer_header *from = response->headers;
    size_t count = response->header_count, size = (count + 1) * sizeof *from;
    for (size_t i = 0; i < count; i++)
        size += strlen(from[i].value) + 1;
    struct transfer_header *to = malloc(size);
    if (!to)
        return NULL;
    char *end = (char *)(to + count + 1);
    for (size_t i = 0; i < count; i++) {
        char *value = end;
        end = stpcpy(value, from[i].value) + 1;
        if (!is_plain(from[i].name))
            credential_redact(c, value);
        to[i] = (struct transfer_header){.name = from[i].name, .value = value};
    }
    return to;
}
