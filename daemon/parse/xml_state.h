/* Where a run through an XML document stands, and how it fails: what xml_run.c and its handlers in
 * xml_entities.c share. */
#ifndef PENSTOCK_PARSE_XML_STATE_H
#define PENSTOCK_PARSE_XML_STATE_H

#include "parse/xml_entities.h"
#include "parse/xml_expat.h"
#include "penstock/parser.h"
#include "record/kind.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xml_run {
    XML_Parser expat;
    struct penstock_run *run;
    size_t max_token, max_depth, depth; /* elements that are open */
    uint64_t given, first_line;         /* bytes so far; lines that were passed over before */
    size_t memory, max_memory;          /* bytes that expat has allocated */
    bool memory_full;                   /* it was refused more */
    struct xml_entities entities;
    /* An entity that is not declared, where the DTD is not known as a whole. NULL: it ends the
     * run. */
    void (*on_skipped)(void *user, const char *name);
    bool failed; /* the failure was said, or is the sink's */
};

/* The run that works on this thread: what Expat calls is not always told. xml_run.c sets it before
 * it calls Expat. */
struct xml_run *xml_state_current(void);
void xml_state_set_current(struct xml_run *x);

/* For handlers: ends the run with a failure at this place, or (_stop) with one that was said. */
void xml_state_fail(struct xml_run *x, enum error_kind kind, uint64_t line, uint64_t offset,
                    const char *message);
void xml_state_stop(struct xml_run *x);

uint64_t xml_state_line(const struct xml_run *x);
uint64_t xml_state_offset(const struct xml_run *x);

#endif
