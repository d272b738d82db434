/* feed: a record for each entry of an RSS (0.9x, 1.0, 2.0), Atom (1.0, 0.3), CDF or JSON Feed (1.0,
 * 1.1), in the order of the feed: parse/feed_entry.h says what is in it.
 *
 * An entry without an id has its link as its id. Dates are RFC 3339 in UTC; one that cannot be read
 * stands as it was in published_text or updated_text. Several authors are joined by ", ". Texts say
 * what they are in title_type, summary_type and content_type: `text`, `html`, `xhtml`, or the media
 * type that Atom gives. RSS's titles are text, its descriptions html. Where there is markup that is
 * not escaped the text is markup, with its escapes, and its type is xhtml, or Atom's media type of
 * XML. base64 that is text is read, other stays and says so. Links are not resolved against a base.
 * `feed` has the feed's own title and link, as far as they stand before the entry.
 *
 * Known are Dublin Core, content:encoded, Atom's elements in RSS, and of itunes, media and podcast
 * what listeners need; other extensions are passed over. RSS is RSS in any namespace that its root
 * has, and an element without a prefix is the format's in a namespace that nobody knows, unless
 * another is in its place. An <item> or <entry> is one of either format, however deep it stands.
 *
 * What feeds do to XML is mended and counted as `repaired` (parse/feed_mend.h, prefixes that are
 * not declared, and elements that are still open at the document's end), unless strict=yes. HTML's
 * names of characters are known. */
#include "parse/registry.h"

#include "base/error.h"
#include "parse/block.h"
#include "parse/feed_element.h"
#include "parse/feed_entry.h"
#include "parse/feed_json.h"
#include "parse/feed_markup.h"
#include "parse/feed_mend.h"
#include "parse/feed_names.h"
#include "parse/options.h"
#include "parse/xml_run.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define MAX_RECORD ((size_t)64 << 20)
#define MAX_DEPTH  1024

struct settings {
    size_t max_record, max_depth;
    bool strict;
};

struct feed {
    struct settings set;
    struct xml_run xml;
    struct feed_mend mend;
    struct feed_names names;
    enum feed_kind kind;
    enum feed_kind entry_kind; /* of the entry that is open: Atom's within RSS, or the other way */
    size_t channel_depth;      /* of what has the feed's own title and link; 0: it has not come */
    size_t entry_depth;        /* of the open entry; 0: none is */
    uint64_t line, offset;
    struct feed_entry entry;
    struct feed_about about;
    struct buf record;
    /* The open child of the entry, or of the channel. */
    size_t field_depth; /* 0: none is */
    int field;
    size_t taken_depth; /* ELEMENT_ATOM_AUTHOR: of the open <name>; 0: none is */
    struct buf text;
    char type[FEED_TYPE];
    bool markup;    /* what is text in it gets its escapes back */
    bool qualified; /* and names keep their prefixes */
    bool base64;
};

/* --- options ---------------------------------------------------------------------------------- */

static void read_settings(struct options *o, void *ret_settings)
{
    struct settings *s = ret_settings;
    s->strict = option_yes(o, "strict");
    s->max_record = option_bytes(o, "max_record", 1, MAX_RECORD);
    s->max_depth = option_bytes(o, "max_depth", 4, MAX_DEPTH);
}

static int check(const char *(*get)(void *arg, const char *name), void *arg, char *message,
                 size_t size)
{
    struct settings s;
    return options_check(get, arg, message, size, read_settings, &s);
}

/* --- failing ---------------------------------------------------------------------------------- */

static void fail_memory(struct feed *f)
{
    xml_state_fail(&f->xml, KIND_RESOURCES, 0, PENSTOCK_NO_OFFSET, "out of memory");
}

static void check_size(struct feed *f)
{
    struct error why;
    bool failed;
    size_t size = feed_entry_size(&f->entry, &failed) + f->text.len;
    if (failed || f->text.failed || f->about.title.failed || f->about.link.failed) {
        fail_memory(f);
    } else if (size > f->set.max_record) {
        error_set(&why, 0, "the entry has more than %zu bytes (option max_record)",
                  f->set.max_record);
        xml_state_fail(&f->xml, KIND_LIMIT_EXCEEDED, f->line, f->offset, why.text);
    }
}

/* --- a field ---------------------------------------------------------------------------------- */

static void keep(struct feed *f, int field, const char *text, size_t len, const char *type)
{
    if (text && f->entry_depth > 0)
        feed_entry_keep(&f->entry, (enum feed_field)field, text, len, type);
}

static void keep_value(struct feed *f, int field, const char *text)
{
    keep(f, field, text, text ? strlen(text) : 0, NULL);
}

static void keep_about(struct buf *b, const char *text, size_t len)
{
    struct feed_entry scratch = {0};
    feed_entry_keep(&scratch, FEED_TITLE, text, len, NULL);
    if (b->len == 0)
        buf_put(b, scratch.fields[FEED_TITLE].data, scratch.fields[FEED_TITLE].len);
    b->failed |= scratch.fields[FEED_TITLE].failed;
    feed_entry_deinit(&scratch);
}

static void keep_file(struct feed *f, enum feed_field field, const char **pairs, const char *url)
{
    const char *length = feed_attribute(pairs, "length");
    struct feed_file file = {.url = feed_attribute(pairs, url),
                             .type = feed_attribute(pairs, "type"),
                             .length = length ? length : feed_attribute(pairs, "fileSize"),
                             .duration = feed_attribute(pairs, "duration")};
    if (f->entry_depth > 0)
        feed_entry_keep_file(&f->entry, field, &file);
}

static void keep_atom_link(struct feed *f, const char **pairs)
{
    const char *rel = feed_attribute(pairs, "rel"), *href = feed_attribute(pairs, "href");
    if (rel && strcasecmp(rel, "enclosure") == 0)
        keep_file(f, FEED_ENCLOSURE, pairs, "href");
    else if (!href || (rel && strcasecmp(rel, "alternate") != 0))
        return;
    else if (f->entry_depth > 0)
        keep_value(f, FEED_LINK, href);
    else
        keep_about(&f->about.link, href, strlen(href));
}

/* RSS's link is its text; one that is written as Atom has it counts if there is none. */
static void keep_rss_link(struct feed *f, const char **pairs)
{
    bool weakly = f->entry.weakly;
    f->entry.weakly = true;
    keep_atom_link(f, pairs);
    f->entry.weakly = weakly;
}

/* What is in the element's attributes. */
static void take_attributes(struct feed *f, const char **pairs)
{
    const char *value;
    switch (f->field) {
    case FEED_LINK:
        keep_rss_link(f, pairs);
        break;
    case ELEMENT_ATOM_LINK:
        keep_atom_link(f, pairs);
        f->field = feed_attribute(pairs, "href") ? f->field : FEED_LINK;
        break;
    case ELEMENT_ATOM_CATEGORY:
        value = feed_attribute(pairs, "term");
        if (value && f->entry_depth > 0)
            feed_entry_keep_category(&f->entry, value, strlen(value));
        break;
    case ELEMENT_RSS_ENCLOSURE:
    case ELEMENT_MEDIA_CONTENT:
        keep_file(f, FEED_ENCLOSURE, pairs, "url");
        break;
    case ELEMENT_TRANSCRIPT:
        keep_file(f, FEED_TRANSCRIPT, pairs, "url");
        break;
    case ELEMENT_CHAPTERS:
        keep_file(f, FEED_CHAPTERS, pairs, "url");
        break;
    case ELEMENT_HREF_IMAGE:
        keep_value(f, FEED_IMAGE, feed_attribute(pairs, "href"));
        break;
    case ELEMENT_URL_IMAGE:
        keep_value(f, FEED_IMAGE, feed_attribute(pairs, "url"));
        break;
    case ELEMENT_CDF_LINK:
        keep_value(f, FEED_LINK, feed_attribute(pairs, "href"));
        break;
    case ELEMENT_RSS_GUID:
        f->entry.link_is_id = !feed_attribute_is(pairs, "isPermaLink", "false");
        break;
    case FEED_CONTENT:
        value = feed_attribute(pairs, "src");
        keep(f, FEED_CONTENT_SRC, value, value ? strlen(value) : 0, f->type);
        break;
    default:
        break;
    }
}

/* Of RSS's entry in an Atom feed the names without a prefix are RSS's, and the other way. */
static const struct feed_element *find_element(const struct feed *f, enum feed_space space,
                                               const char *name)
{
    bool own = space == SPACE_OWN || space == SPACE_UNNAMED || space == SPACE_ATOM;
    bool mixed = f->entry_depth > 0 && (f->kind == FEED_ATOM) != (f->entry_kind == FEED_ATOM);
    if (mixed && own)
        return feed_element_mixed(f->entry_kind, feed_names_local(name));
    return feed_element(f->kind, space, feed_names_local(name));
}

static void begin_field(struct feed *f, enum feed_space space, const char *name, const char **pairs)
{
    const struct feed_element *e = find_element(f, space, name);
    const char *mode = feed_attribute(pairs, "mode");
    f->field_depth = f->xml.depth;
    f->field = e->field;
    f->entry.weakly = f->entry_depth > 0 && space == SPACE_UNNAMED;
    f->taken_depth = 0;
    f->type[0] = '\0';
    buf_reset(&f->text);
    if (e->type && e->type[0])
        strcpy(f->type, e->type);
    else if (e->type)
        feed_element_type(pairs, f->type);
    f->markup = feed_type_is_xml(f->type);
    f->qualified = strchr(f->type, '/');
    f->base64 = (mode && strcasecmp(mode, "base64") == 0) ||
                (feed_type_is_binary(f->type) && !(mode && strcasecmp(mode, "escaped") == 0));
    take_attributes(f, pairs);
    if (f->field == ELEMENT_MEDIA_CONTENT || f->field == ELEMENT_GROUP)
        f->field_depth = 0; /* what is in it is the entry's */
}

static void keep_text(struct feed *f)
{
    const struct buf *text = &f->text;
    if (f->base64 && f->field <= FEED_CONTENT && text->len > 0 && !feed_markup_decode(&f->text) &&
        f->field == FEED_CONTENT)
        f->entry.base64 = true;
    if (f->field == ELEMENT_RSS_GUID)
        keep(f, FEED_ID, text->data, text->len, NULL);
    else if (f->field == ELEMENT_ATOM_AUTHOR)
        keep(f, FEED_AUTHOR, text->data, text->len, NULL);
    else if (f->field == FEED_CATEGORY && text->len > 0)
        feed_entry_keep_category(&f->entry, text->data, text->len);
    else if (f->field < FEED_CATEGORY)
        keep(f, f->field, text->data, text->len, f->type);
}

static void end_field(struct feed *f)
{
    if (f->entry_depth > 0)
        keep_text(f);
    else if (f->field == FEED_TITLE && f->text.len > 0)
        keep_about(&f->about.title, f->text.data, f->text.len);
    else if (f->field == FEED_LINK && f->text.len > 0)
        keep_about(&f->about.link, f->text.data, f->text.len);
    buf_reset(&f->text);
    f->field_depth = 0;
}

/* Only the name of an Atom author counts; other fields keep their markup. */
static bool keeps_text(const struct feed *f)
{
    if (f->field_depth == 0 || f->field == ELEMENT_NOTHING)
        return false;
    return f->field != ELEMENT_ATOM_AUTHOR || f->taken_depth > 0;
}

static void begin_within(struct feed *f, const char *name, const char **pairs)
{
    if (f->field == ELEMENT_ATOM_AUTHOR) {
        if (f->taken_depth == 0 && strcasecmp(feed_names_local(name), "name") == 0)
            f->taken_depth = f->xml.depth;
        return;
    }
    if (!keeps_text(f))
        return;
    if (!f->markup) {
        feed_markup_escape_all(&f->text);
        f->markup = true;
        if (f->type[0])
            strcpy(f->type, "xhtml");
    }
    feed_markup_begin(&f->text, name, pairs, f->qualified);
}

static void end_within(struct feed *f, const char *name)
{
    if (f->taken_depth == f->xml.depth)
        f->taken_depth = 0;
    else if (f->field != ELEMENT_ATOM_AUTHOR && keeps_text(f))
        feed_markup_end(&f->text, name, XML_GetCurrentByteCount(f->xml.expat) == 0, f->qualified);
}

/* --- an entry --------------------------------------------------------------------------------- */

/* What was open of the feed itself ends here: an entry is one wherever it stands. */
static void begin_entry(struct feed *f, const char *name, const char **pairs)
{
    if (f->field_depth > 0)
        end_field(f);
    f->entry_kind = strcasecmp(feed_names_local(name), "item") != 0 ? FEED_ATOM
                    : f->kind == FEED_ATOM                          ? FEED_RSS
                                                                    : f->kind;
    f->entry_depth = f->xml.depth;
    f->line = xml_state_line(&f->xml);
    f->offset = xml_state_offset(&f->xml);
    feed_entry_reset(&f->entry);
    buf_reset(&f->text);
    if (f->entry_kind == FEED_CDF) {
        keep_value(f, FEED_LINK, feed_attribute(pairs, "href"));
        keep_value(f, FEED_UPDATED, feed_attribute(pairs, "lastmod"));
    }
    for (; pairs[0]; pairs += 2)
        if (strchr(pairs[0], ':') && strcmp(feed_names_local(pairs[0]), "about") == 0 &&
            feed_names_space(&f->names, pairs[0]) == SPACE_RDF)
            keep_value(f, FEED_ID, pairs[1]);
}

static void end_entry(struct feed *f)
{
    f->entry_depth = 0;
    check_size(f);
    feed_entry_put(&f->entry, &f->about, &f->record);
    if (f->record.failed)
        fail_memory(f);
    feed_entry_reset(&f->entry);
    if (!f->xml.failed && parse_task_emit(f->xml.run, f->record.data, f->record.len) < 0)
        xml_state_stop(&f->xml);
}

/* Anywhere in the feed but in another; with RSS's or Atom's prefix, or with none. */
static bool is_entry(struct feed *f, const char *name)
{
    const char *local = feed_names_local(name);
    if (f->entry_depth > 0 || (strcasecmp(local, "item") != 0 && strcasecmp(local, "entry") != 0))
        return false;
    if (local == name)
        return true;
    uint64_t unbound = f->names.unbound;
    enum feed_space space = feed_names_space(&f->names, name);
    bool entry = space == SPACE_OWN || space == SPACE_ATOM;
    f->names.unbound = entry ? f->names.unbound : unbound;
    return entry;
}

/* --- handlers --------------------------------------------------------------------------------- */

static void begin_root(struct feed *f, const char *name, const char **pairs)
{
    const char *local = feed_names_local(name);
    struct error why;
    feed_names_own(&f->names, name);
    if (strcmp(local, "feed") == 0 || strcmp(local, "entry") == 0)
        f->kind = FEED_ATOM;
    else if (strcmp(local, "RDF") == 0)
        f->kind = FEED_RDF;
    else if (strcasecmp(local, "rss") == 0)
        f->kind = FEED_RSS;
    else if (strcasecmp(local, "channel") == 0)
        f->kind = FEED_CDF;
    f->names.any_default = f->kind == FEED_RSS || f->kind == FEED_RDF;
    f->channel_depth = f->kind == FEED_ATOM || f->kind == FEED_CDF;
    const char *href = f->kind == FEED_CDF ? feed_attribute(pairs, "href") : NULL;
    if (href)
        keep_about(&f->about.link, href, strlen(href));
    if (f->kind != FEED_UNKNOWN)
        return;
    error_set(&why, 0, "this is no feed: the document's element is <%.64s>", local);
    xml_state_fail(&f->xml, KIND_PARSER_FAILED, xml_state_line(&f->xml), xml_state_offset(&f->xml),
                   why.text);
}

/* Outside of entries. */
static void begin_channel(struct feed *f, enum feed_space space, const char *name,
                          const char **pairs)
{
    if (f->channel_depth == 0 && strcasecmp(feed_names_local(name), "channel") == 0)
        f->channel_depth = f->xml.depth;
    else if (f->channel_depth > 0 && f->xml.depth == f->channel_depth + 1)
        begin_field(f, space, name, pairs);
}

static void check_prefix(struct feed *f, const char *name)
{
    struct error why;
    if (!f->set.strict || f->names.unbound == 0)
        return;
    error_set(&why, 0, "the prefix of <%.64s> is not declared (option strict)", name);
    xml_state_fail(&f->xml, KIND_PARSER_FAILED, xml_state_line(&f->xml), xml_state_offset(&f->xml),
                   why.text);
}

static void begin_element(struct feed *f, const char *name, const char **pairs)
{
    if (is_entry(f, name)) {
        begin_entry(f, name, pairs);
    } else if (f->field_depth > 0) {
        begin_within(f, name, pairs);
        return;
    } else {
        enum feed_space space = feed_names_space(&f->names, name);
        if (f->entry_depth > 0)
            begin_field(f, space, name, pairs);
        else
            begin_channel(f, space, name, pairs);
    }
    check_prefix(f, name);
}

static void XMLCALL on_start(void *arg, const XML_Char *name, const XML_Char **pairs)
{
    struct feed *f = arg;
    if (!xml_run_enter(&f->xml))
        return;
    if (feed_names_enter(&f->names, f->xml.depth, name, pairs) < 0)
        fail_memory(f);
    if (f->kind == FEED_UNKNOWN)
        begin_root(f, name, pairs);
    if (!f->xml.failed)
        begin_element(f, name, pairs);
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
    feed_names_leave(&f->names, f->xml.depth, name);
    xml_run_leave(&f->xml);
    check_size(f);
}

static void XMLCALL on_text(void *arg, const XML_Char *text, int len)
{
    struct feed *f = arg;
    if (f->xml.failed || !keeps_text(f))
        return;
    if (f->markup)
        feed_markup_escape(&f->text, text, (size_t)len);
    else
        buf_put(&f->text, text, (size_t)len);
    if (f->text.failed || f->text.len > f->set.max_record) /* the sum is looked at when it ends */
        check_size(f);
}

/* An entity that nobody has declared: readers show it as it stands. */
static void on_skipped(void *arg, const char *name)
{
    struct feed *f = arg;
    on_text(arg, "&", 1);
    on_text(arg, name, (int)strlen(name));
    on_text(arg, ";", 1);
    f->mend.repaired++;
}

/* --- the body --------------------------------------------------------------------------------- */

static int take_xml(struct feed *f, const char *data, size_t len, bool last)
{
    if (feed_mend_take(&f->mend, &data, &len, last) < 0) {
        fail_memory(f);
        return -ENOMEM;
    }
    f->xml.first_line = f->mend.lines;
    return len > 0 ? xml_run_take(&f->xml, data, len) : 0;
}

/* A text that is open at the document's end is cut, and so is an entry without anything. */
static bool is_cut(const struct feed *f)
{
    bool failed;
    return f->mend.state != MEND_TEXT || f->field_depth > 0 ||
           (f->entry_depth > 0 && feed_entry_size(&f->entry, &failed) == 0);
}

/* Other elements that nobody has ended are ended there. */
static int end_open(struct feed *f)
{
    struct buf ends = BUF_INIT;
    if (f->set.strict || f->xml.depth == 0 || is_cut(f))
        return 0;
    f->mend.repaired += f->xml.depth;
    feed_names_put_ends(&f->names, &ends);
    if (ends.failed)
        fail_memory(f);
    int r = ends.failed ? -ENOMEM : xml_run_take(&f->xml, ends.data, ends.len);
    buf_deinit(&ends);
    return r;
}

/* Does JSON come, or XML? -1: nobody knows yet, as only white space has come, which is both. */
static int is_json(const struct block *block)
{
    for (size_t i = 0; i < block->len; i++)
        if (!memchr(" \t\r\n", block->data[i], 4))
            return block->data[i] == '{';
    return -1;
}

static int take_all(struct feed *f, struct feed_json *json, FILE *body)
{
    struct block block;
    int kind = -1, r = 0;
    block_init(&block, body);
    while (r >= 0 && block_next(&block)) {
        if (kind < 0)
            kind = is_json(&block);
        if (kind != 0)
            r = feed_json_take(json, block.data, block.len);
        if (r >= 0 && kind <= 0)
            r = take_xml(f, block.data, block.len, false);
    }
    if (r < 0)
        return r;
    if (ferror(body))
        return -EIO;
    if (kind > 0)
        return feed_json_end(json);
    r = take_xml(f, "", 0, true);
    if (r >= 0)
        r = end_open(f);
    return r < 0 ? r : xml_run_end(&f->xml);
}

static void feed_deinit(struct feed *f)
{
    xml_run_deinit(&f->xml);
    feed_mend_deinit(&f->mend);
    feed_names_deinit(&f->names);
    feed_entry_deinit(&f->entry);
    buf_deinit(&f->about.title);
    buf_deinit(&f->about.link);
    buf_deinit(&f->text);
    buf_deinit(&f->record);
}

static int parse(FILE *body, struct penstock_run *run)
{
    struct feed f = {0};
    options_of_run(run, read_settings, &f.set);
    feed_mend_init(&f.mend, f.set.strict);
    struct feed_json *json = feed_json_new(run, f.set.max_record, f.set.max_depth);
    int r = json ? xml_run_init(&f.xml, run, f.set.max_record, f.set.max_depth, &f) : -ENOMEM;
    if (r == 0) {
        XML_SetElementHandler(f.xml.expat, on_start, on_end);
        XML_SetCharacterDataHandler(f.xml.expat, on_text);
        XML_UseForeignDTD(f.xml.expat, XML_TRUE);
        f.xml.on_skipped = f.set.strict ? NULL : on_skipped;
        r = take_all(&f, json, body);
    } else {
        parse_task_fail(run, KIND_RESOURCES, 0, PENSTOCK_NO_OFFSET, "out of memory");
    }
    parse_task_repaired(run, f.mend.repaired + f.names.unbound);
    feed_json_free(json);
    feed_deinit(&f);
    return r < 0 ? PENSTOCK_FAILED : PENSTOCK_OK;
}

static const struct penstock_option options[] = {
    {"strict", "no", "yes: what is not well-formed fails, and is not mended"},
    {"max_record", "1M", "bytes of an entry's texts at most; more fail the job (up to 64M)"},
    {"max_depth", "128", "elements within one another; more fail the job (up to 1024)"},
    {NULL, NULL, NULL},
};

const struct penstock_parser parser_feed = {
    .abi = PENSTOCK_PARSER_ABI,
    .size = sizeof(struct penstock_parser),
    .name = "feed",
    .summary = "a record for each entry of an RSS, Atom or JSON feed",
    .options = options,
    .check = check,
    .parse = parse,
    .flags = PENSTOCK_PARSER_TEXT | PENSTOCK_PARSER_DECLARES,
};
