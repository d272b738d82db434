/* Calls: their parameters, and their answers. */
#ifndef PENSTOCK_JOB_CALLS_H
#define PENSTOCK_JOB_CALLS_H

#include "job/jobs.h"
#include "store/store.h"
#include <jansson.h>

/* Answers, from the loop: exactly one of them, once a call. `result` is taken over. */
void call_reply(struct jobs_call *call, json_t *result); /* NULL: out of memory */
void call_fail(struct jobs_call *call, int code, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void call_fail_store(struct jobs_call *call, const struct store_call *failed);
/* {"ids":[…]} or {"id":N}: 1 and the ids (the caller's); 0: neither member is there; negative:
 * answered. */
int call_ids(struct jobs_call *call, uint64_t **ret_ids, size_t *ret_count);
/* SELECT members of params, `allowed` others beside them (NULL-ended). 0 or negative: answered. */
int call_select(struct jobs_call *call, const char *const *allowed, struct store_select *ret);

/* Permissions (access.h). May the caller see this row? */
bool call_may_see(const struct jobs_call *call, const struct store_job *row);
/* Narrows to the rows that the caller may see. */
void call_limit(const struct jobs_call *call, struct store_select *select);

#endif
