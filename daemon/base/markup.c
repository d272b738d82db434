#include "base/markup.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

static bool begins(const char *p, const char *end, const char *word)
{
    size_t len = strlen(word);
    return (size_t)(end - p) >= len && strncasecmp(p, word, len) == 0;
}

static const char *find(const char *p, const char *end, const char *word)
{
    while (p < end && !begins(p, end, word))
        p++;
    return p < end ? p : NULL;
}

static bool is_html(const char *text, const char *end)
{
    while (text < end && isspace((unsigned char)*text))
        text++;
    return begins(text, end, "<!doctype html") || begins(text, end, "<html") ||
           begins(text, end, "<head") || begins(text, end, "<title") ||
           begins(text, end, "<body") || begins(text, end, "<center") || begins(text, end, "<h1");
}

/* The few that error pages have. */
static size_t entity(const char *p, const char *end, char *ret)
{
    static const struct {
        const char *name;
        char c;
    } known[] = {{"&amp;", '&'},  {"&lt;", '<'},   {"&gt;", '>'},
                 {"&quot;", '"'}, {"&#39;", '\''}, {"&nbsp;", ' '}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (begins(p, end, known[i].name)) {
            *ret = known[i].c;
            return strlen(known[i].name);
        }
    return 0;
}

/* Behind the tag that begins here; what stands in a script or a style is no text. */
static const char *skip_tag(const char *p, const char *end)
{
    const char *close = begins(p, end, "<script")  ? find(p, end, "</script")
                        : begins(p, end, "<style") ? find(p, end, "</style")
                        : begins(p, end, "<!--")   ? find(p + 4, end, "--")
                                                   : p;
    const char *gt = close ? memchr(close, '>', (size_t)(end - close)) : NULL;
    return gt ? gt + 1 : end;
}

/* From [p, end) to `to`, which does not lie behind p. Returns the end of what was written. */
static char *put_plain(char *to, const char *p, const char *end, bool html)
{
    char *start = to;
    while (p < end) {
        char c = *p;
        size_t n = html && c == '&' ? entity(p, end, &c) : 0;
        if (html && *p == '<') {
            p = skip_tag(p, end);
            c = ' ';
        } else {
            p += n ? n : 1;
        }
        if (!isspace((unsigned char)c))
            *to++ = c;
        else if (to > start && to[-1] != ' ')
            *to++ = ' ';
    }
    while (to > start && to[-1] == ' ')
        to--;
    return to;
}

size_t markup_plain(char *text, size_t len)
{
    const char *from = text, *end = text + len;
    bool html = is_html(text, end);
    const char *title = html ? find(text, end, "<title") : NULL;
    const char *open = title ? memchr(title, '>', (size_t)(end - title)) : NULL;
    if (open) {
        const char *close = find(open, end, "</title");
        char *to = put_plain(text, open + 1, close ? close : end, true);
        if (to > text)
            return (size_t)(to - text);
        from = open + 1; /* it is empty */
    }
    return (size_t)(put_plain(text, from, end, html) - text);
}
