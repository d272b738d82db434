/* feed: a record for each entry of an RSS (0.9x, 1.0, 2.0) or Atom (1.0, 0.3) feed, in the order of the feed:
 *
 *     {"id":"…","title":"…","link":"…","published":"2026-11-21T22:30:00Z","updated":"…","author":"…",
 *      "summary":"…","content":"…","categories":["…"],"enclosures":[{"url":"…","type":"…","length":"…"}]}
 *
 * What the entry lacks is left out; of an entry without an id the link is the id. Dates are RFC 3339 in UTC; one
 * that cannot be read stands as it was in published_text or updated_text. Several authors are joined by ", ". Texts are as the feed has them, HTML
 * for the most part, without white space around; markup that is not escaped (Atom's xhtml) is written out again, without its namespaces. Links are not
 * resolved against a base. Dublin Core (dc:creator, dc:date, dc:subject), content:encoded and Atom's elements in
 * RSS are known; other extensions are passed over. */
#include "parse/registry.h"

#include "base/error.h"
#include "base/json_string.h"
#include "parse/feed_date.h"
#include "parse/options.h"
#include "parse/xml_run.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define MAX_RECORD ((size_t)64 << 20)
#define MAX_DEPTH  1024

enum kind { UNKNOWN, RSS, RDF, ATOM };

/* What is gathered of an entry, in the record's order. */
enum field {
    ID,
    TITLE,
    LINK,
    PUBLISHED,
    UPDATED,
    AUTHOR,
    SUMMARY,
    CONTENT,
    CATEGORY,
    ENCLOSURE,
    FIELDS,
    NOTHING = FIELDS, /* an element that is passed over */
    ATOM_LINK,        /* an element that is more than its text … */
    ATOM_AUTHOR,
    ATOM_CATEGORY,
    RSS_ENCLOSURE,
    RSS_GUID,
};

enum space {
    NO_SPACE,
    RSS_SPACE,
    ATOM_SPACE,
    DC_SPACE,
    TERMS_SPACE,
    CONTENT_SPACE,
    RDF_SPACE,
    OTHER
};

struct settings {
    size_t max_record, max_depth;
};

struct feed {
    struct settings set;
    struct xml_run xml;
    enum kind kind;
    size_t entry_depth; /* of the open entry; 0: none is */
    size_t field_depth; /* of the open child of it; 0: none is */
    int field;          /* that child */
    size_t taken_depth; /* ATOM_AUTHOR: of the open <name>; 0: none is */
    uint64_t line, offset;
    struct buf text;           /* of the open child */
    struct buf fields[FIELDS]; /* ID … CONTENT: text; CATEGORY, ENCLOSURE: JSON, with commas */
    struct buf record;
    bool markup;     /* the open child is XHTML: what is text in it gets its escapes back */
    bool link_is_id; /* an RSS guid that is a link */
};

/* --- options ------------------------------------------------------------------------------------ */

static void read_settings(struct options *o, struct settings *s)
{
    s->max_record = option_bytes(o, "max_record", 1, MAX_RECORD);
    s->max_depth = option_bytes(o, "max_depth", 4, MAX_DEPTH);
}

static int check(const char *(*get)(void *arg, const char *name), void *arg, char *message,
                 size_t size)
{
    struct options o;
    struct settings s;
    options_init(&o, get, arg, message, size);
    read_settings(&o, &s);
    return o.wrong;
}

/* --- names ---------------------------------------------------------------------------------------- */

static const char *local_name(const char *name)
{
    const char *separator = strchr(name, XML_SEPARATOR);
    return separator ? separator + 1 : name;
}

static enum space space_of(const char *name)
{
    static const struct {
        const char *uri;
        enum space space;
    } spaces[] = {{"http://www.w3.org/2005/Atom", ATOM_SPACE},
                  {"http://purl.org/atom/ns#", ATOM_SPACE},
                  {"http://purl.org/rss/1.0/", RSS_SPACE},
                  {"http://my.netscape.com/rdf/simple/0.9/", RSS_SPACE},
                  {"http://backend.userland.com/rss2", RSS_SPACE},
                  {"http://purl.org/dc/elements/1.1/", DC_SPACE},
                  {"http://purl.org/dc/terms/", TERMS_SPACE},
                  {"http://purl.org/rss/1.0/modules/content/", CONTENT_SPACE},
                  {"http://www.w3.org/1999/02/22-rdf-syntax-ns#", RDF_SPACE}};
    const char *separator = strchr(name, XML_SEPARATOR);
    size_t len = separator ? (size_t)(separator - name) : 0;
    if (!separator)
        return NO_SPACE;
    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++)
        if (strlen(spaces[i].uri) == len && memcmp(spaces[i].uri, name, len) == 0)
            return spaces[i].space;
    return OTHER;
}

struct known {
    const char *name;
    int field;
};

static int find(const struct known *known, const char *name)
{
    for (; known->name; known++)
        if (strcmp(known->name, name) == 0)
            return known->field;
    return NOTHING;
}

/* What a direct child of an entry is. */
static int field_of(const char *name)
{
    static const struct known rss[] = {{"title", TITLE},
                                       {"link", LINK},
                                       {"description", SUMMARY},
                                       {"guid", RSS_GUID},
                                       {"pubDate", PUBLISHED},
                                       {"author", AUTHOR},
                                       {"category", CATEGORY},
                                       {"enclosure", RSS_ENCLOSURE},
                                       {NULL, 0}};
    static const struct known atom[] = {{"title", TITLE},
                                        {"link", ATOM_LINK},
                                        {"summary", SUMMARY},
                                        {"id", ID},
                                        {"published", PUBLISHED},
                                        {"issued", PUBLISHED},
                                        {"updated", UPDATED},
                                        {"modified", UPDATED},
                                        {"content", CONTENT},
                                        {"author", ATOM_AUTHOR},
                                        {"category", ATOM_CATEGORY},
                                        {NULL, 0}};
    static const struct known dc[] = {{"creator", AUTHOR},      {"date", PUBLISHED},
                                      {"subject", CATEGORY},    {"title", TITLE},
                                      {"description", SUMMARY}, {NULL, 0}};
    static const struct known terms[] = {
        {"issued", PUBLISHED}, {"created", PUBLISHED}, {"modified", UPDATED}, {NULL, 0}};
    const char *local = local_name(name);
    switch (space_of(name)) {
    case NO_SPACE:
    case RSS_SPACE:
        return find(rss, local);
    case ATOM_SPACE:
        return find(atom, local);
    case DC_SPACE:
        return find(dc, local);
    case TERMS_SPACE:
        return find(terms, local);
    case CONTENT_SPACE:
        return strcmp(local, "encoded") == 0 ? CONTENT : NOTHING;
    default:
        return NOTHING;
    }
}

/* Of an element without a prefix in front of the name, as nearly all are; NULL if there is none. */
static const char *attribute(const XML_Char **pairs, const char *name)
{
    for (; pairs[0]; pairs += 2)
        if (strcmp(pairs[0], name) == 0)
            return pairs[1];
    return NULL;
}

/* --- gathering ------------------------------------------------------------------------------------ */

static void fail_memory(struct feed *f)
{
    xml_run_fail(&f->xml, KIND_RESOURCES, 0, PENSTOCK_NO_OFFSET, "out of memory");
}

static void check_size(struct feed *f)
{
    struct error why;
    size_t size = f->text.len;
    bool failed = f->text.failed;
    for (size_t i = 0; i < FIELDS; i++) {
        size += f->fields[i].len;
        failed |= f->fields[i].failed;
    }
    if (failed) {
        fail_memory(f);
    } else if (size > f->set.max_record) {
        error_set(&why, 0, "the entry has more than %zu bytes (option max_record)",
                  f->set.max_record);
        xml_run_fail(&f->xml, KIND_LIMIT_EXCEEDED, f->line, f->offset, why.text);
    }
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void trim(const char **text, size_t *len)
{
    while (*len > 0 && is_space((*text)[*len - 1]))
        (*len)--;
    while (*len > 0 && is_space(**text)) {
        (*text)++;
        (*len)--;
    }
}

/* Of a field that comes twice the first counts; authors are joined. */
static void keep(struct feed *f, enum field field, const char *text, size_t len)
{
    struct buf *b = &f->fields[field];
    trim(&text, &len);
    if (len == 0 || (b->len > 0 && field != AUTHOR))
        return;
    if (b->len > 0)
        buf_puts(b, ", ");
    buf_put(b, text, len);
}

static void keep_string(struct feed *f, enum field field, const char *text, size_t len)
{
    struct buf *b = &f->fields[field];
    trim(&text, &len);
    if (len == 0)
        return;
    if (b->len > 0)
        buf_putc(b, ',');
    json_put_string(b, text, len);
}

static void keep_enclosure(struct feed *f, const char *url, const XML_Char **pairs)
{
    static const char *const names[] = {"type", "length"};
    struct buf *b = &f->fields[ENCLOSURE];
    if (!url)
        return;
    buf_puts(b, b->len > 0 ? ",{\"url\":" : "{\"url\":");
    json_put_string(b, url, strlen(url));
    for (size_t i = 0; i < 2; i++) {
        const char *value = attribute(pairs, names[i]);
        if (!value || !value[0])
            continue;
        buf_printf(b, ",\"%s\":", names[i]);
        json_put_string(b, value, strlen(value));
    }
    buf_putc(b, '}');
}

static void keep_atom_link(struct feed *f, const XML_Char **pairs)
{
    const char *rel = attribute(pairs, "rel"), *href = attribute(pairs, "href");
    if (rel && strcmp(rel, "enclosure") == 0)
        keep_enclosure(f, href, pairs);
    else if (href && (!rel || strcmp(rel, "alternate") == 0))
        keep(f, LINK, href, strlen(href));
}

/* --- markup within a text ------------------------------------------------------------------------- */

static void put_escaped(struct buf *b, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '&')
            buf_puts(b, "&amp;");
        else if (text[i] == '<')
            buf_puts(b, "&lt;");
        else if (text[i] == '>')
            buf_puts(b, "&gt;");
        else if (text[i] == '"')
            buf_puts(b, "&quot;");
        else
            buf_putc(b, text[i]);
    }
}

static void put_tag(struct buf *b, const char *name, const XML_Char **pairs)
{
    buf_putc(b, '<');
    buf_puts(b, local_name(name));
    for (; pairs[0]; pairs += 2) {
        buf_printf(b, " %s=\"", local_name(pairs[0]));
        put_escaped(b, pairs[1], strlen(pairs[1]));
        buf_putc(b, '"');
    }
    buf_putc(b, '>');
}

/* --- an entry ------------------------------------------------------------------------------------- */

static void put_member(struct buf *b, const char *name)
{
    buf_printf(b, "%s\"%s\":", b->len > 1 ? "," : "", name);
}

static void put_text(struct feed *f, const char *name, enum field field)
{
    const struct buf *text = &f->fields[field];
    if (text->len == 0)
        return;
    put_member(&f->record, name);
    json_put_string(&f->record, text->data, text->len);
}

static void put_date(struct feed *f, const char *name, const char *raw_name, enum field field)
{
    const struct buf *text = &f->fields[field];
    char date[FEED_DATE_SIZE];
    if (text->len == 0)
        return;
    bool read = feed_date(text->data, text->len, date);
    put_member(&f->record, read ? name : raw_name);
    if (read)
        buf_printf(&f->record, "\"%s\"", date);
    else
        json_put_string(&f->record, text->data, text->len);
}

static void put_list(struct feed *f, const char *name, enum field field)
{
    const struct buf *list = &f->fields[field];
    if (list->len == 0)
        return;
    put_member(&f->record, name);
    buf_putc(&f->record, '[');
    buf_put(&f->record, list->data, list->len);
    buf_putc(&f->record, ']');
}

/* An RSS guid is a link unless it says otherwise, and a link is as good as an id. */
static void fill_in(struct feed *f)
{
    struct buf *id = &f->fields[ID], *link = &f->fields[LINK];
    if (link->len == 0 && f->link_is_id && id->len > 0)
        buf_put(link, id->data, id->len);
    else if (id->len == 0 && link->len > 0)
        buf_put(id, link->data, link->len);
}

static void end_entry(struct feed *f)
{
    struct buf *b = &f->record;
    fill_in(f);
    buf_reset(b);
    buf_putc(b, '{');
    put_text(f, "id", ID);
    put_text(f, "title", TITLE);
    put_text(f, "link", LINK);
    put_date(f, "published", "published_text", PUBLISHED);
    put_date(f, "updated", "updated_text", UPDATED);
    put_text(f, "author", AUTHOR);
    put_text(f, "summary", SUMMARY);
    put_text(f, "content", CONTENT);
    put_list(f, "categories", CATEGORY);
    put_list(f, "enclosures", ENCLOSURE);
    buf_putc(b, '}');
    f->entry_depth = 0;
    check_size(f);
    if (b->failed)
        fail_memory(f);
    if (!f->xml.failed && parse_task_emit(f->xml.run, b->data, b->len) < 0)
        xml_run_stop(&f->xml);
}

static void begin_entry(struct feed *f, const XML_Char **pairs)
{
    f->entry_depth = f->xml.depth;
    f->line = xml_run_line(&f->xml);
    f->offset = xml_run_offset(&f->xml);
    f->link_is_id = false;
    buf_reset(&f->text);
    for (size_t i = 0; i < FIELDS; i++)
        buf_reset(&f->fields[i]);
    for (; pairs[0]; pairs += 2)
        if (space_of(pairs[0]) == RDF_SPACE && strcmp(local_name(pairs[0]), "about") == 0)
            keep(f, ID, pairs[1], strlen(pairs[1]));
}

static void begin_field(struct feed *f, const char *name, const XML_Char **pairs)
{
    const char *value;
    f->field_depth = f->xml.depth;
    f->field = field_of(name);
    f->taken_depth = 0;
    value = attribute(pairs, "type");
    f->markup = value && strcmp(value, "xhtml") == 0;
    buf_reset(&f->text);
    switch (f->field) {
    case ATOM_LINK:
        keep_atom_link(f, pairs);
        break;
    case ATOM_CATEGORY:
        value = attribute(pairs, "term");
        if (value)
            keep_string(f, CATEGORY, value, strlen(value));
        break;
    case RSS_ENCLOSURE:
        keep_enclosure(f, attribute(pairs, "url"), pairs);
        break;
    case RSS_GUID:
        value = attribute(pairs, "isPermaLink");
        f->link_is_id = !value || strcmp(value, "false") != 0;
        break;
    default:
        break;
    }
}

static void end_field(struct feed *f)
{
    const struct buf *text = &f->text;
    if (f->field == RSS_GUID)
        keep(f, ID, text->data, text->len);
    else if (f->field == ATOM_AUTHOR)
        keep(f, AUTHOR, text->data, text->len);
    else if (f->field == CATEGORY)
        keep_string(f, CATEGORY, text->data, text->len);
    else if (f->field < FIELDS)
        keep(f, (enum field)f->field, text->data, text->len);
    buf_reset(&f->text);
    f->field_depth = 0;
}

/* --- handlers ------------------------------------------------------------------------------------- */

static void begin_root(struct feed *f, const char *name)
{
    const char *local = local_name(name);
    enum space space = space_of(name);
    struct error why;
    if (space == ATOM_SPACE && strcmp(local, "feed") == 0)
        f->kind = ATOM;
    else if (space == RDF_SPACE && strcmp(local, "RDF") == 0)
        f->kind = RDF;
    else if (strcmp(local, "rss") == 0)
        f->kind = RSS;
    if (f->kind != UNKNOWN)
        return;
    error_set(&why, 0, "this is no feed: the document's element is <%.64s>", local);
    xml_run_fail(&f->xml, KIND_PARSER_FAILED, xml_run_line(&f->xml), xml_run_offset(&f->xml),
                 why.text);
}

static bool is_entry(const struct feed *f, const char *name)
{
    enum space space = space_of(name);
    size_t depth = f->xml.depth;
    if (f->kind == ATOM)
        return depth == 2 && space == ATOM_SPACE && strcmp(local_name(name), "entry") == 0;
    return depth <= 3 && (space == NO_SPACE || space == RSS_SPACE) &&
           strcmp(local_name(name), "item") == 0;
}

/* Of an Atom author the name counts, and nothing else of it; other fields keep their markup. */
static bool keeps_text(const struct feed *f)
{
    if (f->field_depth == 0 || f->field == NOTHING)
        return false;
    return f->field != ATOM_AUTHOR || f->taken_depth > 0;
}

static void begin_within(struct feed *f, const char *name, const XML_Char **pairs)
{
    if (f->field == ATOM_AUTHOR) {
        if (f->taken_depth == 0 && strcmp(local_name(name), "name") == 0)
            f->taken_depth = f->xml.depth;
    } else if (keeps_text(f)) {
        put_tag(&f->text, name, pairs);
    }
}

static void end_within(struct feed *f, const char *name)
{
    if (f->taken_depth == f->xml.depth)
        f->taken_depth = 0;
    else if (f->field != ATOM_AUTHOR && keeps_text(f))
        buf_printf(&f->text, "</%s>", local_name(name));
}

static void XMLCALL on_start(void *arg, const XML_Char *name, const XML_Char **pairs)
{
    struct feed *f = arg;
    if (!xml_run_enter(&f->xml))
        return;
    if (f->kind == UNKNOWN)
        begin_root(f, name);
    else if (f->entry_depth == 0 && is_entry(f, name))
        begin_entry(f, pairs);
    else if (f->entry_depth > 0 && f->field_depth == 0)
        begin_field(f, name, pairs);
    else if (f->field_depth > 0)
        begin_within(f, name, pairs);
    check_size(f);
}

static void XMLCALL on_end(void *arg, const XML_Char *name)
{
    struct feed *f = arg;
    if (f->xml.failed)
        return;
    if (f->field_depth == f->xml.depth)
        end_field(f);
    else if (f->field_depth > 0)
        end_within(f, name);
    else if (f->entry_depth == f->xml.depth)
        end_entry(f);
    xml_run_leave(&f->xml);
    check_size(f);
}

static void XMLCALL on_text(void *arg, const XML_Char *text, int len)
{
    struct feed *f = arg;
    if (f->xml.failed || !keeps_text(f))
        return;
    if (f->markup)
        put_escaped(&f->text, text, (size_t)len);
    else
        buf_put(&f->text, text, (size_t)len);
    check_size(f);
}

static int parse(FILE *body, struct penstock_run *run)
{
    struct feed f = {0};
    struct options o;
    options_of_run(&o, run);
    read_settings(&o, &f.set);
    int r = xml_run_init(&f.xml, run, true, f.set.max_record, f.set.max_depth, &f);
    if (r == 0) {
        XML_SetElementHandler(f.xml.expat, on_start, on_end);
        XML_SetCharacterDataHandler(f.xml.expat, on_text);
        r = xml_run_all(&f.xml, body);
    } else {
        parse_task_fail(run, KIND_RESOURCES, 0, PENSTOCK_NO_OFFSET, "out of memory");
    }
    xml_run_deinit(&f.xml);
    for (size_t i = 0; i < FIELDS; i++)
        buf_deinit(&f.fields[i]);
    buf_deinit(&f.text);
    buf_deinit(&f.record);
    return r < 0 ? PENSTOCK_FAILED : PENSTOCK_OK;
}

static const struct penstock_option options[] = {
    {"max_record", "1M", "bytes of an entry's texts at most; more fail the job (up to 64M)"},
    {"max_depth", "128", "elements within one another; more fail the job (up to 1024)"},
    {NULL, NULL, NULL},
};

const struct penstock_parser parser_feed = {
    .abi = PENSTOCK_PARSER_ABI,
    .size = sizeof(struct penstock_parser),
    .name = "feed",
    .summary = "a record for each entry of an RSS or Atom feed",
    .options = options,
    .check = check,
    .parse = parse,
    .flags = PENSTOCK_PARSER_TEXT | PENSTOCK_PARSER_DECLARES,
};
