/* An attempt's reader: what its task is, and the worker that runs it. On the fetch loop, but for what says that it
 * is called on the worker's thread. */
#include "attempt/attempt.h"

#include "base/fd.h"
#include "base/list.h"
#include "parse/process.h"

#include <string.h>

static int emit_record(struct parse_task *task, const char *json, size_t len)
{
    struct attempt *a = container_of(task, struct attempt, task);
    return a->hold_max ? attempt_hold(a, json, len)
                       : sink_emit(a->env->sink, &task->source, json, len);
}

/* Worker's thread: what the parser's end means, before anyone else hears of it. */
static void on_parser_done(struct parse_task *task)
{
    struct attempt *a = container_of(task, struct attempt, task);
    attempt_held(a, task->result != PENSTOCK_FAILED);
    if (task->result != PENSTOCK_FAILED)
        return;
    const char *message = task->message[0] ? task->message : "the parser gave no reason";
    enum error_kind kind = task->kind == KIND_NONE ? KIND_PARSER_FAILED : task->kind;
    if (task->line > 0)
        attempt_fail(a, kind, "line %llu: %s", (unsigned long long)task->line, message);
    else if (task->offset != PENSTOCK_NO_OFFSET)
        attempt_fail(a, kind, "byte %llu: %s", (unsigned long long)task->offset, message);
    else
        attempt_fail(a, kind, "%s", message);
}

static void run_parser(struct pool_job *job)
{
    struct attempt *a = container_of(job, struct attempt, pool_job);
    if (a->keep.max > 0)
        keep_open(&a->keep, a->env->spool_dir, a->job);
    parse_task_run(&a->task);
    attempt_parsed(a);
}

/* Processes are told of the body's end by the worker, which polls for it, and are kept from meeting one too early
 * by a second write end. */
static int prepare_process(struct attempt *a)
{
    struct parse_task *task = &a->task;
    process_attach(task, a->spec->parser->process);
    if (!task->process)
        return 0;
    int r = body_watch(a->body);
    if (r == 0)
        r = task->write_fd = fd_dup(a->pipe.fd);
    return r < 0 ? r : 0;
}

/* Worker's thread: what the control loop has to hear of. */
static void on_relay_begun(struct relay *relay)
{
    struct attempt *a = container_of(relay, struct attempt, relay);
    mailbox_post(attempt_ref(a)->env->control, &a->begun_mail);
}

static void on_relay_delivered(struct relay *relay)
{
    struct attempt *a = container_of(relay, struct attempt, relay);
    mailbox_post(attempt_ref(a)->env->control, &a->delivered_mail);
}

static void on_relay_broken(struct relay *relay, enum error_kind kind, const char *message)
{
    struct attempt *a = container_of(relay, struct attempt, relay);
    if (attempt_fail(a, kind, "%s", message))
        mailbox_post(attempt_ref(a)->env->control, &a->broken_mail);
}

/* The body goes on to a command of a client's, whose pipe the worker writes to. */
static int prepare_command(struct attempt *a)
{
    a->relay = (struct relay){.out = a->run_fd,
                              .begun = on_relay_begun,
                              .delivered = on_relay_delivered,
                              .broken = on_relay_broken};
    a->run_fd = -1;
    relay_attach(&a->task, &a->relay);
    return body_watch(a->body);
}

/* What only a parser of ours can give: records to hold back, a body to keep. */
static void prepare_parser(struct attempt *a)
{
    const struct job_params *p = &a->spec->effective;
    if (p->deliver == DELIVER_COMMIT)
        a->hold_max = p->commit_max;
    if (p->keep_body == KEEP_BODY_FAILED) {
        a->keep.max = a->env->spool_max;
        a->task.tee = keep_take;
        a->task.tee_arg = &a->keep;
    }
}

static int prepare_task(struct attempt *a, int read_fd)
{
    struct parse_task *task = &a->task;
    task->parser = a->spec->parser->impl;
    task->body = a->body;
    task->read_fd = read_fd;
    task->write_fd = -1;
    task->emit = emit_record;
    task->record_bytes = a->env->max_record;
    task->drain_after_enough = a->checksum.demanded;
    task->done = on_parser_done;
    task->source.job = a->job;
    task->source.attempt = a->number;
    task->source.extra = a->extra ? a->extra : "";
    if (a->run_fd >= 0)
        return prepare_command(a);
    prepare_parser(a);
    return prepare_process(a);
}

static int start_worker(struct attempt *a)
{
    a->pool_job.work = run_parser;
    attempt_ref(a);
    atomic_store_explicit(&a->parser, PARSER_RUNNING, memory_order_release);
    atomic_store_explicit(&a->engaged, true, memory_order_release);
    int r = pool_run(a->env->pool, &a->pool_job);
    if (r == 0)
        return 0;
    atomic_store_explicit(&a->parser, PARSER_IDLE, memory_order_release);
    atomic_store_explicit(&a->engaged, false, memory_order_release);
    attempt_unref(a);
    attempt_fail(a, KIND_RESOURCES, "no thread could be had for the parser: %s", strerror(-r));
    return r;
}

int attempt_engage(struct attempt *a, int read_fd)
{
    int r = prepare_task(a, read_fd);
    if (r < 0)
        attempt_fail(a, KIND_RESOURCES, "no descriptor could be had for the parser's process: %s",
                     strerror(-r));
    else
        r = start_worker(a);
    if (r < 0) {
        fd_close(&a->task.read_fd);
        fd_close(&a->task.write_fd);
        fd_close(&a->relay.out);
    }
    return r;
}
