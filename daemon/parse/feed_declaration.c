#include "parse/feed_declaration.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && isspace((unsigned char)*p))
        p++;
    return p;
}

/* ` name = "value"`, of which the value begins with one of `first` and goes on with these. NULL: it
 * is not there. */
static const char *skip_pair(const char *p, const char *end, const char *name, const char *first,
                             const char *more)
{
    size_t len = strlen(name);
    const char *at = skip_space(p, end);
    if (at == p || (size_t)(end - at) < len || memcmp(at, name, len) != 0)
        return NULL;
    at = skip_space(at + len, end);
    if (at == end || *at++ != '=')
        return NULL;
    at = skip_space(at, end);
    if (end - at < 3 || (*at != '"' && *at != '\'') || !strchr(first, at[1]) || !at[1])
        return NULL;
    char quote = *at;
    for (at += 2; at < end && *at && strchr(more, *at); at++)
        ;
    return at < end && *at == quote ? at + 1 : NULL;
}

bool feed_declaration_is_good(const char *p, const char *end)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    if (memcmp(p, "<?xml", 5) != 0 || end[-2] != '?')
        return false;
    end -= 2;
    p = skip_pair(p + 5, end, "version", "1", ".0123456789");
    if (!p)
        return false;
    const char *encoding = skip_pair(p, end, "encoding", letters, rest);
    p = encoding ? encoding : p;
    const char *standalone = skip_pair(p, end, "standalone", "yn", "eso");
    p = standalone ? standalone : p;
    return skip_space(p, end) == end;
}
