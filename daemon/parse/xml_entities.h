/* The entities of an XML document: none vanishes. A DTD or a parameter entity that is outside the
 * document is not fetched; in its place the names of HTML are declared (what the document itself
 * declares counts before). Any other entity that the document refers to and does not declare ends
 * the run with its name, also where Expat would drop it without a word: in attributes, once parts
 * of the DTD are unknown. Embedded in struct xml_run. */
#ifndef PENSTOCK_PARSE_XML_ENTITIES_H
#define PENSTOCK_PARSE_XML_ENTITIES_H

#include "base/buf.h"
#include "parse/xml_expat.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xml_run;

struct xml_entities {
    char **names; /* that are declared: an open hash table */
    size_t count, size, bytes;
    bool may_skip; /* parts of the DTD are unknown: Expat passes over what is not declared */
    bool doctype;  /* there is one */
    bool begun;    /* the document's element has come */
    struct buf
        wanted; /* names within entities' own text, each with a NUL: to be declared by then */
};

/* Sets the handlers. */
void xml_entities_init(struct xml_run *x);
void xml_entities_deinit(struct xml_entities *e);

/* In the handler of an element's begin, first thing: its attributes refer to nothing that is not
 * declared. */
void xml_entities_check_tag(struct xml_run *x);

/* Behind Expat's sentence about an error: the entity that it is about, if it is about one: "
 * &uuml;". "" if not. */
void xml_entities_name_error(struct xml_run *x, enum XML_Error code, char *to, size_t size);

#endif
