/* What a page of HTML says, for a message of one line. */
#ifndef PENSTOCK_BASE_MARKUP_H
#define PENSTOCK_BASE_MARKUP_H

#include <stddef.h>

/* If the text (the beginning of one will do) looks like HTML, replaces it in place by its title, or
 * where it has none by its text without the tags. Any text comes out with single blanks for white
 * space, and with none at its ends. Returns the new length. */
size_t markup_plain(char *text, size_t len);

#endif
