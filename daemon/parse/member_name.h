/* The name of an archive's member as text. Archives keep bytes, and some say that these are UTF-8.
 * What is no UTF-8, and is not said to be in another charset, is written %XX, and a % then %25, so
 * that no two names become the same; a name that needed it is `escaped`. One thread. */
#ifndef PENSTOCK_PARSE_MEMBER_NAME_H
#define PENSTOCK_PARSE_MEMBER_NAME_H

#include "base/buf.h"
#include "flow/charset.h"

#include <locale.h>
#include <stdbool.h>
#include <stddef.h>

/* Puts the name's text into `b`, which is emptied before. True: it is escaped. (b->failed: out of
 * memory.) `charset` is what names are in that are not `utf8`, as is said of them and true; NULL:
 * UTF-8. */
bool member_name(struct buf *b, const char *bytes, size_t len, bool utf8,
                 const struct charset *charset);

/* The locale that libarchive is to be called in: it gives names in the thread's, and none that this
 * cannot express. Opened by the first call, which reads a file, and never closed. NULL: the system
 * has none. Any thread. */
locale_t member_name_locale(void);

#endif
