/* What a response means for a download: a redirect, nothing new, an answer that no parser sees
 * (and what of its text goes into the message), a body that one shall see, or the rest of one. The
 * fetch loop's thread. */
#ifndef PENSTOCK_ATTEMPT_ANSWER_H
#define PENSTOCK_ATTEMPT_ANSWER_H

#include "attempt/download.h"

#include <stddef.h>

/* Sets mode, status, redirect and the like. 0: go on with the body; or negative: stop the transfer,
 * with the cause set or without. */
int answer_take(struct download *d, const struct transfer_response *response);
/* The body that was cut cannot be finished, for this reason. Sets the cause. */
void answer_fail_rest(struct download *d, const struct error *why);
/* MODE_TOLD: the transfer has ended. Sets the cause if the status is none that a parser gets. */
void answer_judge_told(struct download *d);
/* MODE_EXCERPT: bytes of a body that no parser sees, as many as the message has room for. One of
 * the transfer's answers: taken, or -ECANCELED if there is no need of more. */
int answer_excerpt(struct download *d, const char *data, size_t len);
/* MODE_EXCERPT: the answer has ended. Sets the cause: the status, and what the excerpt says as
 * plain text. */
void answer_fail_status(struct download *d);

#endif
