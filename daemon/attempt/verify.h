/* Is a body whole, and what was asked for, once the last response has ended as far as HTTP can
 * tell? The judgement of a download's end, on its fetch loop. */
#ifndef PENSTOCK_ATTEMPT_VERIFY_H
#define PENSTOCK_ATTEMPT_VERIFY_H

#include "attempt/download.h"

#include <stdbool.h>

/* Nobody has verified the end so far, and the job wants it verified. After verify_whole this means:
 * the decoder of the worker decides. */
bool verify_open_end(const struct download *d);
/* Judges by d->end, the resumes, the digests and the job's own expectations, and sets d->verified.
 * 0, or -EINVAL with the cause set. */
int verify_whole(struct download *d);

#endif
