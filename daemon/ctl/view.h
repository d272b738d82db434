/* Any JSON value for people: names and values in two columns, objects in objects as NAME.NAME, an
 * array of objects as a table. So an answer with members that this client has never heard of is
 * shown whole. */
#ifndef PENSTOCK_CTL_VIEW_H
#define PENSTOCK_CTL_VIEW_H

#include "base/buf.h"

#include <jansson.h>

void view_put(struct buf *b, const json_t *value);

/* One value on one line: strings as they are (made safe), numbers and the rest as JSON. */
void view_put_scalar(struct buf *b, const json_t *value);

#endif
