/* UTF-8 as RFC 3629 has it: no surrogates, nothing overlong, nothing above U+10FFFF. */
#ifndef PENSTOCK_BASE_UTF8_H
#define PENSTOCK_BASE_UTF8_H

#include <stddef.h>

/* How many bytes at the start of s are well-formed: len if all are. Any thread. */
size_t utf8_valid(const char *s, size_t len);

/* Copies as many whole characters of s as fit; `size` is at least 1. Any thread. */
void utf8_copy(char *ret_text, size_t size, const char *s);

/* Writes the bytes of a code point up to U+10FFFF, and says how many: 1 to 4. Any thread. */
size_t utf8_encode(char *ret_text, unsigned c);

/* The length of the sequence at p, whose first byte is 0x80 or above and which ends by `end`:
 * positive if it is well-formed, else minus the length of its maximal ill-formed part, by table 3-7
 * of the Unicode standard. Any thread. */
int utf8_sequence(const unsigned char *p, const unsigned char *end);

#endif
