#include "parse/plugin_check.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyz"

bool parser_name_valid(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= PARSER_NAME_MAX && name[0] >= 'a' && name[0] <= 'z' &&
           strspn(name, LETTERS "0123456789_-") == len;
}

uint32_t parser_flags(const struct penstock_parser *parser)
{
    size_t end = offsetof(struct penstock_parser, flags) + sizeof parser->flags;
    return parser->size >= end ? parser->flags : 0;
}

static int check_options(const struct penstock_parser *parser, struct error *err)
{
    for (const struct penstock_option *o = parser->options; o && o->name; o++) {
        size_t len = strlen(o->name);
        if (len == 0 || o->name[0] < 'a' || o->name[0] > 'z' ||
            strspn(o->name, LETTERS "0123456789_") != len)
            return error_set(err, -EINVAL,
                             "its option \"%s\" is misnamed: a letter a-z first, then also digits "
                             "and _",
                             o->name);
        if (!o->help)
            return error_set(err, -EINVAL, "its option \"%s\" has no help", o->name);
        for (const struct penstock_option *p = parser->options; p != o; p++)
            if (strcmp(p->name, o->name) == 0)
                return error_set(err, -EINVAL, "its option \"%s\" is there twice", o->name);
    }
    return 0;
}

int parser_check(const struct penstock_parser *parser, struct error *err)
{
    if (parser->abi != PENSTOCK_PARSER_ABI)
        return error_set(err, -EINVAL,
                         "it was compiled for version %u of penstock/parser.h; this is version %u: "
                         "compile it anew",
                         parser->abi, PENSTOCK_PARSER_ABI);
    if (parser->size < offsetof(struct penstock_parser, flags))
        return error_set(err, -EINVAL, "its size member is %u, not sizeof(struct penstock_parser)",
                         parser->size);
    if (!parser->name || !parser_name_valid(parser->name))
        return error_set(err, -EINVAL,
                         "its name \"%s\" will not do: up to %d characters, a letter a-z first, "
                         "then also digits, - and _",
                         parser->name ? parser->name : "", PARSER_NAME_MAX);
    if (!parser->summary || !parser->summary[0])
        return error_set(err, -EINVAL, "it has no summary");
    if (!parser->parse)
        return error_set(err, -EINVAL, "it has no parse function");
    return check_options(parser, err);
}

const struct penstock_parser *plugin_open(const char *file, struct error *err)
{
    void *object = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!object) {
        const char *why = dlerror();
        error_set(err, -EINVAL, "it cannot be loaded: %s", why ? why : "no reason is given");
        return NULL;
    }
    const struct penstock_parser *parser = dlsym(object, PENSTOCK_PLUGIN_SYMBOL);
    if (!parser) {
        error_set(err, -EINVAL,
                  "it has no symbol " PENSTOCK_PLUGIN_SYMBOL ", as penstock/parser.h describes it");
        return NULL;
    }
    return parser_check(parser, err) < 0 ? NULL : parser;
}
