/* A .lzo file, as lzop(1) writes it: blocks with checksums. Pulled; one thread. */
#ifndef PENSTOCK_PARSE_LZOP_H
#define PENSTOCK_PARSE_LZOP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define LZOP_MAGIC "\x89LZO\0\r\n\x1a\n"

struct lzop;

/* Where bytes come from: up to `size` of them; 0 at the end; -1: they cannot be had. */
typedef ssize_t (*lzop_source)(void *arg, char *data, size_t size);

/* NULL: out of memory. */
struct lzop *lzop_new(lzop_source source, void *arg);
void lzop_free(struct lzop *z); /* takes NULL */

/* The next block's bytes, valid until the next call. Their number; 0: the end, everything was
 * whole; -1: a fault. */
ssize_t lzop_next(struct lzop *z, const char **ret_data);

/* After -1: one sentence; NULL: the source has failed. */
const char *lzop_message(const struct lzop *z);
bool lzop_no_memory(const struct lzop *z); /* and that is why */

#endif
