/* JSON Feed (1.0 and 1.1, jsonfeed.org) into the records of parse/feed_entry.h. It comes in pieces;
 * one item is held in memory at a time. One thread. */
#ifndef PENSTOCK_PARSE_FEED_JSON_H
#define PENSTOCK_PARSE_FEED_JSON_H

#include "penstock/parser.h"

#include <stddef.h>

struct feed_json;

/* NULL: out of memory. */
struct feed_json *feed_json_new(struct penstock_run *run, size_t max_record, size_t max_depth);
void feed_json_free(struct feed_json *j); /* takes NULL */

/* The next piece, and the end. 0; or negative, the failure having been said. */
int feed_json_take(struct feed_json *j, const char *data, size_t len);
int feed_json_end(struct feed_json *j);

#endif
