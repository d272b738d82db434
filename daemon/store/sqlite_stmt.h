/* Prepared statements, and rows. */
#ifndef PENSTOCK_STORE_SQLITE_STMT_H
#define PENSTOCK_STORE_SQLITE_STMT_H

#include "store/sqlite_private.h"

int stmts_prepare(struct sqlite *s, struct error *err);
void stmts_finalize(struct sqlite *s);

/* Runs a statement that has its values bound and gives no rows, and resets it. 0, or the
 * transaction is at fault: a negative errno. */
int stmt_run(struct sqlite *s, enum stmt which);
/* One step: 1 a row, 0 none (it is reset), or a negative errno (reset, too). */
int stmt_step(struct sqlite *s, enum stmt which);
void stmt_reset(struct sqlite *s, enum stmt which);
/* Notes why the transaction cannot go on. The errno. */
int sqlite_fault(struct sqlite *s, int rc);

/* The figures that the table `counts` has, by its `state`: those of the states, then these. */
enum {
    SQLITE_PENDING_BYTES = JOB_STATE_COUNT_,
    SQLITE_SCHEDULES,
    SQLITE_SCHEDULES_FAILING,
    SQLITE_SCHEDULES_PAUSED,
    SQLITE_SCHEDULE_VERSION,
    SQLITE_SEEN,
    SQLITE_FIGURES
};
uint64_t *sqlite_figure(struct store_counts *counts, int which);

/* The columns that each row statement begins with, and the row in them; strings are SQLite's, until
 * the statement is stepped or reset. The verdict is not among them. */
#define ROW_COLUMNS                                                                     \
    "j.id,j.attempt,j.state,j.priority,j.rank,j.uid,j.gid,j.created,j.due,j.finished,"  \
    "j.retry_of,j.finish_seq,j.error,j.host,j.parser,j.key,j.labels,j.spec,j.schedule," \
    "j.interrupted,j.torn,j.ran"
enum { ROW_COLUMN_COUNT = 22 };
void stmt_row(sqlite3_stmt *stmt, struct store_job *ret_job);
/* A text, or NULL, that lives until the statement has run. */
int stmt_bind_text(sqlite3_stmt *stmt, int at, const char *value);

#endif
