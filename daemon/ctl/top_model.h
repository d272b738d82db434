/* What `top` knows: the last answer of the daemon's, and what follows from those before it: rates,
 * and their last minutes. Draws nothing. */
#ifndef PENSTOCK_CTL_TOP_MODEL_H
#define PENSTOCK_CTL_TOP_MODEL_H

#include "ctl/progress_line.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOP_HISTORY 240 /* samples that a graph can show */

/* One figure as time goes by, the newest last. */
struct top_series {
    double values[TOP_HISTORY];
    size_t count;
};

enum top_sort { TOP_BY_TIME, TOP_BY_RATE, TOP_BY_BYTES, TOP_BY_HOST, TOP_SORT_COUNT_ };
const char *top_sort_name(enum top_sort sort);

/* A running job. Strings are borrowed from the answer, and "" where it has none; numbers are -1
 * then. */
struct top_row {
    uint64_t id;
    int64_t attempt, bytes, length, records, resumes;
    double seconds;
    const char *url, *host, *parser, *waiting_for;
    struct rate rate;
};

/* What grows while the daemon runs. */
struct top_counts {
    int64_t bytes, records, ended;
};

struct top_model {
    json_t *answer;             /* owned; NULL: none yet */
    json_t *failed, *schedules; /* owned arrays: what lists have said; NULL: nothing yet */
    struct top_row *rows;
    size_t row_count;
    enum top_sort sort;
    char instance[64];
    uint64_t at; /* clock_now of the answer */
    struct top_counts counts;
    struct top_series bytes, records, ended; /* a second */
};

void top_model_deinit(struct top_model *m); /* takes a zeroed one */

/* Takes an answer to `top` (takes ownership of the reference), which came at `now` (clock_now). An
 * answer of another start of the daemon begins anew: its counts are not those before it. 0 or
 * -ENOMEM, and all is as before. */
int top_model_take(struct top_model *m, json_t *answer, uint64_t now);

/* Sets the order, and brings the rows into it. */
void top_model_sort(struct top_model *m, enum top_sort sort);

/* The last value; negative: there is none yet. */
double top_series_last(const struct top_series *s);
/* The greatest of the last `count`; 0: there is none. */
double top_series_peak(const struct top_series *s, size_t count);

#endif
