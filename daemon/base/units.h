/* Durations, sizes and numbers as people write them. */
#ifndef PENSTOCK_BASE_UNITS_H
#define PENSTOCK_BASE_UNITS_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Durations: 90, 90s, 500ms, 5min, 1h, 7d (plain: seconds; decimals allowed: 0.5) -> ns; "none" ->
 * 0 where `none_ok`. Sizes: 64K, 1G, 1T (binary), plain bytes; "none" as above. 0 or -EINVAL, with
 * a sentence that says what is accepted (the caller prefixes the field). */
int parse_duration(const char *text, bool none_ok, uint64_t *ret_ns, struct error *err);
int parse_size(const char *text, bool none_ok, uint64_t *ret_bytes, struct error *err);
int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret, struct error *err);
int parse_bool(const char *text, bool *ret, struct error *err);

#endif
