/* URLs as people read them. No state. Any thread. */
#ifndef PENSTOCK_BASE_READABLE_H
#define PENSTOCK_BASE_READABLE_H

#include "base/buf.h"

/* Appends a URL with its percent-encoded characters as themselves, where they are well-formed UTF-8
 * and one sees which they are. So all of ASCII stays encoded (no slash, blank, percent sign or
 * control character comes into being), and with it what is invisible, is a blank, changes the
 * direction, looks like a delimiter, has no shape of its own, or is a mark with nothing to stand
 * on, or the third one there. To be shown, not to be asked for. */
void readable_put_url(struct buf *b, const char *url);

#endif
