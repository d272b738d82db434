/* submit: jobs out, ids in, and if wanted what becomes of them. */
#include "ctl/cmd_submit.h"

#include "base/url.h"
#include "ctl/ask.h"
#include "ctl/follow.h"
#include "ctl/intr.h"
#include "ctl/out.h"
#include "ctl/progress_line.h"
#include "ctl/refused.h"
#include "ctl/submit.h"
#include "ctl/wait.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct submission {
    struct ctl *ctl;
    struct source source;
    struct submit submit;
    struct follow follow;
    struct progress progress; /* of --follow */
    bool wait, following;
    uint64_t *ids; /* of --wait: to be waited for */
    size_t id_count, id_size;
    uint64_t accepted, last_id;
    struct error told; /* the last message about an option */
    int status;
};

/* --- answers ---------------------------------------------------------------------------------- */

static int keep_id(struct submission *s, uint64_t id)
{
    if (s->following)
        return follow_expect(&s->follow, id);
    if (!s->wait)
        return 0;
    if (s->id_count == s->id_size) {
        size_t size = s->id_size ? s->id_size * 2 : 64;
        uint64_t *ids = reallocarray(s->ids, size, sizeof *ids);
        if (!ids)
            return -ENOMEM;
        s->ids = ids;
        s->id_size = size;
    }
    s->ids[s->id_count++] = id;
    return 0;
}

/* A URL that is refused may hold what should not be shown: user-info, and values of its query. */
static void tell_argument(const char *url, const char *why)
{
    const char *start = url, *at = url_find_user(url, &start);
    const char *rest = at ? at : url;
    size_t shown = strcspn(rest, "?#");
    out_error("%.*s%s%.*s%s: %s", (int)(start - url), url, at ? "***" : "", (int)shown, rest,
              rest[shown] ? "?***" : "", why);
}

/* The refused job as JSON, for --json. */
static void put_refused(const struct submit_item *item, const struct submit_reply *reply)
{
    struct buf b = BUF_INIT;
    json_t *own = reply->raw_len ? NULL : json_pack("{s:s}", "message", reply->why);
    char *text = own ? json_dumps(own, JSON_COMPACT) : NULL;
    buf_puts(&b, "{\"error\":");
    if (text)
        buf_puts(&b, text);
    else
        buf_put(&b, reply->raw_len ? reply->raw : "{}", reply->raw_len ? reply->raw_len : 2);
    if (!item->name)
        buf_printf(&b, ",\"line\":%" PRIu64, item->line);
    buf_putc(&b, '}');
    if (b.failed)
        out_take(&b);
    else
        out_json(b.data, b.len);
    buf_deinit(&b);
    free(text);
    json_decref(own);
}

/* An option that is wrong is wrong for every URL, and is told once. */
static void tell_option(struct submission *s, const struct error *text)
{
    s->status = ctl_worse(s->status, EXIT_USAGE);
    if (strcmp(s->told.text, text->text) != 0)
        out_error("%s", text->text);
    s->told = *text;
}

static void tell_refused(struct submission *s, const struct submit_item *item,
                         const struct submit_reply *reply)
{
    struct error text;
    bool usage = refusal_is_usage(&s->ctl->args, reply->code, reply->field, reply->why, &text);
    if (usage && strcmp(reply->field, "url") != 0) {
        tell_option(s, &text);
    } else {
        s->status = ctl_worse(s->status, usage ? EXIT_USAGE : EXIT_REFUSED);
        if (item->name)
            tell_argument(item->name, reply->why);
        else
            out_error("line %" PRIu64 ": %s", item->line, reply->why);
    }
    if (s->ctl->json && !s->following)
        put_refused(item, reply);
}

static int answered(struct submit *submit, const struct submit_item *item,
                    const struct submit_reply *reply)
{
    struct submission *s = submit->arg;
    if (reply->id == 0) {
        tell_refused(s, item, reply);
        return 0;
    }
    s->accepted++;
    s->last_id = reply->id;
    if (!s->following) { /* there the lines name their jobs */
        if (s->ctl->json)
            out_json(reply->raw, reply->raw_len);
        else
            out_printf("%" PRIu64 "\n", reply->id);
    }
    return keep_id(s, reply->id);
}

/* --- the loop --------------------------------------------------------------------------------- */

static int take_lines(struct submission *s, struct error *err)
{
    char *line;
    size_t len;
    int r;
    while ((r = wire_line(&s->ctl->conn.wire, &line, &len)) > 0) {
        if (s->following)
            r = follow_line(&s->follow, line, len);
        else
            r = 0;
        if (r == 0)
            r = submit_answer(&s->submit, line, len, err);
        else if (r < 0)
            wire_explain(&s->ctl->conn.wire, r, err);
        if (r < 0)
            return r;
    }
    return r < 0 ? wire_explain(&s->ctl->conn.wire, r, err) : 0;
}

static bool over(const struct submission *s)
{
    return submit_done(&s->submit) &&
           (!s->following || s->follow.end || s->follow.pending.count == 0);
}

/* Waits for the daemon, and for the source if there is room for what it has. */
static int wait_more(struct submission *s, struct error *err)
{
    struct pollfd input = {.fd = -1, .events = POLLIN};
    if (source_dry(&s->source) && submit_has_room(&s->submit))
        input.fd = s->source.fd;
    int r = progress_tick(&s->progress, s->accepted == 1 ? s->last_id : ids_any(&s->follow.pending),
                          s->follow.ended, s->accepted);
    if (r == 0)
        r = conn_poll(&s->ctl->conn, &input, 1, progress_timeout(&s->progress));
    if (r < 0)
        return wire_explain(&s->ctl->conn.wire, r, err);
    if (!(input.revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL)))
        return 0;
    r = input.revents & POLLNVAL ? -EBADF : source_read(&s->source);
    return r < 0 ? error_set(err, r, "--from: %s", strerror(-r)) : 0;
}

/* More items are there, or a read would give some. */
static bool more_at_once(const struct submission *s)
{
    struct pollfd input = {.fd = s->source.fd, .events = POLLIN};
    if (source_done(&s->source))
        return false;
    return !source_dry(&s->source) || poll(&input, 1, 0) > 0;
}

static int run(struct submission *s, struct error *err)
{
    for (;;) {
        int r = submit_fill(&s->submit, err);
        if (r == 0 && !more_at_once(s))
            r = submit_flush(&s->submit, err);
        if (r == 0)
            r = take_lines(s, err);
        if (r < 0 || over(s))
            return r;
        /* What was just answered may have made room for items that are there already. */
        if (submit_has_room(&s->submit) && !source_dry(&s->source) && !source_done(&s->source))
            continue;
        r = wait_more(s, err);
        if (r < 0)
            return r;
    }
}

/* --- the command ------------------------------------------------------------------------------ */

static int finish(struct submission *s, int r, const struct error *err)
{
    if (r == -EINTR)
        return wait_interrupted(s->last_id,
                                s->following ? s->follow.pending.count : (size_t)s->accepted);
    if (r < 0)
        return ctl_worse(s->status, ctl_fail(r, err));
    out_flush();
    int status = s->status;
    if (s->following)
        status = ctl_worse(status, s->follow.status);
    if (s->wait && s->id_count > 0)
        status = ctl_worse(status, wait_for(s->ctl, s->ids, s->id_count));
    return status;
}

static int check(const struct ctl *ctl, struct error *err)
{
    const struct args *args = &ctl->args;
    const char *from = args_value(args, OPT_FROM), *body = args_value(args, OPT_BODY);
    if (from && args->operand_count > 0)
        return error_set(err, -EINVAL,
                         "URLs come from the command line or from --from, not from both");
    if (!from && args->operand_count == 0)
        return error_set(err, -EINVAL, "`submit` needs a URL: penstockctl submit %s",
                         args->command->synopsis);
    if (from && body && strcmp(from, "-") == 0 && strcmp(body, "-") == 0)
        return error_set(err, -EINVAL, "--from and --body cannot both be standard input");
    if (args_has(args, OPT_WAIT) && args_has(args, OPT_FOLLOW))
        return error_set(err, -EINVAL, "--wait and --follow: choose one (--follow waits as well)");
    if (!args_has(args, OPT_FOLLOW) && args_has_group(args, GROUP_STREAM))
        return error_set(err, -EINVAL, "--events and --data belong to --follow");
    return 0;
}

static int submit_with(struct submission *s)
{
    struct error err;
    int r = s->wait || s->following ? intr_catch() : 0;
    if (r == 0)
        r = submit_init(&s->submit);
    if (r < 0) {
        error_set(&err, r, "%s", strerror(-r));
    } else {
        if (s->following)
            progress_init(&s->progress, s->ctl->conn.wire.path);
        r = run(s, &err);
        progress_deinit(&s->progress);
    }
    int status = finish(s, r, &err);
    submit_deinit(&s->submit);
    free(s->ids);
    return status;
}

/* Records of whole bodies: they are kept, and stand in the log once the job is done. */
static int keep_whole(json_t *common)
{
    int r = json_object_set_new(common, "keep_records", json_string("yes"));
    if (r == 0 && !json_object_get(common, "deliver"))
        r = json_object_set_new(common, "deliver", json_string("commit"));
    return r;
}

int cmd_submit(struct ctl *ctl)
{
    const struct args *args = &ctl->args;
    struct submission s = {.ctl = ctl, .progress = {.conn = {.wire.fd = -1}}};
    struct error err;
    json_t *common = NULL;
    int r = check(ctl, &err), status;
    s.wait = args_has(args, OPT_WAIT);
    s.following = args_has(args, OPT_FOLLOW);
    if (r == 0)
        r = follow_init(&s.follow, args, true, &ctl->conn.wire, &err);
    if (r < 0)
        return ctl_fail(r, &err);
    r = source_init(&s.source, args_value(args, OPT_FROM), args->operands, args->operand_count,
                    &err);
    if (r == 0)
        r = ask_options(args, GROUP_JOB | GROUP_PARSED, &common, &err);
    if (r == 0 && s.follow.whole && keep_whole(common) < 0)
        r = error_set(&err, -ENOMEM, "out of memory");
    status = r < 0 ? ctl_fail(-EINVAL, &err) : ctl_connect(ctl);
    s.follow.track = true;
    s.submit = (struct submit){.conn = &ctl->conn,
                               .source = &s.source,
                               .common = common,
                               .follow = s.following,
                               .events = follow_events(&s.follow),
                               .batch_size = SUBMIT_BATCH,
                               .answered = answered,
                               .arg = &s};
    if (status == 0)
        status = submit_with(&s);
    json_decref(s.submit.events);
    json_decref(common);
    source_deinit(&s.source);
    follow_deinit(&s.follow);
    return status;
}
