/* What a Content-Encoding field says is to be decoded. */
#ifndef PENSTOCK_FLOW_DECODE_PLAN_H
#define PENSTOCK_FLOW_DECODE_PLAN_H

#include "flow/decode.h"

/* decode_plan.c. Reads a Content-Encoding field ("gzip, br"; several fields one after the other)
 * into the plan. Words that are no coding ("utf-8") are skipped and counted. 0; or -EINVAL with a
 * message in *err: a coding that is not known, or too many. */
int decode_plan_add(struct decode_plan *plan, const char *content_encoding, struct error *err);

#endif
