#include "parse/feed_names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FEED_DEPTH \
    2 /* <rss> and <channel>, which may have a default namespace that is RSS's then */

struct feed_binding {
    char *prefix; /* "" is the default */
    enum feed_space space;
    bool known;
    size_t depth;
};

/* As they stand in feeds, which use older and misspelt ones; without what they end with: / or #. */
static const struct {
    const char *uri;
    enum feed_space space;
} spaces[] = {
    {"http://www.w3.org/2005/Atom", SPACE_ATOM},
    {"http://purl.org/atom/ns", SPACE_ATOM},
    {"http://purl.org/rss/1.0", SPACE_OWN},
    {"http://my.netscape.com/rdf/simple/0.9", SPACE_OWN},
    {"http://channel.netscape.com/rdf/simple/0.9", SPACE_OWN},
    {"http://backend.userland.com/rss2", SPACE_OWN},
    {"http://blogs.law.harvard.edu/tech/rss", SPACE_OWN},
    {"http://purl.org/dc/elements/1.1", SPACE_DC},
    {"http://purl.org/dc/elements/1.0", SPACE_DC},
    {"http://purl.org/dc/terms", SPACE_TERMS},
    {"http://purl.org/rss/1.0/modules/content", SPACE_CONTENT},
    {"http://www.w3.org/1999/02/22-rdf-syntax-ns", SPACE_RDF},
    {"http://www.itunes.com/dtds/podcast-1.0.dtd", SPACE_ITUNES},
    {"http://example.com/dtds/podcast-1.0.dtd", SPACE_ITUNES},
    {"http://search.yahoo.com/mrss", SPACE_MEDIA},
    {"http://video.search.yahoo.com/mrss", SPACE_MEDIA},
    {"http://www.w3.org/1999/xhtml", SPACE_XHTML},
    {"https://podcastindex.org/namespace/1.0", SPACE_PODCAST},
    {"https://github.com/Podcastindex-org/podcast-namespace/blob/main/docs/1.0.md", SPACE_PODCAST}};

/* What the usual prefixes mean where nobody has said it. */
static const struct {
    const char *prefix;
    enum feed_space space;
} usual[] = {{"atom", SPACE_ATOM},     {"a10", SPACE_ATOM},        {"dc", SPACE_DC},
             {"dcterms", SPACE_TERMS}, {"content", SPACE_CONTENT}, {"rdf", SPACE_RDF},
             {"itunes", SPACE_ITUNES}, {"media", SPACE_MEDIA},     {"podcast", SPACE_PODCAST},
             {"rss", SPACE_OWN},       {"xhtml", SPACE_XHTML}};

static void unbind(struct feed_names *n, size_t depth)
{
    while (n->count > 0 && n->bindings[n->count - 1].depth >= depth)
        free(n->bindings[--n->count].prefix);
}

void feed_names_deinit(struct feed_names *n)
{
    unbind(n, 0);
    buf_deinit(&n->open);
    free(n->bindings);
    n->bindings = NULL;
}

static enum feed_space space_of_uri(const char *uri, bool *ret_known)
{
    size_t len = strlen(uri);
    while (len > 0 && (uri[len - 1] == '/' || uri[len - 1] == '#'))
        len--;
    *ret_known = true;
    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++)
        if (strlen(spaces[i].uri) == len && strncasecmp(spaces[i].uri, uri, len) == 0)
            return spaces[i].space;
    *ret_known = false;
    return SPACE_OTHER;
}

static int bind(struct feed_names *n, size_t depth, const char *prefix, const char *uri)
{
    if (n->count == n->size) {
        size_t size = n->size ? 2 * n->size : 16;
        struct feed_binding *bindings = reallocarray(n->bindings, size, sizeof *bindings);
        if (!bindings)
            return -ENOMEM;
        n->bindings = bindings;
        n->size = size;
    }
    struct feed_binding *b = &n->bindings[n->count];
    b->prefix = strdup(prefix);
    b->depth = depth;
    b->space = space_of_uri(uri, &b->known);
    n->count += b->prefix != NULL;
    return b->prefix ? 0 : -ENOMEM;
}

int feed_names_enter(struct feed_names *n, size_t depth, const char *name, const char **pairs)
{
    int r = buf_put(&n->open, name, strlen(name) + 1);
    for (; r == 0 && pairs[0]; pairs += 2)
        if (strncmp(pairs[0], "xmlns", 5) == 0 && (pairs[0][5] == ':' || !pairs[0][5]))
            r = bind(n, depth, pairs[0][5] ? pairs[0] + 6 : "", pairs[1]);
    return r;
}

void feed_names_leave(struct feed_names *n, size_t depth, const char *name)
{
    unbind(n, depth);
    n->open.len -= strlen(name) + 1;
}

void feed_names_put_ends(const struct feed_names *n, struct buf *b)
{
    size_t end = n->open.len;
    while (end > 0) {
        size_t begin = end - 1;
        while (begin > 0 && n->open.data[begin - 1])
            begin--;
        buf_printf(b, "</%s>", n->open.data + begin);
        end = begin;
    }
}

const char *feed_names_local(const char *name)
{
    const char *colon = strchr(name, ':');
    return colon ? colon + 1 : name;
}

static const struct feed_binding *find(const struct feed_names *n, const char *prefix, size_t len)
{
    for (size_t i = n->count; i-- > 0;)
        if (strncmp(n->bindings[i].prefix, prefix, len) == 0 && !n->bindings[i].prefix[len])
            return &n->bindings[i];
    return NULL;
}

static enum feed_space usual_space(struct feed_names *n, const char *prefix, size_t len)
{
    n->unbound += !(len == 3 && strncmp(prefix, "xml", 3) == 0);
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        if (strlen(usual[i].prefix) == len && strncasecmp(usual[i].prefix, prefix, len) == 0)
            return usual[i].space;
    return SPACE_OTHER;
}

enum feed_space feed_names_space(struct feed_names *n, const char *name)
{
    const char *colon = strchr(name, ':');
    size_t len = colon ? (size_t)(colon - name) : 0;
    const struct feed_binding *b = find(n, name, len);
    if (len == 0 && n->any_default && b && b->depth <= FEED_DEPTH)
        return SPACE_OWN;
    if (b && b->known)
        return b->space;
    if (len > 0 && len == strlen(n->own) && strncmp(n->own, name, len) == 0)
        return SPACE_OWN;
    if (len == 0)
        return b && b->depth > FEED_DEPTH ? SPACE_UNNAMED : SPACE_OWN;
    return b ? SPACE_OTHER : usual_space(n, name, len);
}

void feed_names_own(struct feed_names *n, const char *root)
{
    size_t len = (size_t)(feed_names_local(root) - root);
    snprintf(n->own, sizeof n->own, "%.*s", len > 0 ? (int)len - 1 : 0, root);
}
