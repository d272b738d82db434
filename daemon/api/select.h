/* SELECT: the members by which list, cancel, retry and follow choose jobs. */
#ifndef PENSTOCK_API_SELECT_H
#define PENSTOCK_API_SELECT_H

#include "base/error.h"
#include "store/store.h"
#include <jansson.h>

/* Strings are borrowed from params. 0, or -EINVAL with a message in *err and the name of the member
 * at fault. */
int select_parse(const json_t *params, const char *const *allowed, struct store_select *ret,
                 struct error *err, const char **ret_field);

#endif
