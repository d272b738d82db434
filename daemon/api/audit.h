/* The audit: who has submitted, cancelled or retried jobs, paused, reloaded, changed or run
 * schedules, copied the store. One line of the log for each call, with SO_PEERCRED's uid, gid and
 * pid, for sinks whose `events` name `audit` and for no others. Control loop. */
#ifndef PENSTOCK_API_AUDIT_H
#define PENSTOCK_API_AUDIT_H

struct api;
struct api_call;
struct audit;

int audit_new(struct audit **ret_audit); /* 0 or -ENOMEM */
/* Lines may still be on their way to the sink. Takes NULL. */
void audit_free(struct audit *audit);

/* The call is about to be answered: call->result, call->code and call->error stand. */
void audit_call(const struct api_call *call);
/* The config is to be read again, as a signal says. */
void audit_signal(struct api *api, const char *name);

#endif
