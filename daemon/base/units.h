/* Durations, sizes and numbers as people write them. */
#ifndef PENSTOCK_BASE_UNITS_H
#define PENSTOCK_BASE_UNITS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Durations: 90, 90s, 500ms, 5min, 1h, 7d (plain: seconds; decimals allowed: 0.5) -> ns; "none" ->
 * 0 where `none_ok`. Sizes: 64K, 1G, 1T (binary), plain bytes; "none" as above. 0 or -EINVAL, with
 * a sentence that says what is accepted (the caller prefixes the field). */
int parse_duration(const char *text, bool none_ok, uint64_t *ret_ns, struct error *err);
int parse_size(const char *text, bool none_ok, uint64_t *ret_bytes, struct error *err);
int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret, struct error *err);
int parse_bool(const char *text, bool *ret, struct error *err);

#define UNITS_TEXT 32 /* bytes that hold any of the texts below */

/* The other way: the exact value in the largest unit of which it is a whole number ("90s", "64K"),
 * so that it is read back as it was; never "none". Both return `buf`. */
const char *format_duration(uint64_t ns, char buf[static UNITS_TEXT]);
const char *format_size(uint64_t bytes, char buf[static UNITS_TEXT]);

#endif
