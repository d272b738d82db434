/* Text on the reader's side, behind the decoding: whatever charset the body is in, the parser reads
 * UTF-8 (RFC 3629) that is well-formed, without a byte order mark.
 *
 *     body -> decode (flow/decode.h) -> transcode -> FILE * of a parser of text
 *
 * Which charset it is, flow/charset.h chooses by what the plan knows and by the first bytes. UTF-8
 * is checked where it lies, and not copied. A character that a read cuts in two waits, at most
 * three bytes, for the next read.
 *
 * Bytes that are no character of the charset: with `replace` each becomes U+FFFD (in UTF-8 one for
 * each maximal ill-formed part, as Unicode recommends) and is counted; without it everything before
 * them is given, and the next read is a fault. An end in the middle of a character is treated so,
 * too.
 *
 * Memory: nothing but this object for UTF-8 that is well-formed; else 16 KiB and a converter. One
 * thread.
 *
 * Who has a body of its own, as a member of an archive, puts one of these behind its own source:
 *
 *     struct charset_plan plan = {.declares = …, .replace = outer->charset.replace};   (and
 *                                                                                      `header`,
 *                                                                                      `option`)
 *     struct transcode *t = transcode_new(&plan, source, arg);
 *     … transcode_read(t, data, size) in the FILE's read function …
 *     outer->replaced += transcode_replaced(t);
 *
 * A plan whose `option` is "NAME!" needs no look at the text: it is transcoded from NAME at once.
 * Who reads XML with `declares` tells Expat that it is UTF-8 (XML_ParserCreate's encoding), since
 * the declaration is still there. */
#ifndef PENSTOCK_FLOW_TRANSCODE_H
#define PENSTOCK_FLOW_TRANSCODE_H

#include "flow/charset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum transcode_fault {
    TRANSCODE_FINE,
    TRANSCODE_BROKEN_SOURCE, /* the source gave -1 */
    TRANSCODE_WRONG, /* bytes that are no text of the charset, or a charset that nobody knows */
    TRANSCODE_NO_MEMORY,
};

struct transcode;

/* Where bytes come from: up to `size` of them; 0 at the end; -1: they cannot be had. As
 * decode_source. */
typedef ssize_t (*transcode_source)(void *arg, char *data, size_t size);

/* NULL: out of memory. */
struct transcode *transcode_new(const struct charset_plan *plan, transcode_source source,
                                void *arg);
void transcode_free(struct transcode *t); /* takes NULL */

/* Up to `size` bytes of UTF-8, as soon as there are any; 0: the end; -1: a fault, which stays. size
 * > 0. */
ssize_t transcode_read(struct transcode *t, char *data, size_t size);

enum transcode_fault transcode_fault(const struct transcode *t);
/* One sentence; "" without a fault of its own. */
const char *transcode_message(const struct transcode *t);
/* Where its own fault was: which byte of the source, from 0. */
uint64_t transcode_offset(const struct transcode *t);

/* How often U+FFFD took the place of bytes, so far. */
uint64_t transcode_replaced(const struct transcode *t);
/* NULL until the first bytes have told. */
const struct charset *transcode_charset(const struct transcode *t);
/* The document's declaration cannot be true, and was not followed (struct charset_choice). */
bool transcode_contradicted(const struct transcode *t);
/* Bytes of a byte order mark that were left out in front of UTF-8: so much further on in the source
 * an offset in the text is. */
size_t transcode_mark(const struct transcode *t);

#endif
