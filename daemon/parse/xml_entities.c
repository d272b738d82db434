#include "parse/xml_entities.h"

#include "base/error.h"
#include "parse/html_entities.h"
#include "parse/xml_state.h"

#include <stdlib.h>
#include <string.h>

#define MAX_BYTES ((size_t)8 << 20) /* of the names that are remembered */

/* --- names that are declared ------------------------------------------------------------------ */

static size_t hash(const char *name, size_t len)
{
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)name[i]) * 1099511628211u;
    return (size_t)(h ^ h >> 32);
}

/* Its place, or the free one that it would have. */
static char **place(const struct xml_entities *e, const char *name, size_t len)
{
    for (size_t i = hash(name, len);; i++) {
        char **p = &e->names[i & (e->size - 1)];
        if (!*p || (strncmp(*p, name, len) == 0 && !(*p)[len]))
            return p;
    }
}

static bool grow(struct xml_entities *e)
{
    struct xml_entities bigger = *e;
    bigger.size = e->size ? 2 * e->size : 1024;
    bigger.names = calloc(bigger.size, sizeof *bigger.names);
    if (!bigger.names)
        return false;
    for (size_t i = 0; i < e->size; i++)
        if (e->names[i])
            *place(&bigger, e->names[i], strlen(e->names[i])) = e->names[i];
    free(e->names);
    *e = bigger;
    return true;
}

static bool add(struct xml_entities *e, const char *name)
{
    size_t len = strlen(name);
    if (2 * e->count >= e->size && !grow(e))
        return false;
    char **p = place(e, name, len);
    if (*p)
        return true;
    e->bytes += len + 1 + 2 * sizeof *p;
    e->count++;
    return e->bytes <= MAX_BYTES && (*p = strdup(name));
}

static bool is_known(const struct xml_entities *e, const char *name, size_t len)
{
    return html_entity_is_xml(name, len) || (e->size > 0 && *place(e, name, len));
}

/* --- references ------------------------------------------------------------------------------- */

/* The next reference to an entity in the text, from *at on; *at is behind it then. NULL: there is
 * none. */
static const char *next_reference(const char *text, size_t len, size_t *at, size_t *ret_len)
{
    while (*at < len) {
        const char *amp = memchr(text + *at, '&', len - *at);
        if (!amp)
            return NULL;
        const char *name = amp + 1, *end = memchr(name, ';', (size_t)(text + len - name));
        *at = (size_t)(name - text);
        if (!end || *name == '#' || end == name)
            continue;
        *ret_len = (size_t)(end - name);
        return name;
    }
    return NULL;
}

static const char *unknown_in(const struct xml_entities *e, const char *text, size_t len,
                              size_t *ret_len)
{
    size_t at = 0;
    const char *name;
    while ((name = next_reference(text, len, &at, ret_len)))
        if (!is_known(e, name, *ret_len))
            return name;
    return NULL;
}

static void fail_unknown(struct xml_run *x, const char *kind, const char *name, size_t len)
{
    struct error why;
    error_set(&why, 0, "undefined entity %s%.*s; (nothing outside the document is read)", kind,
              (int)(len < 100 ? len : 100), name);
    xml_state_fail(x, KIND_PARSER_FAILED, xml_state_line(x), xml_state_offset(x), why.text);
}

/* Expat's buffer has the whole of the token that a handler is called for. Within a DTD it does not
 * tell how long that is: of a default value, where the quote is that ends it. */
static const char *token(struct xml_run *x, size_t *ret_len)
{
    int offset = 0, size = 0, count = XML_GetCurrentByteCount(x->expat);
    const char *text = XML_GetInputContext(x->expat, &offset, &size), *end;
    if (!text || offset < 0 || count < 0 || offset > size || count > size - offset)
        return NULL;
    text += offset;
    *ret_len = (size_t)count;
    if (count == 0 && size > offset && (*text == '"' || *text == '\'')) {
        end = memchr(text + 1, *text, (size_t)(size - offset) - 1);
        *ret_len = end ? (size_t)(end - text) : 0;
    }
    return text;
}

static void check_token(struct xml_run *x)
{
    size_t len, name_len;
    const char *text = token(x, &len), *name;
    if (text && (name = unknown_in(&x->entities, text, len, &name_len)))
        fail_unknown(x, "&", name, name_len);
}

/* What stands in entities was to be declared by now. */
static void check_wanted(struct xml_run *x)
{
    struct xml_entities *e = &x->entities;
    for (size_t at = 0; at < e->wanted.len && !x->failed;) {
        const char *name = e->wanted.data + at;
        size_t len = strlen(name);
        if (!is_known(e, name, len))
            fail_unknown(x, "&", name, len);
        at += len + 1;
    }
    buf_deinit(&e->wanted);
}

void xml_entities_check_tag(struct xml_run *x)
{
    struct xml_entities *e = &x->entities;
    if (!e->begun && e->may_skip)
        check_wanted(x);
    e->begun = true;
    if (e->may_skip && !x->failed)
        check_token(x);
}

/* --- handlers --------------------------------------------------------------------------------- */

static void XMLCALL on_doctype(void *arg, const XML_Char *name, const XML_Char *system,
                               const XML_Char *public, int has_internal)
{
    struct xml_run *x = xml_state_current();
    (void)arg;
    (void)name;
    (void)has_internal;
    x->entities.doctype = true;
    x->entities.may_skip |= system || public;
}

/* Markup within an entity has attributes, perhaps, that refer to others. */
static void note_wanted(struct xml_run *x, const char *value, size_t len)
{
    size_t at = 0, name_len;
    const char *name;
    if (!memchr(value, '<', len))
        return;
    while ((name = next_reference(value, len, &at, &name_len)) &&
           x->entities.wanted.len < MAX_BYTES) {
        buf_put(&x->entities.wanted, name, name_len);
        buf_put(&x->entities.wanted, "", 1);
    }
}

static void XMLCALL on_entity(void *arg, const XML_Char *name, int is_parameter,
                              const XML_Char *value, int len, const XML_Char *base,
                              const XML_Char *system, const XML_Char *public,
                              const XML_Char *notation)
{
    struct xml_run *x = xml_state_current();
    (void)arg;
    (void)base;
    (void)system;
    (void)public;
    (void)notation;
    if (is_parameter) {
        x->entities.may_skip = true;
        return;
    }
    if (value)
        note_wanted(x, value, (size_t)len);
    if (!add(&x->entities, name) || x->entities.wanted.failed)
        xml_state_fail(x, KIND_LIMIT_EXCEEDED, xml_state_line(x), PENSTOCK_NO_OFFSET,
                       "the document declares too many entities");
}

static void XMLCALL on_attlist(void *arg, const XML_Char *element, const XML_Char *name,
                               const XML_Char *type, const XML_Char *value, int required)
{
    struct xml_run *x = xml_state_current();
    (void)arg;
    (void)element;
    (void)name;
    (void)type;
    (void)required;
    if (value && x->entities.may_skip)
        check_token(x);
}

static void XMLCALL on_skipped(void *arg, const XML_Char *name, int is_parameter)
{
    struct xml_run *x = xml_state_current();
    if (x->on_skipped && !is_parameter)
        x->on_skipped(arg, name);
    else
        fail_unknown(x, is_parameter ? "%" : "&", name, strlen(name));
}

/* The context has the names of the open entities, this one's too, and bindings of prefixes, which
 * have a =. */
static void fail_external(struct xml_run *x, const char *context, const char *system)
{
    struct error why;
    size_t len = strcspn(context, "\f");
    while (context[len] && memchr(context, '=', len)) {
        context += len + 1;
        len = strcspn(context, "\f");
    }
    error_set(&why, 0,
              "the entity &%.*s; is outside the document (%.200s), and nothing outside is read",
              (int)(len < 100 ? len : 100), context, system ? system : "");
    xml_state_fail(x, KIND_PARSER_FAILED, xml_state_line(x), xml_state_offset(x), why.text);
}

static int parse_table(XML_Parser outer)
{
    struct buf table = BUF_INIT;
    html_entities_declare(&table);
    XML_Parser inner = table.failed ? NULL : XML_ExternalEntityParserCreate(outer, NULL, "UTF-8");
    int good = inner && XML_Parse(inner, table.data, (int)table.len, XML_TRUE) == XML_STATUS_OK;
    if (inner)
        XML_ParserFree(inner);
    buf_deinit(&table);
    return good ? XML_STATUS_OK : XML_STATUS_ERROR;
}

/* A DTD, a parameter entity, or a DTD that is put under every document (which has no name). */
static int XMLCALL on_external(XML_Parser parser, const XML_Char *context, const XML_Char *base,
                               const XML_Char *system, const XML_Char *public)
{
    struct xml_run *x = xml_state_current();
    (void)base;
    (void)public;
    if (context) {
        fail_external(x, context, system);
        return XML_STATUS_ERROR;
    }
    if (!system && !x->entities.doctype)
        return XML_STATUS_OK;
    x->entities.may_skip = true;
    return parse_table(parser);
}

/* --- errors ----------------------------------------------------------------------------------- */

void xml_entities_name_error(struct xml_run *x, enum XML_Error code, char *to, size_t size)
{
    int offset, all;
    const char *text = XML_GetInputContext(x->expat, &offset, &all), *name;
    size_t len, at = 0;
    *to = '\0';
    bool about_one = code == XML_ERROR_UNDEFINED_ENTITY ||
                     code == XML_ERROR_ENTITY_DECLARED_IN_PE ||
                     code == XML_ERROR_ATTRIBUTE_EXTERNAL_ENTITY_REF ||
                     code == XML_ERROR_BINARY_ENTITY_REF || code == XML_ERROR_RECURSIVE_ENTITY_REF;
    if (!about_one || !text || offset < 0 || offset >= all)
        return;
    text += offset;
    size_t left = (size_t)(all - offset);
    name = text[0] == '&' ? next_reference(text, left, &at, &len)
                          : unknown_in(&x->entities, text, left, &len);
    if (name)
        snprintf(to, size, " &%.*s;", (int)(len < 100 ? len : 100), name);
}

/* --- life ------------------------------------------------------------------------------------- */

void xml_entities_init(struct xml_run *x)
{
    XML_SetStartDoctypeDeclHandler(x->expat, on_doctype);
    XML_SetEntityDeclHandler(x->expat, on_entity);
    XML_SetAttlistDeclHandler(x->expat, on_attlist);
    XML_SetSkippedEntityHandler(x->expat, on_skipped);
    XML_SetExternalEntityRefHandler(x->expat, on_external);
    XML_SetParamEntityParsing(x->expat, XML_PARAM_ENTITY_PARSING_ALWAYS);
}

void xml_entities_deinit(struct xml_entities *e)
{
    for (size_t i = 0; i < e->size; i++)
        free(e->names[i]);
    free(e->names);
    buf_deinit(&e->wanted);
    *e = (struct xml_entities){0};
}
