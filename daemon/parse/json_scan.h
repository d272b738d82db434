/* A validating scanner of JSON (RFC 8259) for text that comes in pieces of any size, and for
 * documents of any length: it holds no text, only where it is in the grammar. What it tells,
 * besides where the text is wrong, is where values and member names begin and end, down to a depth
 * that the caller watches; so a caller can cut each element's own text out of a document. One value
 * may follow another at the top, with white space between them. Strings are checked for escapes and
 * control characters, not for UTF-8. One owner. */
#ifndef PENSTOCK_PARSE_JSON_SCAN_H
#define PENSTOCK_PARSE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_MAX_DEPTH 1024 /* the most that a document may be allowed */
#define JSON_SCAN_DEPTH \
    1088 /* the most that max_depth may be: a record has some levels around a value */

enum json_event {
    JSON_MORE,     /* all of the text was used */
    JSON_BEGIN,    /* a value's first byte is the last one used */
    JSON_END,      /* a value's last byte is the last one used, or came before */
    JSON_NAME,     /* a member name's opening quote is the last byte used */
    JSON_NAME_END, /* and its closing one */
    JSON_BAD,      /* the byte behind those used is wrong: `reason`; nothing can follow */
    JSON_TOO_DEEP, /* the bracket behind those used is one too many */
};

struct json_scan {
    unsigned max_depth;
    unsigned watch;     /* how many containers a value may be in for its events to be told */
    bool separators;    /* at the top, RS separates as well (RFC 7464) */
    const char *reason; /* after JSON_BAD */
    unsigned depth;     /* containers that are open; before JSON_END of one it is closed */
    uint64_t values;    /* whole ones at the top */
    /* Private. */
    int state;
    bool in_name;
    bool bare;        /* a value has just ended at the top: white space must follow */
    const char *word; /* what is left of true, false, null */
    unsigned hex;     /* digits of \u that are to come */
    uint64_t objects[JSON_SCAN_DEPTH / 64]; /* a bit for each open container: is it an object? */
};

/* Is the container that holds values of this depth (1 and more) an object? It must be open. */
static inline bool json_scan_in_object(const struct json_scan *s, unsigned depth)
{
    return s->objects[(depth - 1) / 64] >> (depth - 1) % 64 & 1;
}

void json_scan_init(struct json_scan *s, unsigned max_depth, unsigned watch);

/* Goes on until something is to be told; *ret_used bytes of `text` are done with then. Call again
 * with the rest, or with what follows. */
enum json_event json_scan(struct json_scan *s, const char *text, size_t len, size_t *ret_used);

/* The text has ended: JSON_END (a number was open, which ends here), JSON_MORE (all is well) or
 * JSON_BAD. After JSON_END call again. */
enum json_event json_scan_end(struct json_scan *s);

#endif
