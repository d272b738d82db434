/* Rows of results as structs. */
#ifndef PENSTOCK_STORE_POSTGRESQL_ROW_H
#define PENSTOCK_STORE_POSTGRESQL_ROW_H

#include "store/store.h"

#include <libpq-fe.h>

/* How many columns row_read takes, of SQL_GET to SQL_ENDED, and row_read_schedule; behind them is
 * what a statement gives besides. */
enum { ROW_COLUMNS = 24, SCHEDULE_COLUMNS = 25 };

/* A number; 0 for NULL. */
int64_t row_int(const PGresult *result, int row, int column);
/* Borrowed from the result; NULL for NULL. */
char *row_text(const PGresult *result, int row, int column);

/* The columns that every statement over jobs begins with. The texts are borrowed. */
void row_read(const PGresult *result, int row, struct store_job *ret_job);
void row_read_schedule(const PGresult *result, int row, struct store_schedule *ret_schedule);

#endif
