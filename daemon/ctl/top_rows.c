/* A terminal that is narrow loses columns from the least telling on; what is left goes to the
 * URL. */
#include "ctl/top_rows.h"
#include "base/clock.h"
#include "base/readable.h"
#include "ctl/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BEAT_LATE 5.0 /* s; one comes each second, or so */

/* --- hosts ------------------------------------------------------------------------------------ */

static size_t host_width(const struct lay *l)
{
    return l->look->columns >= 100 ? l->look->columns / 3 : 20;
}

/* At the beginning of a line, padded. One that is too long loses its middle: names that belong
 * together often begin, and domains often end, in the same way. */
static void put_name(struct buf *line, const char *raw, size_t width)
{
    struct buf name = BUF_INIT;
    text_put_safe(&name, raw, strlen(raw));
    buf_putc(&name, '\0');
    text_put_url(line, name.failed ? "" : name.data, width);
    buf_deinit(&name);
    for (size_t i = text_width(line->data ? line->data : "", line->len); i < width; i++)
        buf_putc(line, ' ');
}

void row_add_host(struct lay *l, const json_t *host)
{
    struct buf line = BUF_INIT, queued = BUF_INIT;
    const json_t *retry_in = json_object_get(host, "retry_in");
    put_name(&line, lay_text(host, "name"), host_width(l));
    buf_printf(&queued, "%" PRIi64 "%s", lay_number(host, "queued"),
               json_is_true(json_object_get(host, "more")) ? "+" : "");
    buf_printf(&line, "%9" PRIi64 " %6" PRIi64 " %7s %9" PRIi64 "  %s", lay_number(host, "running"),
               lay_number(host, "limit"), queued.data ? queued.data : "",
               lay_number(host, "failures"), lay_text(host, "state"));
    if (json_is_number(retry_in))
        buf_printf(&line, ", tried in %.0f s", json_number_value(retry_in));
    if (lay_number(host, "redirected") > 0)
        buf_printf(&line, ", %" PRIi64 " redirected here wait", lay_number(host, "redirected"));
    const char *state = lay_text(host, "state");
    bool bad = strcmp(state, "broken") == 0;
    bool warn = strcmp(state, "paused") == 0 || strcmp(state, "probing") == 0;
    buf_deinit(&queued);
    lay_add(l, bad ? TOP_BAD : warn ? TOP_WARN : TOP_TEXT, &line);
}

void row_add_host_head(struct lay *l)
{
    lay_add_text(l, TOP_HEAD, "%-*s%9s %6s %7s %9s  %-*s", (int)host_width(l), "HOST", "RUNNING",
                 "LIMIT", "QUEUED", "FAILURES", (int)l->look->columns, "STATE");
}

/* --- jobs ------------------------------------------------------------------------------------- */

enum column {
    COL_ID,
    COL_ATTEMPT,
    COL_BAR,
    COL_BYTES,
    COL_RATE,
    COL_RECORDS,
    COL_TIME,
    COL_WAITS,
    COL_URL,
    COL_COUNT_
};

static const struct {
    const char *name;
    int width;       /* negative: to the left; 0: what is left */
    size_t shown_at; /* from so many columns on */
} columns[COL_COUNT_] = {
    [COL_ID] = {"JOB", 8, 0},          [COL_ATTEMPT] = {"TRY", 3, 70},
    [COL_BAR] = {"PROGRESS", -12, 60}, [COL_BYTES] = {"BYTES", 9, 0},
    [COL_RATE] = {"RATE", 11, 50},     [COL_RECORDS] = {"RECORDS", 9, 100},
    [COL_TIME] = {"TIME", 11, 90},     [COL_WAITS] = {"WAITS FOR", -9, 40},
    [COL_URL] = {"URL", 0, 0},
};

/* The bar is the first to be shorter. */
static int width_of(const struct lay *l, enum column c)
{
    return c == COL_BAR && l->look->columns < 100 ? -8 : columns[c].width;
}

/* Words are cut where there is no room for them; a figure that was cut would be another figure. */
static void put_cell(const struct lay *l, struct buf *line, enum column c, const char *data,
                     size_t len)
{
    int width = width_of(l, c);
    size_t room = (size_t)abs(width), used = text_width(data, len);
    if (line->len > 0)
        buf_putc(line, ' ');
    for (size_t i = used; width > 0 && i < room; i++)
        buf_putc(line, ' ');
    buf_put(line, data, width < 0 ? text_fit(data, len, room) : len);
    for (size_t i = used; width < 0 && i < room; i++)
        buf_putc(line, ' ');
}

static void put_number(struct buf *b, int64_t n)
{
    if (n >= 0)
        buf_printf(b, "%" PRIi64, n);
    else
        buf_putc(b, '-');
}

static void put_readable(const struct lay *l, struct buf *b, const char *url)
{
    struct buf text = BUF_INIT;
    if (l->look->utf8)
        readable_put_url(&text, url);
    else
        buf_puts(&text, url);
    text_put_safe(b, text.data ? text.data : "", text.len);
    b->failed |= text.failed;
    buf_deinit(&text);
}

static void put_value(const struct lay *l, struct buf *b, const struct top_row *row, enum column c)
{
    switch (c) {
    case COL_ID:
        buf_printf(b, "%" PRIu64, row->id);
        break;
    case COL_ATTEMPT:
        put_number(b, row->attempt);
        break;
    case COL_BAR:
        top_put_bar(b, row->length > 0 ? (double)row->bytes / (double)row->length : -1,
                    (size_t)-width_of(l, c), l->look->utf8);
        break;
    case COL_BYTES:
        text_put_bytes(b, (double)row->bytes);
        break;
    case COL_RATE:
        lay_put_figure(b, row->rate.known ? row->rate.per_second : -1, true);
        break;
    case COL_RECORDS:
        put_number(b, row->records);
        break;
    case COL_TIME:
        text_put_seconds(b, row->seconds);
        break;
    case COL_WAITS:
        text_put_safe(b, row->waiting_for, strlen(row->waiting_for));
        break;
    default:
        put_readable(l, b, row->url);
        break;
    }
}

/* On a screen, in what the line has left. */
static void fit_url(const struct lay *l, const struct buf *line, struct buf *url)
{
    struct buf shorter = BUF_INIT;
    size_t used = text_width(line->data ? line->data : "", line->len) + 1;
    if (!l->look->lines || !url->data || used >= l->look->columns)
        return;
    buf_putc(url, '\0');
    text_put_url(&shorter, url->data, l->look->columns - used);
    shorter.failed |= url->failed;
    buf_deinit(url);
    *url = shorter;
}

/* What it waits for besides its origin is worth a look. */
static enum top_style style_of(const struct top_row *row)
{
    if (strcmp(row->waiting_for, "sink") == 0 || strcmp(row->waiting_for, "store") == 0)
        return TOP_BAD;
    return strcmp(row->waiting_for, "parser") == 0 || strcmp(row->waiting_for, "host") == 0
               ? TOP_WARN
           : row->attempt > 1 ? TOP_WARN
                              : TOP_TEXT;
}

void row_add_job(struct lay *l, const struct top_row *row)
{
    struct buf line = BUF_INIT;
    for (enum column c = 0; c < COL_COUNT_; c++) {
        struct buf cell = BUF_INIT;
        if (l->look->columns < columns[c].shown_at)
            continue;
        put_value(l, &cell, row, c);
        if (c == COL_URL)
            fit_url(l, &line, &cell);
        const char *data = cell.data ? cell.data : "";
        size_t lead = strspn(data, " ");
        put_cell(l, &line, c, data + (c == COL_BAR ? 0 : lead),
                 cell.len - (c == COL_BAR ? 0 : lead));
        line.failed |= cell.failed;
        buf_deinit(&cell);
    }
    lay_add(l, style_of(row), &line);
}

void row_add_job_head(struct lay *l)
{
    struct buf line = BUF_INIT;
    for (enum column c = 0; c < COL_COUNT_; c++)
        if (l->look->columns >= columns[c].shown_at)
            put_cell(l, &line, c, columns[c].name, strlen(columns[c].name));
    for (size_t i = text_width(line.data ? line.data : "", line.len); i < l->look->columns; i++)
        buf_putc(&line, ' ');
    lay_add(l, TOP_HEAD, &line);
}

/* --- what failed, and schedules --------------------------------------------------------------- */

/* How long ago, or how soon: "5m". */
static void put_distance(struct buf *b, const char *stamp, int direction)
{
    int64_t us;
    if (!*stamp || clock_parse(stamp, &us) < 0) {
        buf_putc(b, '-');
        return;
    }
    double seconds = (double)(us - clock_real_us()) * direction / 1e6;
    text_put_age(b, seconds > 0 ? seconds : 0);
}

/* The URL in what the line has left. */
static void put_rest(const struct lay *l, struct buf *line, const char *raw)
{
    struct buf url = BUF_INIT;
    put_readable(l, &url, raw);
    fit_url(l, line, &url);
    buf_putc(line, ' ');
    buf_put(line, url.data ? url.data : "", url.len);
    buf_deinit(&url);
}

void row_add_failed_head(struct lay *l)
{
    lay_add_text(l, TOP_HEAD, "%8s %5s %3s %-18s %-*s", "JOB", "AGO", "TRY", "ERROR",
                 (int)l->look->columns, "URL");
}

void row_add_failed(struct lay *l, const json_t *job)
{
    struct buf line = BUF_INIT, ago = BUF_INIT;
    const json_t *error = json_object_get(json_object_get(job, "verdict"), "error");
    put_distance(&ago, lay_text(job, "finished"), -1);
    buf_printf(&line, "%8" PRIi64 " %5s %3" PRIi64 " %-18s", lay_number(job, "id"),
               ago.data ? ago.data : "", lay_number(job, "attempt"), lay_text(error, "kind"));
    put_rest(l, &line, lay_text(job, "url"));
    buf_deinit(&ago);
    lay_add(l, TOP_BAD, &line);
}

/* "failed first_byte_timeout" has 25, and where there is no room for it the kind alone is shown. */
static bool end_is_short(const struct lay *l)
{
    return l->look->columns < 100;
}

static int end_width(const struct lay *l)
{
    return end_is_short(l) ? 18 : 25;
}

static void put_end(const struct lay *l, const json_t *s, char *buf, size_t size)
{
    const json_t *last = json_object_get(s, "last");
    const char *state = lay_text(last, "state"), *kind = lay_text(last, "error");
    if (*lay_text(s, "problem"))
        snprintf(buf, size, "cannot run");
    else if (*kind && end_is_short(l))
        snprintf(buf, size, "%s", kind);
    else
        snprintf(buf, size, "%s%s%s", last ? state : "-", *kind ? " " : "", kind);
}

void row_add_schedule_head(struct lay *l)
{
    lay_add_text(l, TOP_HEAD, "%-*s %6s %6s %5s  %-*s %-*s", (int)host_width(l), "SCHEDULE", "NEXT",
                 "LAST", "RUNS", end_width(l), "END", (int)l->look->columns, "URL");
}

void row_add_schedule(struct lay *l, const json_t *s)
{
    struct buf line = BUF_INIT, next = BUF_INIT, last_at = BUF_INIT;
    const json_t *last = json_object_get(s, "last");
    char end[64];
    bool failing = json_is_true(json_object_get(s, "failing"));
    bool paused = json_is_true(json_object_get(s, "paused"));
    put_end(l, s, end, sizeof end);
    put_name(&line, lay_text(s, "name"), host_width(l));
    put_distance(&next, lay_text(s, "next"), 1);
    put_distance(&last_at, lay_text(last, "finished"), -1);
    buf_printf(&line, " %6s %6s %5" PRIi64 "  %-*.*s",
               paused      ? "paused"
               : next.data ? next.data
                           : "",
               last_at.data ? last_at.data : "", lay_number(s, "runs"), end_width(l), end_width(l),
               end);
    put_rest(l, &line, lay_text(s, "url"));
    buf_deinit(&next);
    buf_deinit(&last_at);
    lay_add(l, failing ? TOP_BAD : paused ? TOP_WARN : TOP_TEXT, &line);
}

void row_add_member_head(struct lay *l)
{
    lay_add_text(l, TOP_HEAD, "%-*s %6s %7s %7s %7s  %-10s %s", (int)host_width(l), "MEMBER",
                 "SHARDS", "RUNNING", "WORKERS", "BEAT", "CONFIG", "");
}

void row_add_member(struct lay *l, const json_t *member)
{
    struct buf line = BUF_INIT;
    char age[24];
    bool self = json_is_true(json_object_get(member, "self"));
    bool draining = json_is_true(json_object_get(member, "draining"));
    double seconds = json_number_value(json_object_get(member, "beat_age"));
    snprintf(age, sizeof age, "%.1f s", seconds);
    put_name(&line, lay_text(member, "name"), host_width(l));
    buf_printf(&line, " %6" PRIi64 " %7" PRIi64 " %7" PRIi64 " %7s  %-10.10s %s",
               lay_number(member, "shards"), lay_number(member, "running"),
               lay_number(member, "workers"), age, lay_text(member, "config"),
               draining && self ? "this, stops"
               : draining       ? "stops"
               : self           ? "this"
                                : "");
    lay_add(l, draining || seconds > BEAT_LATE ? TOP_WARN : TOP_TEXT, &line);
}
