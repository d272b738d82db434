/* A FILE * through expat, for the built-in parsers of XML: blocks as they come, a bound on the
 * memory that a document can make expat hold (declarations, each distinct name, a long tag), and
 * failures with their place. Nothing outside the document is ever read (parse/xml_entities.h); what
 * entities may grow to is bounded by expat (a hundred times the document, beyond 8 MiB) and by the
 * limits here. The FILE gives UTF-8, whatever the document declares (PENSTOCK_PARSER_DECLARES). One
 * thread. */
#ifndef PENSTOCK_PARSE_XML_RUN_H
#define PENSTOCK_PARSE_XML_RUN_H

#include "parse/xml_state.h"
#include "penstock/parser.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* One tag with its attributes, comment or the like has at most this many bytes, or max_record if
 * that is more. */
#define XML_TOKEN ((size_t)1 << 20)

/* What expat may hold besides three times that. */
#define XML_MEMORY ((size_t)32 << 20)

/* `user` is what handlers get. 0 or -ENOMEM. Call xml_run_deinit in any case. */
int xml_run_init(struct xml_run *x, struct penstock_run *run, size_t max_record, size_t max_depth,
                 void *user);
void xml_run_deinit(struct xml_run *x);

/* Reads the whole document. 0; or negative, the failure having been said. */
int xml_run_all(struct xml_run *x, FILE *body);

/* The same in pieces: the next one, and the end. */
int xml_run_take(struct xml_run *x, const char *data, size_t len);
int xml_run_end(struct xml_run *x);

/* For handlers, first thing: counts the elements. False: one too many, and the run ends. */
bool xml_run_enter(struct xml_run *x);
void xml_run_leave(struct xml_run *x);

#endif
