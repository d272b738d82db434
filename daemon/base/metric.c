#include "base/metric.h"

#include "base/clock.h"

#include <inttypes.h>

/* One set for all: a connection, a commit and a day's download are told apart within a factor of
 * five at most. */
static const struct {
    uint64_t ns;
    const char *text;
} bounds[HISTOGRAM_BOUNDS] = {
    {100000, "0.0001"},
    {500000, "0.0005"},
    {1 * NS_PER_MS, "0.001"},
    {25 * NS_PER_MS / 10, "0.0025"},
    {5 * NS_PER_MS, "0.005"},
    {10 * NS_PER_MS, "0.01"},
    {25 * NS_PER_MS, "0.025"},
    {50 * NS_PER_MS, "0.05"},
    {100 * NS_PER_MS, "0.1"},
    {250 * NS_PER_MS, "0.25"},
    {500 * NS_PER_MS, "0.5"},
    {1 * NS_PER_SEC, "1.0"},
    {25 * NS_PER_SEC / 10, "2.5"},
    {5 * NS_PER_SEC, "5.0"},
    {10 * NS_PER_SEC, "10.0"},
    {60 * NS_PER_SEC, "60.0"},
    {300 * NS_PER_SEC, "300.0"},
    {1800 * NS_PER_SEC, "1800.0"},
    {7200 * NS_PER_SEC, "7200.0"},
};

void histogram_add(struct histogram *histogram, uint64_t ns)
{
    size_t i = 0;
    while (i < HISTOGRAM_BOUNDS && ns > bounds[i].ns)
        i++;
    histogram->counts[i]++;
    histogram->sum_ns += ns;
}

static const char *type_name(enum metric_type type)
{
    return type == METRIC_COUNTER ? "counter" : type == METRIC_GAUGE ? "gauge" : "histogram";
}

/* In the older format the name of a counter is its samples' name. */
static const char *family_suffix(const struct metric *m)
{
    return m->type == METRIC_COUNTER && m->format == METRIC_PROMETHEUS ? "_total" : "";
}

void metric_begin(struct metric *m, enum metric_type type, const char *name, const char *unit,
                  const char *help)
{
    m->type = type;
    m->name = name;
    const char *suffix = family_suffix(m);
    buf_printf(m->text, "# TYPE %s%s %s\n", name, suffix, type_name(type));
    if (unit && m->format == METRIC_OPENMETRICS)
        buf_printf(m->text, "# UNIT %s %s\n", name, unit);
    buf_printf(m->text, "# HELP %s%s %s\n", name, suffix, help);
}

static void put_name(struct metric *m, const char *suffix, const char *labels)
{
    buf_puts(m->text, m->name);
    buf_puts(m->text, suffix);
    if (labels && labels[0])
        buf_printf(m->text, "{%s}", labels);
    buf_putc(m->text, ' ');
}

static const char *sample_suffix(const struct metric *m)
{
    return m->type == METRIC_COUNTER ? "_total" : "";
}

void metric_u64(struct metric *m, const char *labels, uint64_t value)
{
    put_name(m, sample_suffix(m), labels);
    buf_printf(m->text, "%" PRIu64 "\n", value);
}

void metric_real(struct metric *m, const char *labels, double value)
{
    put_name(m, sample_suffix(m), labels);
    buf_printf(m->text, "%.15g\n", value);
}

static void put_seconds(struct metric *m, uint64_t ns)
{
    buf_printf(m->text, "%" PRIu64 ".%09" PRIu64 "\n", ns / NS_PER_SEC, ns % NS_PER_SEC);
}

void metric_seconds(struct metric *m, const char *labels, uint64_t ns)
{
    put_name(m, sample_suffix(m), labels);
    put_seconds(m, ns);
}

void metric_histogram(struct metric *m, const char *labels, const struct histogram *histogram)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        count += histogram->counts[i];
        buf_printf(m->text, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", m->name, labels ? labels : "",
                   labels ? "," : "", i < HISTOGRAM_BOUNDS ? bounds[i].text : "+Inf", count);
    }
    put_name(m, "_count", labels);
    buf_printf(m->text, "%" PRIu64 "\n", count);
    put_name(m, "_sum", labels);
    put_seconds(m, histogram->sum_ns);
}

void metric_label(struct buf *labels, const char *name, const char *value)
{
    if (labels->len > 0)
        buf_putc(labels, ',');
    buf_printf(labels, "%s=\"", name);
    for (; *value; value++) {
        if (*value == '\n')
            buf_puts(labels, "\\n");
        else if (*value == '"' || *value == '\\')
            buf_printf(labels, "\\%c", *value);
        else
            buf_putc(labels, *value);
    }
    buf_putc(labels, '"');
}

void metric_end(struct metric *m)
{
    if (m->format == METRIC_OPENMETRICS)
        buf_puts(m->text, "# EOF\n");
}
