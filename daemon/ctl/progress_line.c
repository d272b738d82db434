#include "ctl/progress_line.h"
#include "base/clock.h"
#include "ctl/out.h"
#include "ctl/text.h"
#include "ctl/when.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* A sample's weight falls to 1/e after so long. */
#define MEMORY_SECONDS 3.0

void rate_sample(struct rate *rate, uint64_t job, int64_t bytes, uint64_t now_ns)
{
    if (rate->at == 0 || rate->job != job || bytes < rate->bytes) {
        *rate = (struct rate){.job = job, .bytes = bytes, .at = now_ns ? now_ns : 1};
        return;
    }
    double seconds = (double)(now_ns - rate->at) / 1e9;
    if (seconds < 0.001)
        return;
    double now = (double)(bytes - rate->bytes) / seconds;
    double keep = rate->known ? exp(-seconds / MEMORY_SECONDS) : 0;
    rate->per_second = rate->per_second * keep + now * (1 - keep);
    rate->known = true;
    rate->bytes = bytes;
    rate->at = now_ns;
}

static void put_bytes(struct buf *b, const struct job_view *view, const struct rate *rate)
{
    buf_puts(b, "  ");
    text_put_bytes(b, (double)view->bytes);
    if (view->length > 0) {
        buf_puts(b, " of ");
        text_put_bytes(b, (double)view->length);
    }
    if (rate->known) {
        buf_puts(b, "  ");
        text_put_bytes(b, rate->per_second);
        buf_puts(b, "/s");
    }
}

static void put_left(struct buf *b, double seconds)
{
    buf_puts(b, "  ");
    if (seconds < 59.5)
        buf_printf(b, "%.0f s", ceil(seconds));
    else
        text_put_seconds(b, seconds);
    buf_puts(b, " left");
}

/* What it waits for; where that is a time, until then. */
static void put_reason(struct buf *b, const struct job_view *view)
{
    struct error ignored;
    int64_t due, now = clock_real_us();
    bool again = strcmp(view->waiting_for, "retry") == 0;
    if (!view->waiting_for[0])
        return;
    if ((again || strcmp(view->waiting_for, "not_before") == 0) &&
        when_parse(view->due, now, 1, &due, &ignored) == 0) {
        buf_puts(b, again ? "  tried again in " : "  begins in ");
        buf_printf(b, "%.0f s", due > now ? ceil((double)(due - now) / 1e6) : 0.0);
        return;
    }
    if (view->host_retry_in > 0) {
        buf_printf(b, "  host broken, tried again in %.0f s", ceil(view->host_retry_in));
        return;
    }
    if (strcmp(view->waiting_for, "user") == 0) {
        buf_puts(b, "  waits for others of its user (max_running)");
        return;
    }
    buf_puts(b, "  waits for ");
    text_put_safe(b, view->waiting_for, strlen(view->waiting_for));
}

void progress_put(struct buf *b, const struct job_view *view, const struct rate *rate, size_t ended,
                  size_t total)
{
    if (total > 1)
        buf_printf(b, "[%zu/%zu] ", ended, total);
    buf_printf(b, "%llu ", (unsigned long long)view->id);
    text_put_safe(b, view->state, strlen(view->state));
    if (view->bytes >= 0)
        put_bytes(b, view, rate);
    if (view->records >= 0)
        buf_printf(b, "  %lld record%s", (long long)view->records, view->records == 1 ? "" : "s");
    if (view->length > view->bytes && view->bytes >= 0 && rate->known && rate->per_second >= 1)
        put_left(b, (double)(view->length - view->bytes) / rate->per_second);
    put_reason(b, view);
}

void progress_init(struct progress *p, const char *path)
{
    struct error ignored;
    *p = (struct progress){.conn = {.wire.fd = -1}};
    if (!out_has_status() || wire_open(&p->conn.wire, path, &ignored) < 0)
        return;
    p->conn.unwatched = true;
    p->on = true;
    p->due = clock_now() + PROGRESS_MS * NS_PER_MS;
}

void progress_deinit(struct progress *p)
{
    if (p->on)
        out_status("", 0);
    wire_close(&p->conn.wire);
    p->on = false;
}

int progress_timeout(const struct progress *p)
{
    if (!p->on)
        return -1;
    uint64_t now = clock_now();
    return now >= p->due ? 0 : (int)((p->due - now) / NS_PER_MS) + 1;
}

static void draw(struct progress *p, const json_t *job, size_t ended, size_t total)
{
    struct job_view view;
    struct buf line = BUF_INIT;
    job_view_read(job, &view);
    if (view.bytes >= 0)
        rate_sample(&p->rate, view.id, view.bytes, clock_now());
    progress_put(&line, &view, &p->rate, ended, total);
    if (!line.failed)
        out_status(line.data, line.len);
    buf_deinit(&line);
}

int progress_tick(struct progress *p, uint64_t id, size_t ended, size_t total)
{
    struct answer answer;
    struct error ignored;
    if (!p->on || id == 0 || clock_now() < p->due)
        return 0;
    p->due = clock_now() + PROGRESS_MS * NS_PER_MS;
    int r =
        conn_call(&p->conn, "show", json_pack("{s:I}", "id", (json_int_t)id), &answer, &ignored);
    if (r < 0) {
        if (r != -EINTR)
            progress_deinit(p);
        return r == -EINTR ? r : 0;
    }
    if (answer.result)
        draw(p, answer.result, ended, total);
    answer_deinit(&answer);
    return 0;
}
