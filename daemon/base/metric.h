/* Figures as text: OpenMetrics 1.0, or the older text format of Prometheus (0.0.4), which
 * node_exporter's textfile collector reads. Samples go behind the line of their family at once, so
 * a family is begun and finished before the next. */
#ifndef PENSTOCK_BASE_METRIC_H
#define PENSTOCK_BASE_METRIC_H

#include "base/buf.h"

#include <stdint.h>

/* --- histograms of durations ------------------------------------------------------------------ */

#define HISTOGRAM_BOUNDS 19 /* from 100 µs to two hours */

/* How many were in each bucket (the last: above all bounds), and their sum. One thread's, or under
 * the owner's lock. */
struct histogram {
    uint64_t counts[HISTOGRAM_BOUNDS + 1];
    uint64_t sum_ns;
};
void histogram_add(struct histogram *histogram, uint64_t ns);

/* --- text ------------------------------------------------------------------------------------- */

enum metric_format { METRIC_OPENMETRICS, METRIC_PROMETHEUS };
enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

#define METRIC_OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define METRIC_PROMETHEUS_TYPE  "text/plain; version=0.0.4; charset=utf-8"

struct metric {
    struct buf *text; /* keeps -ENOMEM */
    enum metric_format format;
    /* The family that was begun. */
    enum metric_type type;
    const char *name;
};

/* A family. `name` stands without a counter's _total, and ends in _UNIT if there is a unit (else
 * NULL). The strings are kept by reference until the next. */
void metric_begin(struct metric *m, enum metric_type type, const char *name, const char *unit,
                  const char *help);

/* A sample of it. `labels` is `a="b",c="d"` (metric_label), or NULL. */
void metric_u64(struct metric *m, const char *labels, uint64_t value);
void metric_real(struct metric *m, const char *labels, double value);
void metric_seconds(struct metric *m, const char *labels, uint64_t ns);
void metric_histogram(struct metric *m, const char *labels, const struct histogram *histogram);

/* A label with any text as its value. */
void metric_label(struct buf *labels, const char *name, const char *value);

/* The text is complete. */
void metric_end(struct metric *m);

#endif
