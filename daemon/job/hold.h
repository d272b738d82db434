/* What an operator holds back (`pause` and `resume` of the protocol): everything, a host, or a
 * parser. Nothing of it starts; what runs runs on. A restart forgets it. Control loop. */
#ifndef PENSTOCK_JOB_HOLD_H
#define PENSTOCK_JOB_HOLD_H

#include <stdbool.h>

struct holds;
struct jobs;

#define HOLD_HOSTS_MAX 10000

int holds_new(struct holds **ret_holds); /* 0 or -ENOMEM */
void holds_free(struct holds *holds);    /* takes NULL */

/* Everything (NULL, NULL), a host, or a parser. 0, -ENOMEM, or -EDQUOT: HOLD_HOSTS_MAX hosts are
 * held back already. */
int hold_set(struct jobs *jobs, const char *host, const char *parser, bool held);
bool hold_on_all(const struct jobs *jobs);
bool hold_on_parser(const struct jobs *jobs, const char *parser);

#endif
