#include "control/page.h"

#include "base/json_read.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "control/page_html.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define JOBS_SHOWN     50
#define FAILURES_SHOWN 10
#define FAILING_SHOWN  50

/* One page in the making: asked in this order, each after the one before has answered. */
enum step { STEP_TOP, STEP_LOOPS, STEP_FAILURES, STEP_SCHEDULES, STEP_COUNT };

struct making {
    struct page_source *source;
    enum page_kind kind;
    struct api_call call;
    json_t *params;
    enum step step;
    json_t *answers[STEP_COUNT]; /* NULL: refused, or not asked for */
    void (*done)(void *arg, char *text, bool good);
    void *arg;
};

struct page_source {
    struct api *api;
    bool all;
    uv_timer_t timer;
    struct making sampling; /* the timer's own */
    bool sampling_now;
    struct page_sample samples[PAGE_SAMPLES];
    size_t count;
};

static void ask(struct making *m);

/* --- samples ---------------------------------------------------------------------------------- */

static double number(const json_t *top, const char *part, const char *name)
{
    return json_number_value(json_object_get(part ? json_object_get(top, part) : top, name));
}

static struct page_sample sample_of(const json_t *top)
{
    return (struct page_sample){.at = (double)clock_now() / 1e9,
                                .running = number(top, NULL, "active"),
                                .bytes = number(top, "fetch", "bytes"),
                                .done = number(top, "totals", "done"),
                                .failed = number(top, "totals", "failed")};
}

static void keep_sample(struct page_source *source, const json_t *top)
{
    if (source->count == PAGE_SAMPLES)
        memmove(source->samples, source->samples + 1, --source->count * sizeof source->samples[0]);
    source->samples[source->count++] = sample_of(top);
}

static void on_timer(uv_timer_t *timer)
{
    struct page_source *source = timer->data;
    if (source->sampling_now)
        return;
    source->sampling_now = true;
    source->sampling = (struct making){.source = source};
    ask(&source->sampling);
}

static void sampled(struct making *m)
{
    m->source->sampling_now = false;
    if (m->answers[STEP_TOP])
        keep_sample(m->source, m->answers[STEP_TOP]);
    json_decref(m->answers[STEP_TOP]);
}

/* --- pages ------------------------------------------------------------------------------------ */

static char *html(const struct making *m)
{
    struct page_source *source = m->source;
    struct buf b = BUF_INIT;
    char now[64];
    time_t t = time(NULL);
    struct tm tm;
    strftime(now, sizeof now, "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&t, &tm));
    struct page_view view = {.top = m->answers[STEP_TOP],
                             .failures = m->answers[STEP_FAILURES],
                             .schedules = m->answers[STEP_SCHEDULES],
                             .all = source->all,
                             .samples = source->samples,
                             .sample_count = source->count,
                             .time = now};
    page_html(&b, &view);
    return buf_steal(&b);
}

/* Download loops that do not answer. */
static bool put_loops(struct buf *b, const json_t *loops)
{
    const json_t *late = json_object_get(loops, "late");
    size_t i;
    json_t *which;
    buf_puts(b, "download loops: ");
    if (!json_is_array(late))
        buf_puts(b, "unknown");
    else if (json_array_size(late) == 0)
        buf_puts(b, "ok");
    json_array_foreach(late, i, which)
    {
        buf_printf(b, "%sfetch-%d", i ? ", " : "", (int)json_integer_value(which));
    }
    buf_puts(b, json_array_size(late) > 0 ? " does not answer\n" : "\n");
    return json_is_array(late) && json_array_size(late) == 0;
}

/* A line for each thing; returns whether all is well. */
static bool put_ready(struct buf *b, const json_t *top, const json_t *loops)
{
    bool answer;
    bool store = json_is_true(json_object_get(top, "store_failing"));
    bool draining = !top || json_is_true(json_object_get(top, "draining"));
    bool sinks = false;
    size_t i;
    json_t *sink;
    json_array_foreach(json_object_get(top, "sinks"), i, sink)
    {
        sinks |= json_is_true(json_object_get(sink, "failing"));
    }
    buf_puts(b, "control loop: ok\n");
    answer = put_loops(b, loops);
    buf_printf(b, "store: %s\nsinks: %s\nstopping: %s\n", store ? "fails" : "ok",
               sinks ? "fail" : "ok", draining ? "yes" : "no");
    return answer && !store && !sinks && !draining;
}

static void finish(struct making *m)
{
    bool good = true;
    char *text;
    if (m->kind == PAGE_READY) {
        struct buf b = BUF_INIT;
        good = put_ready(&b, m->answers[STEP_TOP], m->answers[STEP_LOOPS]);
        text = buf_steal(&b);
    } else if (m->kind == PAGE_HEALTH) {
        text = strdup("ok\n");
    } else {
        text = html(m);
    }
    for (int i = 0; i < STEP_COUNT; i++)
        json_decref(m->answers[i]);
    void (*done)(void *, char *, bool) = m->done;
    void *arg = m->arg;
    free(m);
    done(arg, text, good);
}

static bool wants_more(const struct making *m)
{
    if (m->kind == PAGE_READY)
        return m->step <= STEP_LOOPS;
    return m->kind == PAGE_HTML && m->source->all && m->step < STEP_COUNT;
}

static void on_answer(struct api_call *call, json_t *result, int code, const struct error *error,
                      const char *field)
{
    struct making *m = container_of(call, struct making, call);
    (void)code, (void)error, (void)field;
    json_decref(m->params);
    if (!result && call->text.len > 0)
        result = json_read(call->text.data, call->text.len, JSON_ALLOW_NUL, NULL);
    buf_deinit(&call->text);
    m->answers[m->step++] = result;
    if (m->step == STEP_LOOPS && m->kind != PAGE_READY)
        m->step++;
    if (!m->done)
        sampled(m);
    else if (wants_more(m))
        ask(m);
    else
        finish(m);
}

static void ask(struct making *m)
{
    static const enum api_method methods[] = {
        [STEP_TOP] = API_TOP,
        [STEP_LOOPS] = API_LOOPS,
        [STEP_FAILURES] = API_LIST,
        [STEP_SCHEDULES] = API_SCHEDULE_LIST,
    };
    if (m->step == STEP_TOP)
        m->params = json_pack("{s:i}", "limit", m->done && m->source->all ? JOBS_SHOWN : 1);
    else if (m->step == STEP_LOOPS)
        m->params = json_object();
    else if (m->step == STEP_FAILURES)
        m->params = json_pack("{s:s, s:i}", "state", "failed", "limit", FAILURES_SHOWN);
    else
        m->params = json_pack("{s:b, s:i}", "failing", 1, "limit", FAILING_SHOWN);
    /* As the daemon itself, which may see everything; what is shown of it is decided here. */
    m->call = (struct api_call){
        .method = methods[m->step],
        .params = m->params,
        .peer = {.uid = (uint32_t)geteuid(), .gid = (uint32_t)getegid(), .pid = getpid()},
        .fd = -1,
        .answer = on_answer};
    api_call(m->source->api, &m->call);
}

void page_make(struct page_source *source, enum page_kind kind,
               void (*done)(void *arg, char *text, bool good), void *arg)
{
    struct making *m = calloc(1, sizeof *m);
    if (!m) {
        done(arg, NULL, false);
        return;
    }
    m->source = source;
    m->kind = kind;
    m->done = done;
    m->arg = arg;
    ask(m);
}

/* --- life ------------------------------------------------------------------------------------- */

int page_source_new(uv_loop_t *loop, struct api *api, bool all, struct page_source **ret)
{
    struct page_source *source = calloc(1, sizeof *source);
    if (!source)
        return -ENOMEM;
    source->api = api;
    source->all = all;
    uv_timer_init(loop, &source->timer);
    uv_unref((uv_handle_t *)&source->timer);
    source->timer.data = source;
    uv_timer_start(&source->timer, on_timer, 0, PAGE_SAMPLE_SECONDS * 1000);
    *ret = source;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void page_source_close(struct page_source *source)
{
    if (source)
        uv_close((uv_handle_t *)&source->timer, on_closed);
}
