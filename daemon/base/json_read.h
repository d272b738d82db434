/* JSON texts into jansson's values, whole or not at all.
 *
 * jansson takes no notice when the buffer in which it collects a string or a number cannot grow:
 * what it gives then is a value with some of its characters missing, or it reads behind the
 * buffer's end. So its memory comes from here: while a text is read, allocations that fail are made
 * up for from a reserve that was set aside before, and the text is refused in the end.
 *
 * What is put together piece by piece loses pieces as well: most of its functions say so, and few
 * callers want to ask each. They look at json_lost() before and after. Any thread. */
#ifndef PENSTOCK_BASE_JSON_READ_H
#define PENSTOCK_BASE_JSON_READ_H

#include <jansson.h>
#include <stddef.h>

/* As json_loadb: the flags are jansson's, `ret_why` may be NULL. If any allocation fails the result
 * is NULL and the error's code is json_error_out_of_memory. */
json_t *json_read(const char *text, size_t len, size_t flags, json_error_t *ret_why);

/* The same for a text that ends with a NUL. */
json_t *json_read_text(const char *text, size_t flags, json_error_t *ret_why);

/* How many allocations of jansson's have failed on this thread so far. What was made between two
 * calls that return the same is whole. */
unsigned json_lost(void);

/* One more has failed: of something else that was to become a part of a value. */
void json_note_lost(void);

/* Copies that are whole, as jansson's own may not be; NULL: no memory. */
json_t *json_copied(const json_t *value);      /* the first level; what is in it is shared */
json_t *json_deep_copied(const json_t *value); /* all of it */

#endif
