/* wait: answers once all the jobs it names have ended. */
#ifndef PENSTOCK_API_CALL_WAIT_H
#define PENSTOCK_API_CALL_WAIT_H

#include <stdint.h>

struct api;
struct api_call;
struct job;
struct waits;

int waits_new(struct waits **ret_waits); /* 0 or -ENOMEM */
void waits_free(struct waits *waits);    /* takes NULL */

void call_wait(struct api_call *call);
void wait_abandon(struct api_call *call);
/* In a fleet: the job has ended at another member, and its row tells how. */
void waits_ended_elsewhere(struct api *api, uint64_t id);
void waits_ended(struct api *api, const struct job *job); /* and its end is stored */
void waits_fail(struct api *api);                         /* the daemon ends */

#endif
