/* Who may want a line: followers by what they ask for, so that a line meets those alone that could
 * want it, however many others there are. Control loop.
 *
 * What a follower asks for has one place in the index, by the narrowest of: a job's id; a label; a
 * schedule, a host, a parser; nothing of these. One who may not see everybody's jobs stands at that
 * place for his uid alone. At each place there is a list for each kind of line. So what is left to
 * be looked at is what the rest of a filter says (state, error, since). */
#ifndef PENSTOCK_API_FOLLOW_INDEX_H
#define PENSTOCK_API_FOLLOW_INDEX_H

#include "base/list.h"
#include "base/tree.h"
#include "record/kind.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

enum { INTEREST_RECORD, INTEREST_ATTEMPT, INTEREST_VERDICT, INTEREST_OTHER, INTEREST_COUNT };

struct follow_index {
    struct tree places; /* by what they are for */
    unsigned used[6];   /* places of each kind: where there is none nothing is looked for */
    struct list others; /* of those that take all: for lines of no job */
    uint64_t looks;     /* interests that lines were brought to, ever: for tests */
};

struct place;

/* One follower's in one place. Embedded in what is followed; zeroed: nowhere. */
struct interest {
    struct list links[INTEREST_COUNT];
    struct place *place;
};

void follow_index_init(struct follow_index *index);

/* In the lines of this job that are of `events`. 0 or -ENOMEM. */
int interest_in_job(struct follow_index *index, struct interest *interest, uint64_t job,
                    unsigned events);
/* In those that `select` may match; NULL: in all, and in lines of no job. `own`: NULL, or of this
 * uid's jobs alone. */
int interest_in_jobs(struct follow_index *index, struct interest *interest,
                     const struct store_select *select, const uint32_t *own, unsigned events);
/* Takes one that is nowhere. */
void interest_end(struct follow_index *index, struct interest *interest);

/* In one job, or in jobs? It is somewhere. */
bool interest_is_in_job(const struct interest *interest);

typedef void interest_met(void *arg, struct interest *interest);

/* Calls `meet` for each interest in this kind of line of the job; `row`: NULL where it is not
 * known. `meet` ends none. */
void follow_index_meet(struct follow_index *index, enum event event, uint64_t job,
                       const struct store_job *row, interest_met *meet, void *arg);
/* The same for those alone that are in this one job. */
void follow_index_meet_job(struct follow_index *index, enum event event, uint64_t job,
                           interest_met *meet, void *arg);

#endif
