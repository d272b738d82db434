/* metrics: what the kernel says of the process is read on a thread of libuv's pool before, and the
 * schedules that are named are read from the store. Without an answer of the store the others stand
 * there all the same. */
#include "api/call_metrics.h"

#include "api/call.h"
#include "api/metrics_text.h"
#include "base/self.h"
#include "job/job.h"
#include "store/schedule_row.h"

#include <stdlib.h>
#include <string.h>

struct metrics_call {
    uv_work_t work;
    struct api_call *call;
    enum metric_format format;
    struct self self;
    struct store_schedules schedules;
};

static void look(uv_work_t *work)
{
    self_look(&container_of(work, struct metrics_call, work)->self);
}

static void on_listed(struct mail *mail)
{
    struct metrics_call *m = container_of(mail, struct metrics_call, schedules.call.mail);
    struct buf text = BUF_INIT;
    metrics_text(m->call->api, m->format, &m->self, &m->schedules, &text);
    call_reply(m->call, text.failed ? NULL : json_stringn(text.data, text.len));
    buf_deinit(&text);
    store_schedules_free(m->schedules.rows, m->schedules.count);
    free(m);
}

static void on_looked(uv_work_t *work, int status)
{
    struct metrics_call *m = container_of(work, struct metrics_call, work);
    struct store *store = m->call->api->jobs->config.store;
    (void)status;
    m->schedules = (struct store_schedules){.brief = true, .limit = METRICS_SCHEDULES};
    mail_init(&m->schedules.call.mail, on_listed);
    store->engine->schedules(store, &m->schedules);
}

void call_metrics(struct api_call *call)
{
    const json_t *format = json_object_get(call->params, "format");
    const char *name = json_string_value(format);
    size_t known = format ? 1 : 0;
    bool old = name && strcmp(name, "prometheus") == 0;
    if (json_object_size(call->params) > known ||
        (format && !old && (!name || strcmp(name, "openmetrics") != 0))) {
        call_fail(call, API_INVALID_PARAMS, "format",
                  "format: openmetrics or prometheus is wanted, and nothing else");
        return;
    }
    struct metrics_call *m = calloc(1, sizeof *m);
    if (!m) {
        call_reply(call, NULL);
        return;
    }
    m->call = call;
    m->format = old ? METRIC_PROMETHEUS : METRIC_OPENMETRICS;
    if (uv_queue_work(call->api->jobs->config.loop, &m->work, look, on_looked) < 0) {
        free(m);
        call_reply(call, NULL);
    }
}
