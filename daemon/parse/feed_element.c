#include "parse/feed_element.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define TEXT "text"
#define HTML "html"

static const struct feed_element nothing = {NULL, ELEMENT_NOTHING, NULL};

/* clang-format off */
static const struct feed_element rss[] = {
    {"title", FEED_TITLE, TEXT},        {"link", FEED_LINK, NULL},      {"description", FEED_SUMMARY, HTML},
    {"guid", ELEMENT_RSS_GUID, NULL},   {"pubDate", FEED_PUBLISHED, NULL}, {"author", FEED_AUTHOR, NULL},
    {"category", FEED_CATEGORY, NULL},  {"enclosure", ELEMENT_RSS_ENCLOSURE, NULL},
    {"abstract", FEED_SUMMARY, HTML},   {"a", ELEMENT_CDF_LINK, NULL},  {"body", FEED_CONTENT, HTML},
    {"fullitem", FEED_CONTENT, HTML},   {NULL, 0, NULL}};
static const struct feed_element atom[] = {
    {"title", FEED_TITLE, ""},          {"link", ELEMENT_ATOM_LINK, NULL}, {"summary", FEED_SUMMARY, ""},
    {"id", FEED_ID, NULL},              {"published", FEED_PUBLISHED, NULL}, {"issued", FEED_PUBLISHED, NULL},
    {"created", FEED_PUBLISHED, NULL},  {"updated", FEED_UPDATED, NULL}, {"modified", FEED_UPDATED, NULL},
    {"content", FEED_CONTENT, ""},      {"author", ELEMENT_ATOM_AUTHOR, NULL},
    {"category", ELEMENT_ATOM_CATEGORY, NULL}, {NULL, 0, NULL}};
static const struct feed_element dc[] = {
    {"creator", FEED_AUTHOR, NULL},     {"author", FEED_AUTHOR, NULL},  {"date", FEED_PUBLISHED, NULL},
    {"subject", FEED_CATEGORY, NULL},   {"title", FEED_TITLE, TEXT},    {"description", FEED_SUMMARY, HTML},
    {"identifier", FEED_ID, NULL},      {NULL, 0, NULL}};
static const struct feed_element terms[] = {
    {"issued", FEED_PUBLISHED, NULL},   {"created", FEED_PUBLISHED, NULL}, {"modified", FEED_UPDATED, NULL},
    {NULL, 0, NULL}};
static const struct feed_element content[] = {{"encoded", FEED_CONTENT, HTML}, {NULL, 0, NULL}};
static const struct feed_element xhtml[] = {
    {"body", FEED_CONTENT, "xhtml"},    {"div", FEED_CONTENT, "xhtml"}, {NULL, 0, NULL}};
static const struct feed_element itunes[] = {
    {"duration", FEED_DURATION, NULL},  {"image", ELEMENT_HREF_IMAGE, NULL}, {"explicit", FEED_EXPLICIT, NULL},
    {"season", FEED_SEASON, NULL},      {"episode", FEED_EPISODE, NULL}, {"episodeType", FEED_EPISODE_TYPE, NULL},
    {"title", FEED_OTHER_TITLE, TEXT},  {"author", FEED_OTHER_AUTHOR, NULL}, {"summary", FEED_OTHER_SUMMARY, TEXT},
    {"subtitle", FEED_OTHER_SUMMARY, TEXT}, {NULL, 0, NULL}};
static const struct feed_element media[] = {
    {"content", ELEMENT_MEDIA_CONTENT, NULL}, {"group", ELEMENT_GROUP, NULL},
    {"thumbnail", ELEMENT_URL_IMAGE, NULL},   {"title", FEED_OTHER_TITLE, ""},
    {"description", FEED_OTHER_SUMMARY, ""},  {"credit", FEED_OTHER_AUTHOR, NULL}, {NULL, 0, NULL}};
static const struct feed_element podcast[] = {
    {"transcript", ELEMENT_TRANSCRIPT, NULL}, {"chapters", ELEMENT_CHAPTERS, NULL},
    {"season", FEED_SEASON, NULL},            {"episode", FEED_EPISODE, NULL}, {NULL, 0, NULL}};
/* clang-format on */

static const struct feed_element *table(enum feed_kind kind, enum feed_space space)
{
    switch (space) {
    case SPACE_OWN:
    case SPACE_UNNAMED:
        return kind == FEED_ATOM ? atom : rss;
    case SPACE_ATOM:
        return atom;
    case SPACE_DC:
        return dc;
    case SPACE_TERMS:
        return terms;
    case SPACE_CONTENT:
        return content;
    case SPACE_ITUNES:
        return itunes;
    case SPACE_MEDIA:
        return media;
    case SPACE_PODCAST:
        return podcast;
    case SPACE_XHTML:
        return xhtml;
    default:
        return &nothing;
    }
}

static const struct feed_element *find(const struct feed_element *e, const char *local)
{
    for (; e->name; e++)
        if (strcasecmp(e->name, local) == 0)
            return e;
    return &nothing;
}

const struct feed_element *feed_element(enum feed_kind kind, enum feed_space space,
                                        const char *local)
{
    return find(table(kind, space), local);
}

const struct feed_element *feed_element_mixed(enum feed_kind kind, const char *local)
{
    const struct feed_element *e = find(kind == FEED_ATOM ? atom : rss, local);
    return e->name ? e : find(kind == FEED_ATOM ? rss : atom, local);
}

const char *feed_attribute(const char **pairs, const char *name)
{
    for (; pairs[0]; pairs += 2)
        if (strcasecmp(pairs[0], name) == 0)
            return pairs[1];
    return NULL;
}

bool feed_attribute_is(const char **pairs, const char *name, const char *word)
{
    const char *value = feed_attribute(pairs, name);
    size_t len = strlen(word);
    while (value && isspace((unsigned char)*value))
        value++;
    if (!value || strncasecmp(value, word, len) != 0)
        return false;
    for (value += len; isspace((unsigned char)*value); value++)
        ;
    return !*value;
}

void feed_element_type(const char **pairs, char ret[FEED_TYPE])
{
    static const char *const same[][2] = {
        {"", "text"},          {"text/plain", "text"},  {"plain", "text"},
        {"text/html", "html"}, {"text/xhtml", "xhtml"}, {"application/xhtml+xml", "xhtml"}};
    const char *type = feed_attribute(pairs, "type");
    size_t len = 0;
    while (type && isspace((unsigned char)*type))
        type++;
    for (; type && type[len] && !strchr("; \t\n", type[len]) && len + 1 < FEED_TYPE; len++)
        ret[len] = (char)tolower((unsigned char)type[len]);
    ret[len] = '\0';
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        if (strcmp(ret, same[i][0]) == 0)
            strcpy(ret, same[i][1]);
}

bool feed_type_is_xml(const char *type)
{
    size_t len = strlen(type);
    return strcmp(type, "xhtml") == 0 || (len > 4 && strcmp(type + len - 4, "+xml") == 0) ||
           (len > 4 && strcmp(type + len - 4, "/xml") == 0);
}

bool feed_type_is_binary(const char *type)
{
    return strchr(type, '/') && !feed_type_is_xml(type) && strncmp(type, "text/", 5) != 0;
}
