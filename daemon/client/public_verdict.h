/* A verdict's line as the public struct. */
#ifndef PENSTOCK_CLIENT_PUBLIC_VERDICT_H
#define PENSTOCK_CLIENT_PUBLIC_VERDICT_H

#include "penstock/client.h"

#include <jansson.h>

/* One that nobody could tell. */
void verdict_unknown(struct penstock_verdict *verdict, uint64_t job, const char *message);

/* From the line's object. What is missing there is 0 or "". */
void verdict_read(const json_t *line, struct penstock_verdict *ret_verdict);

#endif
