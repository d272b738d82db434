/* loops: do the download loops answer? Each is asked by its mailbox, and who has not answered after
 * LOOPS_DEADLINE_MS is late. The control loop goes on meanwhile. */
#ifndef PENSTOCK_API_CALL_LOOPS_H
#define PENSTOCK_API_CALL_LOOPS_H

#define LOOPS_DEADLINE_MS 1000

struct api;
struct api_call;
struct fetch;
struct loops;

int loops_new(struct api *api, struct fetch *fetch, struct loops **ret); /* 0 or -ENOMEM */
void loops_free(struct loops *loops);                                    /* takes NULL */

void call_loops(struct api_call *call);

#endif
