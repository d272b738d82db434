/* run and exited: a job whose body goes to a command of the client's. */
#ifndef PENSTOCK_API_CALL_RUN_H
#define PENSTOCK_API_CALL_RUN_H

struct api_call;

/* `run` submits one job with call->fd and call->runner. */
void call_run(struct api_call *call);
void call_exited(struct api_call *call);

#endif
