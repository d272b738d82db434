/* SELECT: the members by which list, cancel, retry and follow choose jobs. */
#ifndef PENSTOCK_API_SELECT_H
#define PENSTOCK_API_SELECT_H

#include "base/error.h"
#include "store/store.h"
#include <jansson.h>

/* Strings are borrowed from params. `now`: store_now. 0, or -EINVAL with a message in *err and the
 * name of the member at fault. */
int select_parse(const json_t *params, const char *const *allowed, int64_t now,
                 struct store_select *ret, struct error *err, const char **ret_field);

/* The names of kinds of lines as a mask of enum event. NULL: *ret_mask stays as it is. 0, or
 * -EINVAL with a message in *err. */
int select_events(const json_t *events, unsigned *ret_mask, struct error *err);

#endif
