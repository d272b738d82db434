/* Work on a loop's thread that takes long, done in slices: in each turn of the loop about a
 * millisecond of it, so that whatever else comes in meanwhile is not held up, however much of such
 * work there is. Whose slice is done goes to the end of the queue, so that all get on side by side.
 * All functions: the loop's thread. */
#ifndef PENSTOCK_BASE_SLICES_H
#define PENSTOCK_BASE_SLICES_H

#include "base/list.h"
#include "base/mailbox.h"

#include <stdint.h>

#define SLICES_NS UINT64_C(1000000) /* for all slices of a turn; the last one may go beyond it */

struct slice {
    struct list link;
    /* Does a part of the work, well under a millisecond. May add the slice again, or free it. */
    void (*step)(struct slice *slice);
};

struct slices {
    struct mailbox *mailbox; /* the loop's */
    struct mail mail;
    struct list due;
};

void slices_init(struct slices *slices, struct mailbox *mailbox);

/* Its step will be called, not from within this call. It must not be queued already. */
void slices_add(struct slices *slices, struct slice *slice);

#endif
