/* Markup within a feed's texts, written out again, and base64 text read. One thread. */
#ifndef PENSTOCK_PARSE_FEED_MARKUP_H
#define PENSTOCK_PARSE_FEED_MARKUP_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

void feed_markup_escape(struct buf *b, const char *text, size_t len);

/* With all of `text` escaped from now on: it turns out to be markup. */
void feed_markup_escape_all(struct buf *text);

/* <name a="…">. `qualified`: with prefixes and declarations of namespaces. */
void feed_markup_begin(struct buf *b, const char *name, const char **pairs, bool qualified);

/* `empty`: <name/> in place of what feed_markup_begin has put there. */
void feed_markup_end(struct buf *b, const char *name, bool empty, bool qualified);

/* In place of its base64. False, and it stays: it is none, or is no text in UTF-8. */
bool feed_markup_decode(struct buf *text);

#endif
