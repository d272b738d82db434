/* UTF-8 as RFC 3629 has it: no surrogates, nothing overlong, nothing above U+10FFFF. */
#ifndef PENSTOCK_BASE_UTF8_H
#define PENSTOCK_BASE_UTF8_H

#include <stddef.h>

/* How many bytes at the start of s are well-formed: len if all are. Any thread. */
size_t utf8_valid(const char *s, size_t len);

#endif
