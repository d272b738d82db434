/* Schedules, as the other writes and reads. */
#ifndef PENSTOCK_STORE_SQLITE_SCHEDULE_H
#define PENSTOCK_STORE_SQLITE_SCHEDULE_H

#include "store/sqlite_private.h"

/* What a change compares with, of a schedule that is there (rowid > 0). */
struct schedule_look {
    sqlite3_int64 rowid;
    uint64_t version;
    int64_t next_at;
    bool paused;
    uint64_t job, left_out;
    enum job_state last_state;
    bool has_problem;
    bool same; /* its spec is that of the row that is put */
};

int write_schedules(struct sqlite *s, struct store_schedule_put *call);
int write_pass(struct sqlite *s, struct store_schedule_pass *call);
/* May the run of this submit be made? If not, the call has its result. */
int check_schedule_run(struct sqlite *s, struct store_submit *call, struct schedule_look *ret_look);
int write_schedule_run(struct sqlite *s, struct store_submit *call,
                       const struct schedule_look *look);
int write_schedule_end(struct sqlite *s, const struct store_finish *call);

int read_schedules(struct sqlite *s, struct store_schedules *call);
int read_schedules_named(struct sqlite *s, struct store_schedule_get *call);
/* NULL: there is none, or no memory for it. */
int read_schedule(struct sqlite *s, const char *name, struct store_schedule **ret_row);

#endif
