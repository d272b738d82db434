/* A notice: a line that speaks of no object in whose memory it could stand, as that the daemon has
 * started. It is filled by its author, posted, and freed once every target has taken it.
 *
 * Without memory there is none, or no part of it: half a line would have no newline, and would
 * spoil the line behind it. */
#ifndef PENSTOCK_RECORD_NOTICE_H
#define PENSTOCK_RECORD_NOTICE_H

#include "record/sink.h"

/* A line that begins with the time and the event; the caller appends its members to `text`, by
 * record/line.h, and posts it. NULL: out of memory. */
struct sink_line *notice_new(enum event event);

/* Control loop: ends the line and hands it to the sink. Takes ownership. One that was not built
 * whole for want of memory is freed, and nothing is posted. */
void notice_post(struct sink *sink, struct sink_line *line);

#endif
