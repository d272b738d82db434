/* The tables of `top`: a line for each job, host, failure and schedule, and the line above them. */
#ifndef PENSTOCK_CTL_TOP_ROWS_H
#define PENSTOCK_CTL_TOP_ROWS_H

#include "ctl/top_lines.h"

void row_add_job_head(struct lay *l);
void row_add_job(struct lay *l, const struct top_row *row);
void row_add_host_head(struct lay *l);
void row_add_host(struct lay *l, const json_t *host);
void row_add_failed_head(struct lay *l);
void row_add_failed(struct lay *l, const json_t *job);
void row_add_schedule_head(struct lay *l);
void row_add_schedule(struct lay *l, const json_t *schedule);
void row_add_member_head(struct lay *l);
void row_add_member(struct lay *l, const json_t *member);

#endif
