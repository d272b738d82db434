/* A JSON line being built: the log's lines, and nothing else. Appends to a struct buf; running out
 * of memory is kept there. Any thread, each with its own buffer. */
#ifndef PENSTOCK_RECORD_LINE_H
#define PENSTOCK_RECORD_LINE_H

#include "base/buf.h"
#include "record/kind.h"

#include <stddef.h>
#include <stdint.h>

struct sink_source;

/* {"ts":"…","event":"…" */
void line_begin(struct buf *b, int64_t real_us, enum event event);
/* }\n */
void line_end(struct buf *b);

/* Each writes ,"name":value — name is a literal of ours, needs no escaping. */
void line_str(struct buf *b, const char *name, const char *value); /* NULL: nothing is written */
void line_u64(struct buf *b, const char *name, uint64_t value);
void line_seconds(struct buf *b, const char *name, uint64_t ns); /* as 0.734 */
void line_raw(struct buf *b, const char *name, const char *json, size_t len);
void line_bool(struct buf *b, const char *name, int value);

/* A whole line: one record of a source. */
void line_record(struct buf *b, int64_t real_us, const struct sink_source *source, uint64_t seq,
                 const char *json, size_t len);

#endif
