/* Text for people: figures with units, and strings of others made safe for a terminal. */
#ifndef PENSTOCK_CTL_TEXT_H
#define PENSTOCK_CTL_TEXT_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

/* Appends UTF-8 text with everything visible that could steer a terminal: control characters (C0,
 * DEL, C1), direction marks and line separators as \u001b, bytes that are not UTF-8 as \xff, and \
 * itself as it is. */
void text_put_safe(struct buf *b, const char *s, size_t len);

/* Appends a line of JSON for a terminal: the same characters as JSON escapes, so that its value
 * stays the same (in valid JSON they can stand in strings only, but for white space, which becomes
 * a blank). */
void text_put_json(struct buf *b, const char *json, size_t len);

/* "512 B", "1.5 KiB", "12.3 MiB", "118 GiB". */
void text_put_bytes(struct buf *b, double bytes);

/* "0.734 s", "12.3 s", "2 min 05 s", "3 h 04 min", "2 d 05 h". */
void text_put_seconds(struct buf *b, double seconds);

/* A short age: "0s", "59s", "12m", "5h", "3d", "2y". */
void text_put_age(struct buf *b, double seconds);

/* How a state is shown where there are colours: the escape sequence that begins it, "" for plain
 * text. What ends it is TEXT_PLAIN. */
#define TEXT_PLAIN "\033[0m"
const char *text_colour_of(const char *state);

/* Columns that the text takes on a terminal: East Asian wide characters and most pictures take two,
 * combining marks none. */
size_t text_width(const char *s, size_t len);

/* How many bytes of the text fit into `columns`. */
size_t text_fit(const char *s, size_t len, size_t columns);

/* Appends a URL (safe text) in at most `columns`: whole if it fits, else without its scheme, else
 * without its middle as well, as its host and its end tell the most. */
void text_put_url(struct buf *b, const char *url, size_t columns);

#endif
