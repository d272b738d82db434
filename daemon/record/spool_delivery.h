/* A spool on its way to the targets. On the sink's thread. */
#ifndef PENSTOCK_RECORD_SPOOL_DELIVERY_H
#define PENSTOCK_RECORD_SPOOL_DELIVERY_H

#include "record/queue.h"

/* A delivery's next piece. 1: its lines are indexed; 0: there is none left, the delivery is over,
 * and its line is still in `posted`; or a negative errno, and the same piece may be tried again.
 * Reads a file; needs no lock. */
int batch_read(struct batch *batch);
void batch_piece_done(struct batch *batch); /* it is written, and the batch empty again */

#endif
