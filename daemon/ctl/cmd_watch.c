/* wait and follow: commands that last. */
#include "ctl/cmd_watch.h"

#include "ctl/ask.h"
#include "ctl/follow.h"
#include "ctl/intr.h"
#include "ctl/out.h"
#include "ctl/progress_line.h"
#include "ctl/wait.h"

#include <errno.h>
#include <stdlib.h>

int cmd_wait(struct ctl *ctl)
{
    size_t count = ctl->args.operand_count;
    struct error err;
    uint64_t *ids = calloc(count, sizeof *ids);
    int r = ids ? 0 : error_set(&err, -ENOMEM, "out of memory");
    for (size_t i = 0; r == 0 && i < count; i++)
        r = args_id(&ctl->args, i, &ids[i], &err);
    if (r == 0)
        r = intr_catch();
    int status = r < 0 ? ctl_fail(r, &err) : ctl_connect(ctl);
    if (status == 0)
        status = wait_for(ctl, ids, count);
    free(ids);
    return status;
}

/* Prints lines until the daemon says that there will be no more. */
static int stream(struct ctl *ctl, struct follow *f, struct error *err)
{
    struct conn *conn = &ctl->conn;
    char *line;
    size_t len;
    for (;;) {
        int r = 0;
        while (!f->end && r >= 0 && (r = wire_line(&conn->wire, &line, &len)) > 0)
            r = follow_line(f, line, len);
        if (f->end)
            return 0;
        if (r == 0)
            r = conn_poll(conn, NULL, 0, -1);
        if (r < 0)
            return wire_explain(&conn->wire, r, err);
    }
}

/* The one id that is followed, for the progress line and the farewell; 0: none, or several. */
static uint64_t only_id(const struct ctl *ctl)
{
    uint64_t id;
    struct error ignored;
    return ctl->args.operand_count == 1 && args_id(&ctl->args, 0, &id, &ignored) == 0 ? id : 0;
}

static int follow_with(struct ctl *ctl, struct follow *f, json_t *params)
{
    struct answer answer;
    struct error err;
    json_t *events = follow_events(f);
    if (events && json_object_set_new(params, "events", events) < 0) {
        json_decref(params);
        error_set(&err, -ENOMEM, "out of memory");
        return ctl_fail(-ENOMEM, &err);
    }
    int status = ctl_ask(ctl, "follow", params, &answer);
    if (status != 0)
        return status;
    answer_deinit(&answer);
    int r = stream(ctl, f, &err);
    if (r == -EINTR)
        return wait_interrupted(only_id(ctl), ctl->args.operand_count);
    return r < 0 ? ctl_fail(r, &err) : f->status;
}

int cmd_follow(struct ctl *ctl)
{
    struct follow f;
    struct error err;
    json_t *params;
    int r = follow_init(&f, &ctl->args, ctl->args.operand_count > 0, &ctl->conn.wire, &err);
    if (r < 0)
        return ctl_fail(r, &err);
    r = ask_jobs(&ctl->args, true, &params, &err);
    if (r < 0) {
        follow_deinit(&f);
        return ctl_fail(r, &err);
    }
    int status;
    r = intr_catch();
    if (r < 0) {
        json_decref(params);
        error_set(&err, r, "SIGINT cannot be caught");
        status = ctl_fail(r, &err);
    } else {
        status = follow_with(ctl, &f, params);
    }
    follow_deinit(&f);
    return status;
}
