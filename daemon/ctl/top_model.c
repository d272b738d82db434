#include "ctl/top_model.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const sort_names[TOP_SORT_COUNT_] = {"time", "rate", "bytes", "host"};

const char *top_sort_name(enum top_sort sort)
{
    return sort_names[sort];
}

void top_model_deinit(struct top_model *m)
{
    json_decref(m->answer);
    json_decref(m->failed);
    json_decref(m->schedules);
    free(m->rows);
    *m = (struct top_model){0};
}

/* --- series ----------------------------------------------------------------------------------- */

static void series_add(struct top_series *s, double value)
{
    if (s->count == TOP_HISTORY)
        memmove(s->values, s->values + 1, --s->count * sizeof s->values[0]);
    s->values[s->count++] = value > 0 ? value : 0;
}

double top_series_last(const struct top_series *s)
{
    return s->count > 0 ? s->values[s->count - 1] : -1;
}

double top_series_peak(const struct top_series *s, size_t count)
{
    double peak = 0;
    for (size_t i = count < s->count ? s->count - count : 0; i < s->count; i++)
        if (s->values[i] > peak)
            peak = s->values[i];
    return peak;
}

/* --- rows ------------------------------------------------------------------------------------- */

static const char *text(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    return s ? s : "";
}

static int64_t number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? (int64_t)json_number_value(value) : -1;
}

static struct top_row row_of(const json_t *job)
{
    const json_t *seconds = json_object_get(job, "seconds");
    int64_t id = number(job, "id");
    return (struct top_row){
        .id = id > 0 ? (uint64_t)id : 0,
        .attempt = number(job, "attempt"),
        .bytes = number(job, "bytes"),
        .length = number(job, "length"),
        .records = number(job, "records"),
        .resumes = number(job, "resumes"),
        .seconds = json_is_number(seconds) ? json_number_value(seconds) : -1,
        .url = text(job, "url"),
        .host = text(job, "host"),
        .parser = text(job, "parser"),
        .waiting_for = text(job, "waiting_for"),
    };
}

static const struct top_row *find(const struct top_row *rows, size_t count, uint64_t id)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].id == id)
            return &rows[i];
    return NULL;
}

static int compare(const void *x, const void *y, void *arg)
{
    const struct top_row *a = x, *b = y;
    double diff = 0;
    int order = 0;
    switch (*(enum top_sort *)arg) {
    case TOP_BY_RATE:
        diff = b->rate.per_second - a->rate.per_second;
        break;
    case TOP_BY_BYTES:
        diff = (double)(b->bytes - a->bytes);
        break;
    case TOP_BY_HOST:
        order = strcmp(a->host, b->host);
        break;
    default:
        diff = b->seconds - a->seconds;
        break;
    }
    if (diff != 0)
        order = diff > 0 ? 1 : -1;
    return order ? order : a->id < b->id ? -1 : a->id > b->id;
}

void top_model_sort(struct top_model *m, enum top_sort sort)
{
    m->sort = sort;
    if (m->row_count > 0)
        qsort_r(m->rows, m->row_count, sizeof *m->rows, compare, &m->sort);
}

static int take_rows(struct top_model *m, const json_t *answer, bool same, uint64_t now)
{
    json_t *job, *list = json_object_get(answer, "running");
    size_t i, count = json_array_size(list);
    struct top_row *rows = calloc(count ? count : 1, sizeof *rows);
    if (!rows)
        return -ENOMEM;
    json_array_foreach(list, i, job)
    {
        rows[i] = row_of(job);
        const struct top_row *old = same ? find(m->rows, m->row_count, rows[i].id) : NULL;
        if (old && old->attempt == rows[i].attempt)
            rows[i].rate = old->rate;
        if (rows[i].bytes >= 0)
            rate_sample(&rows[i].rate, rows[i].id, rows[i].bytes, now);
    }
    free(m->rows);
    m->rows = rows;
    m->row_count = count;
    return 0;
}

/* --- the whole -------------------------------------------------------------------------------- */

static struct top_counts counts_of(const json_t *answer)
{
    const json_t *totals = json_object_get(answer, "totals");
    return (struct top_counts){
        .bytes = number(json_object_get(answer, "fetch"), "bytes"),
        .records = number(totals, "records"),
        .ended = number(totals, "done") + number(totals, "failed") + number(totals, "cancelled"),
    };
}

static void add_samples(struct top_model *m, const struct top_counts *new, double seconds)
{
    series_add(&m->bytes, (double)(new->bytes - m->counts.bytes) / seconds);
    series_add(&m->records, (double)(new->records - m->counts.records) / seconds);
    series_add(&m->ended, (double)(new->ended - m->counts.ended) / seconds);
}

int top_model_take(struct top_model *m, json_t *answer, uint64_t now)
{
    const char *instance = text(answer, "instance");
    struct top_counts counts = counts_of(answer);
    bool same = m->answer && strcmp(instance, m->instance) == 0;
    double seconds = (double)(now - m->at) / (double)NS_PER_SEC;
    if (take_rows(m, answer, same, now) < 0) {
        json_decref(answer);
        return -ENOMEM;
    }
    if (same && seconds > 0.001)
        add_samples(m, &counts, seconds);
    snprintf(m->instance, sizeof m->instance, "%s", instance);
    json_decref(m->answer);
    m->answer = answer;
    m->counts = counts;
    m->at = now;
    top_model_sort(m, m->sort);
    return 0;
}
