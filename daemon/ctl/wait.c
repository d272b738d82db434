/* One `wait` a job, a few under way at once: so a job's verdict is told when it is there, and an id
 * that is unknown spoils nothing for the others. */
#include "ctl/wait.h"
#include "ctl/job_text.h"
#include "ctl/out.h"
#include "ctl/progress_line.h"
#include "ctl/slice.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define WINDOW 64

struct waiting {
    struct ctl *ctl;
    const uint64_t *ids;
    size_t count, sent, answered;
    struct progress progress;
    int status;
};

int wait_interrupted(uint64_t id, size_t count)
{
    if (count == 1)
        out_error("interrupted; job %" PRIu64 " goes on (penstockctl wait %" PRIu64 ")", id, id);
    else if (count > 1)
        out_error("interrupted; %zu jobs go on", count);
    else
        out_error("interrupted");
    return EXIT_INTERRUPTED;
}

static int send_waits(struct waiting *w, struct error *err)
{
    while (w->sent < w->count && w->sent - w->answered < WINDOW) {
        uint64_t request;
        json_t *params = json_pack("{s:[I]}", "ids", (json_int_t)w->ids[w->sent]);
        int r = wire_send(&w->ctl->conn.wire, "wait", params, &request, err);
        if (r < 0)
            return r;
        w->sent++;
    }
    return 0;
}

void wait_put_raw(const struct answer *answer)
{
    struct slice result, jobs, job;
    size_t pos = 0;
    if (!slice_member((struct slice){answer->text, answer->len}, "result", &result) ||
        !slice_member(result, "jobs", &jobs))
        return;
    while (slice_item(jobs, &pos, &job))
        out_json(job.p, job.len);
}

static int told(struct waiting *w, const struct answer *answer)
{
    struct buf text = BUF_INIT;
    size_t i;
    json_t *job;
    int status = EXIT_ALL_WELL;
    json_array_foreach(json_object_get(answer->result, "jobs"), i, job)
    {
        struct job_view view;
        job_view_read(job, &view);
        if (!view.done)
            status = EXIT_JOB_FAILED;
        job_put_verdict(&text, &view);
        if (!view.done && out_is_terminal())
            job_put_way_on(&text, view.id);
        buf_putc(&text, '\n');
    }
    if (w->ctl->json)
        wait_put_raw(answer);
    else
        out_take(&text);
    buf_deinit(&text);
    return status;
}

static int take_line(struct waiting *w, const char *line, size_t len)
{
    struct answer answer;
    int r = answer_read(line, len, &answer);
    if (r != 0)
        return r < 0 ? r : 0;
    uint64_t id = w->ids[w->answered++];
    int status = EXIT_REFUSED;
    if (answer.result)
        status = told(w, &answer);
    else
        out_error("%" PRIu64 ": %s", id, answer.message);
    w->status = ctl_worse(w->status, status);
    answer_deinit(&answer);
    return 0;
}

static int step(struct waiting *w, struct error *err)
{
    struct conn *conn = &w->ctl->conn;
    char *line;
    size_t len;
    int r = send_waits(w, err);
    if (r < 0)
        return r;
    while (r >= 0 && w->answered < w->count && (r = wire_line(&conn->wire, &line, &len)) > 0)
        r = take_line(w, line, len);
    if (r == 0 && w->answered < w->sent) { /* else it is our turn */
        r = progress_tick(&w->progress, w->ids[w->answered], w->answered, w->count);
        if (r == 0)
            r = conn_poll(conn, NULL, 0, progress_timeout(&w->progress));
    }
    return r < 0 ? wire_explain(&conn->wire, r, err) : 0;
}

int wait_for(struct ctl *ctl, const uint64_t *ids, size_t count)
{
    struct waiting w = {.ctl = ctl, .ids = ids, .count = count};
    struct error err;
    int r = 0;
    progress_init(&w.progress, ctl->conn.wire.path);
    while (r == 0 && w.answered < count)
        r = step(&w, &err);
    progress_deinit(&w.progress);
    if (r == -EINTR)
        return wait_interrupted(ids[w.answered], count - w.answered);
    if (r == -ETIMEDOUT && (ctl->conn.heard || conn_answers(&ctl->conn)))
        error_set(&err, r, "job %" PRIu64 " has not ended within --timeout, and goes on",
                  ids[w.answered]);
    if (r < 0)
        return ctl_worse(w.status, ctl_fail(r, &err));
    return w.status;
}
