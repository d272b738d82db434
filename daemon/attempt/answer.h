/* What a response's head means for a download: a redirect, nothing new, an answer that no parser
 * sees, a body that one shall see, or the rest of one. The fetch loop's thread. */
#ifndef PENSTOCK_ATTEMPT_ANSWER_H
#define PENSTOCK_ATTEMPT_ANSWER_H

#include "attempt/download.h"

/* Sets mode, status, redirect and the like. 0: go on with the body; or negative: stop the transfer,
 * with the cause set or without. */
int answer_take(struct download *d, const struct transfer_response *response);
/* The body that was cut cannot be finished, for this reason. Sets the cause. */
void answer_fail_rest(struct download *d, const struct error *why);

#endif
