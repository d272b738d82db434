/* LZO1X, the coding of .lzo files: one block of it. Debian's libarchive is built without it. Any
 * thread. */
#ifndef PENSTOCK_PARSE_LZO_H
#define PENSTOCK_PARSE_LZO_H

#include <stdbool.h>
#include <stddef.h>

/* Decodes `len` bytes into exactly `size`. False: they are none, or become more or fewer. */
bool lzo_decode(const unsigned char *from, size_t len, unsigned char *to, size_t size);

#endif
