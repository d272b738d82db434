#include "base/url.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

static bool is_slash(char c)
{
    return c == '/' || c == '\\';
}

/* The length of a scheme and its colon; 0: what stands before the colon is a user's name. */
static size_t scheme_len(const char *text)
{
    size_t len = 0;
    while (isalnum((unsigned char)text[len]) || (text[len] && strchr("+-.", text[len])))
        len++;
    if (len == 0 || text[len] != ':')
        return 0;
    bool known = (len == 4 && strncasecmp(text, "http", len) == 0) ||
                 (len == 5 && strncasecmp(text, "https", len) == 0);
    return known || is_slash(text[len + 1]) ? len + 1 : 0;
}

const char *url_find_user(const char *text, const char **ret_start)
{
    const char *start = text + scheme_len(text);
    while (is_slash(*start))
        start++;
    const char *at = memrchr(start, '@', strcspn(start, "/?#"));
    if (at)
        *ret_start = start;
    return at;
}
