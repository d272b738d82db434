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

/* *ret_standalone is behind the value of `standalone`; NULL: it has none. */
static bool is_good(const char *p, const char *end, const char **ret_standalone)
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
    *ret_standalone = skip_pair(p, end, "standalone", "yn", "eso");
    p = *ret_standalone ? *ret_standalone : p;
    return skip_space(p, end) == end;
}

bool feed_declaration_put(struct buf *to, const char *p, const char *end)
{
    const char *standalone;
    if (!is_good(p, end, &standalone))
        return false;
    if (standalone && memcmp(standalone - 4, "yes", 3) == 0) {
        buf_put(to, p, (size_t)(standalone - 4 - p));
        buf_printf(to, "no%c ", standalone[-1]);
        p = standalone;
    }
    buf_put(to, p, (size_t)(end - p));
    return true;
}
