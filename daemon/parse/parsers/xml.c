/* xml: a record for each element that a path leads to, as JSON:
 *
 *     {"name":"item","attributes":{"id":"7"},"children":[{"name":"title","text":"x"}],"text":"…"}
 *
 * `attributes`, `children` and `text` are there if there is something in them. `text` is all the
 * text directly in the element, in one piece, without the white space around it (trim=no keeps
 * that); where it stood among the children is lost. Names are as written, prefixes included.
 * Comments and processing instructions are left out, entities are replaced, nothing outside is read
 * (an entity that neither the document nor HTML declares is a failure).
 *
 * `path`: /rss/channel/item from the root on; a name alone, item, wherever it stands (and not again
 * within one that was found); * is any name. Without it the root's children are the records. A path
 * that leads to nothing gives no records: `min_records` of the job makes that a failure. */
#include "parse/registry.h"

#include "base/error.h"
#include "base/json_string.h"
#include "parse/options.h"
#include "parse/xml_run.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RECORD ((size_t)64 << 20)
#define MAX_STEPS  32
#define MAX_DEPTH  1024

struct step {
    const char *name;
    size_t len;
};

struct settings {
    struct step steps[MAX_STEPS]; /* in the option's text */
    size_t count;
    bool anywhere; /* one step, at any depth */
    bool trim;
    size_t max_record, max_depth;
};

/* An open element of a record. */
struct level {
    struct buf text;
    bool children;
};

struct doc {
    struct settings set;
    struct xml_run xml;
    size_t matched; /* steps that the open elements go along, from the root */
    size_t inside;  /* open elements of the record, its own included; 0: none is being read */
    struct buf json;
    size_t text_bytes; /* in the levels, not in json yet */
    uint64_t line, offset;
    struct level *levels;
    size_t level_count;
};

/* --- options ---------------------------------------------------------------------------------- */

/* A name as XML has them, or *. */
static bool is_step(const char *p, size_t len)
{
    if (len == 1 && *p == '*')
        return true;
    if (len == 0 || strchr("-.0123456789", *p))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)p[i]) && !strchr("-._:", p[i]) && (unsigned char)p[i] < 0x80)
            return false;
    return true;
}

static void read_path(struct options *o, struct settings *s)
{
    const char *path = o->get(o->arg, "path"), *p = path ? path : "";
    s->anywhere = *p != '/';
    p += !s->anywhere;
    for (;;) {
        size_t len = strcspn(p, "/");
        if (!is_step(p, len) || s->count == MAX_STEPS || (s->anywhere && p[len])) {
            option_fault(o,
                         "option \"path\": \"%.64s\" is none; write /root/list/item, with up to "
                         "%d names or *, or one name for wherever it stands",
                         path ? path : "", MAX_STEPS);
            return;
        }
        s->steps[s->count++] = (struct step){p, len};
        if (!p[len])
            return;
        p += len + 1;
    }
}

static void read_settings(struct options *o, void *ret_settings)
{
    struct settings *s = ret_settings;
    *s = (struct settings){0};
    read_path(o, s);
    s->trim = option_yes(o, "trim");
    s->max_record = option_bytes(o, "max_record", 1, MAX_RECORD);
    s->max_depth = option_bytes(o, "max_depth", 1, MAX_DEPTH);
}

static int check(const char *(*get)(void *arg, const char *name), void *arg, char *message,
                 size_t size)
{
    struct settings s;
    return options_check(get, arg, message, size, read_settings, &s);
}

/* --- a record --------------------------------------------------------------------------------- */

static void fail_memory(struct doc *d)
{
    xml_state_fail(&d->xml, KIND_RESOURCES, 0, PENSTOCK_NO_OFFSET, "out of memory");
}

/* After something was added. */
static void check_record(struct doc *d)
{
    struct error why;
    if (d->json.failed) {
        fail_memory(d);
    } else if (d->json.len + d->text_bytes > d->set.max_record) {
        error_set(&why, 0, "the element has more than %zu bytes as JSON (option max_record)",
                  d->set.max_record);
        xml_state_fail(&d->xml, KIND_LIMIT_EXCEEDED, d->line, d->offset, why.text);
    }
}

static struct level *level_at(struct doc *d, size_t i)
{
    if (i < d->level_count)
        return &d->levels[i];
    size_t count = d->level_count ? 2 * d->level_count : 8;
    struct level *levels = reallocarray(d->levels, count, sizeof *levels);
    if (!levels)
        return NULL;
    memset(levels + d->level_count, 0, (count - d->level_count) * sizeof *levels);
    d->levels = levels;
    d->level_count = count;
    return &d->levels[i];
}

static void put_attributes(struct buf *b, const XML_Char **pairs)
{
    for (size_t i = 0; pairs[i]; i += 2) {
        buf_puts(b, i == 0 ? ",\"attributes\":{" : ",");
        json_put_string(b, pairs[i], strlen(pairs[i]));
        buf_putc(b, ':');
        json_put_string(b, pairs[i + 1], strlen(pairs[i + 1]));
    }
    if (pairs[0])
        buf_putc(b, '}');
}

static void begin_element(struct doc *d, const char *name, const XML_Char **pairs)
{
    struct level *level = level_at(d, d->inside);
    if (!level) {
        fail_memory(d);
        return;
    }
    if (d->inside > 0) {
        struct level *parent = &d->levels[d->inside - 1];
        buf_puts(&d->json, parent->children ? "," : ",\"children\":[");
        parent->children = true;
    }
    d->inside++;
    level->children = false;
    buf_reset(&level->text);
    buf_puts(&d->json, "{\"name\":");
    json_put_string(&d->json, name, strlen(name));
    put_attributes(&d->json, pairs);
    check_record(d);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void put_text(struct doc *d, const struct buf *text)
{
    const char *p = text->data;
    size_t len = text->len;
    while (d->set.trim && len > 0 && is_space(p[len - 1]))
        len--;
    while (d->set.trim && len > 0 && is_space(*p)) {
        p++;
        len--;
    }
    if (len == 0)
        return;
    buf_puts(&d->json, ",\"text\":");
    json_put_string(&d->json, p, len);
}

static void end_element(struct doc *d)
{
    struct level *level = &d->levels[--d->inside];
    if (level->children)
        buf_putc(&d->json, ']');
    d->text_bytes -= level->text.len;
    put_text(d, &level->text);
    buf_putc(&d->json, '}');
    check_record(d);
    if (d->inside > 0 || d->xml.failed)
        return;
    if (parse_task_emit(d->xml.run, d->json.data, d->json.len) < 0)
        xml_state_stop(&d->xml);
}

/* --- handlers --------------------------------------------------------------------------------- */

static bool goes(const struct step *step, const char *name)
{
    if (step->len == 1 && step->name[0] == '*')
        return true;
    return strncmp(step->name, name, step->len) == 0 && name[step->len] == '\0';
}

/* Does the path end at this element? It is the depth-th from the root, from 1. */
static bool found(struct doc *d, const char *name)
{
    const struct settings *s = &d->set;
    size_t depth = d->xml.depth;
    if (s->anywhere)
        return goes(&s->steps[0], name);
    if (d->matched != depth - 1 || depth > s->count || !goes(&s->steps[depth - 1], name))
        return false;
    d->matched = depth;
    return depth == s->count;
}

static void XMLCALL on_start(void *arg, const XML_Char *name, const XML_Char **pairs)
{
    struct doc *d = arg;
    if (!xml_run_enter(&d->xml))
        return;
    if (d->inside == 0) {
        if (!found(d, name))
            return;
        buf_reset(&d->json);
        d->text_bytes = 0;
        d->line = xml_state_line(&d->xml);
        d->offset = xml_state_offset(&d->xml);
    }
    begin_element(d, name, pairs);
}

static void XMLCALL on_end(void *arg, const XML_Char *name)
{
    struct doc *d = arg;
    if (d->xml.failed)
        return;
    if (d->inside > 0)
        end_element(d);
    xml_run_leave(&d->xml);
    if (d->matched > d->xml.depth)
        d->matched = d->xml.depth;
}

static void XMLCALL on_text(void *arg, const XML_Char *text, int len)
{
    struct doc *d = arg;
    if (d->inside == 0 || d->xml.failed)
        return;
    if (buf_put(&d->levels[d->inside - 1].text, text, (size_t)len) < 0) {
        fail_memory(d);
        return;
    }
    d->text_bytes += (size_t)len;
    check_record(d);
}

static int parse(FILE *body, struct penstock_run *run)
{
    struct doc d = {0};
    options_of_run(run, read_settings, &d.set);
    int r = xml_run_init(&d.xml, run, d.set.max_record, d.set.max_depth, &d);
    if (r == 0) {
        XML_SetElementHandler(d.xml.expat, on_start, on_end);
        XML_SetCharacterDataHandler(d.xml.expat, on_text);
        r = xml_run_all(&d.xml, body);
    } else {
        parse_task_fail(run, KIND_RESOURCES, 0, PENSTOCK_NO_OFFSET, "out of memory");
    }
    xml_run_deinit(&d.xml);
    for (size_t i = 0; i < d.level_count; i++)
        buf_deinit(&d.levels[i].text);
    free(d.levels);
    buf_deinit(&d.json);
    return r < 0 ? PENSTOCK_FAILED : PENSTOCK_OK;
}

static const struct penstock_option options[] = {
    {"path", "/*/*",
     "which elements: /root/list/item, a name alone for wherever it stands; * is any"},
    {"trim", "yes", "no: keep white space around an element's text"},
    {"max_record", "1M", "bytes of a record at most; a longer one fails the job (up to 64M)"},
    {"max_depth", "128", "elements within one another; more fail the job (up to 1024)"},
    {NULL, NULL, NULL},
};

const struct penstock_parser parser_xml = {
    .abi = PENSTOCK_PARSER_ABI,
    .size = sizeof(struct penstock_parser),
    .name = "xml",
    .summary = "a record for each element of an XML document that a path leads to",
    .options = options,
    .check = check,
    .parse = parse,
    .flags = PENSTOCK_PARSER_TEXT | PENSTOCK_PARSER_DECLARES,
};
