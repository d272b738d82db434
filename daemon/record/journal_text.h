/* A line of the log as a sentence, for who reads the journal. */
#ifndef PENSTOCK_RECORD_JOURNAL_TEXT_H
#define PENSTOCK_RECORD_JOURNAL_TEXT_H

#include "base/buf.h"
#include "record/kind.h"

#include <jansson.h>

/* Appends "job 42 failed: truncated: MESSAGE (URL)" and the like from a line's members; a record's
 * data may be missing. Control characters, which an origin may have sent, become ?. */
void journal_put_text(struct buf *b, enum event event, const json_t *line);

#endif
