#include "parse/xml_run.h"

#include "base/error.h"
#include "parse/block.h"
#include "parse/task.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

/* --- memory ----------------------------------------------------------------------------------- */

/* Expat's allocator is told nothing but a size: the run that it works for is the thread's current
 * one. */
static void *allocate(void *old, size_t size)
{
    struct xml_run *x = xml_state_current();
    size_t had = malloc_usable_size(old);
    if (size > x->max_memory || x->memory - had > x->max_memory - size) {
        x->memory_full = true;
        return NULL;
    }
    void *new = realloc(old, size);
    if (new)
        x->memory += malloc_usable_size(new) - had;
    return new;
}

static void *allocate_new(size_t size)
{
    return allocate(NULL, size > 0 ? size : 1);
}

static void *allocate_more(void *old, size_t size)
{
    return allocate(old, size > 0 ? size : 1);
}

static void release(void *old)
{
    xml_state_current()->memory -= malloc_usable_size(old);
    free(old);
}

static const XML_Memory_Handling_Suite memory = {allocate_new, allocate_more, release};

/* --- failing ---------------------------------------------------------------------------------- */

static enum error_kind kind_of(enum XML_Error code)
{
    switch (code) {
    case XML_ERROR_NO_MEMORY:
        return KIND_RESOURCES;
    case XML_ERROR_AMPLIFICATION_LIMIT_BREACH:
        return KIND_LIMIT_EXCEEDED;
    default:
        return KIND_PARSER_FAILED;
    }
}

static void say_error(struct xml_run *x)
{
    enum XML_Error code = XML_GetErrorCode(x->expat);
    struct error text;
    char name[128];
    if (x->failed)
        return;
    const char *why = XML_ErrorString(code);
    enum error_kind kind = kind_of(code);
    if (code == XML_ERROR_NO_MEMORY && x->memory_full) {
        kind = KIND_LIMIT_EXCEEDED;
        why = "the document has too many different names, too many declarations or too long a tag";
    }
    xml_entities_name_error(x, code, name, sizeof name);
    error_set(&text, 0, "%s%s", why, name);
    /* Its idea of the byte depends on how the document came in pieces. */
    parse_task_fail(x->run, kind, xml_state_line(x), PENSTOCK_NO_OFFSET, text.text);
    x->failed = true;
}

bool xml_run_enter(struct xml_run *x)
{
    struct error why;
    if (x->failed)
        return false;
    xml_entities_check_tag(x);
    if (x->failed)
        return false;
    if (x->depth < x->max_depth) {
        x->depth++;
        return true;
    }
    error_set(&why, 0, "elements are nested deeper than %zu levels (option max_depth)",
              x->max_depth);
    xml_state_fail(x, KIND_LIMIT_EXCEEDED, xml_state_line(x), xml_state_offset(x), why.text);
    return false;
}

void xml_run_leave(struct xml_run *x)
{
    x->depth--;
}

/* --- the run ---------------------------------------------------------------------------------- */

int xml_run_init(struct xml_run *x, struct penstock_run *run, size_t max_record, size_t max_depth,
                 void *user)
{
    *x = (struct xml_run){.run = run,
                          .max_token = max_record > XML_TOKEN ? max_record : XML_TOKEN,
                          .max_depth = max_depth};
    x->max_memory = XML_MEMORY + 3 * x->max_token;
    xml_state_set_current(x);
    x->expat = XML_ParserCreate_MM("UTF-8", &memory, NULL);
    if (!x->expat)
        return -ENOMEM;
#if XML_MAJOR_VERSION > 2 || XML_MINOR_VERSION >= 6
    /* It would leave what has come unread for a while, so that records would depend on how the body
     * came. It is there against tokens of any length that come in small pieces; here a token has a
     * limit. */
    XML_SetReparseDeferralEnabled(x->expat, XML_FALSE);
#endif
    XML_SetUserData(x->expat, user);
    xml_entities_init(x);
    return 0;
}

void xml_run_deinit(struct xml_run *x)
{
    xml_state_set_current(x);
    if (x->expat)
        XML_ParserFree(x->expat);
    x->expat = NULL;
    xml_entities_deinit(&x->entities);
    xml_state_set_current(NULL);
}

/* Expat keeps a token until it is whole. */
static bool holds_too_much(struct xml_run *x, uint64_t given)
{
    struct error why;
    uint64_t at = xml_state_offset(x);
    if (at == PENSTOCK_NO_OFFSET || given < at || given - at <= x->max_token)
        return false;
    error_set(&why, 0, "one tag or comment has more than %zu bytes", x->max_token);
    parse_task_fail(x->run, KIND_LIMIT_EXCEEDED, xml_state_line(x), at, why.text);
    x->failed = true;
    return true;
}

int xml_run_take(struct xml_run *x, const char *data, size_t len)
{
    xml_state_set_current(x);
    x->given += len;
    if (XML_Parse(x->expat, data, (int)len, XML_FALSE) != XML_STATUS_OK) {
        say_error(x);
        return -EINVAL;
    }
    return holds_too_much(x, x->given) ? -EINVAL : 0;
}

int xml_run_end(struct xml_run *x)
{
    xml_state_set_current(x);
    if (XML_Parse(x->expat, "", 0, XML_TRUE) != XML_STATUS_OK)
        say_error(x);
    return x->failed ? -EINVAL : 0;
}

int xml_run_all(struct xml_run *x, FILE *body)
{
    struct block block;
    block_init(&block, body);
    while (block_next(&block))
        if (xml_run_take(x, block.data, block.len) < 0)
            return -EINVAL;
    return ferror(body) ? -EIO : xml_run_end(x);
}
