#include "attempt/reading.h"

#include "attempt/facts.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/json_string.h"
#include "base/list.h"
#include "parse/process.h"
#include "record/credit.h"
#include "record/sink.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_BYTES (UINT64_C(1) << 20) /* of records, for the store before their end */
#define BATCH_NS    (5 * NS_PER_SEC)    /* or fewer, after so long */

/* The one setter of `state`: false if it is not `from` any more. */
static bool reading_move(struct reading *r, enum reading_state from, enum reading_state to)
{
    assert((from == READING_IDLE && to == READING_RUNNING) ||
           (from == READING_RUNNING && to != READING_RUNNING));
    return atomic_compare_exchange_strong_explicit(&r->state, &from, to, memory_order_acq_rel,
                                                   memory_order_acquire);
}

/* --- records that are held back (`deliver = commit`), kept (`keep_records`) or stored --------- */

/* The worker alone touches the spool until its parser has returned; then it is the sink's and the
 * results', or closed unread. */

static int spool_one(struct reading *r, uint64_t seq, const char *json, size_t len,
                     struct error *err)
{
    int code = 0;
    if (r->spool.max == 0)
        code = spool_open(&r->spool, r->env->spool_dir, r->spool_max, err);
    if (code < 0)
        return code;
    code = spool_record(&r->spool, &r->task.source, seq, json, len);
    if (code == -EOVERFLOW)
        return error_set(err, code, "commit_max: the records are over %llu bytes",
                         (unsigned long long)r->spool_max);
    return code < 0 ? error_set(err, code, "the records could not be held back: %s",
                                strerrordesc_np(-code))
                    : 0;
}

static int hold_fails(struct reading *r, int code, const struct error *err)
{
    cause_fail(r->cause, code == -EOVERFLOW ? KIND_LIMIT_EXCEEDED : KIND_RESOURCES, "%s",
               err->text);
    return code;
}

static int hold_record(struct reading *r, const char *json, size_t len)
{
    struct sink_source *source = &r->task.source;
    struct error err;
    int code = spool_one(r, source->seq + 1, json, len, &err);
    return code < 0 ? hold_fails(r, code, &err) : sink_count(r->env->sink, source);
}

/* The store gets what is new in the spool, if that is worth it and has nothing to do. */
static void hand_over(struct reading *r)
{
    uint64_t now = clock_now(), size = r->spool.size;
    if (r->handed_at == 0)
        r->handed_at = now;
    if (!r->batches || atomic_load_explicit(&r->batch, memory_order_acquire) != 0)
        return;
    if (size - r->handed < BATCH_BYTES && now - r->handed_at < BATCH_NS)
        return;
    if (spool_flush(&r->spool) < 0) /* the next record tells */
        return;
    if (r->batch_fd < 0)
        r->batch_fd = fd_dup(r->spool.fd);
    if (r->batch_fd < 0) /* all come with the end */
        return;
    r->handed = size;
    r->handed_at = now;
    atomic_store_explicit(&r->batch, size, memory_order_release);
    r->ops->batch(r);
}

/* The log has it: a copy that cannot be kept costs the job nothing but the copy, unless that is
 * what the store is to have. */
static int copy_record(struct reading *r, const char *json, size_t len)
{
    struct error err;
    if (r->spool_max == 0 || r->copy_error)
        return 0;
    r->copy_error = spool_one(r, r->task.source.seq, json, len, &err);
    if (!r->copy_error) {
        hand_over(r);
        return 0;
    }
    spool_close(&r->spool);
    return r->stores ? hold_fails(r, r->copy_error, &err) : 0;
}

static void spool_end(struct reading *r, bool good)
{
    struct error err;
    if (!good)
        spool_close(&r->spool);
    int code = spool_flush(&r->spool);
    if (code == 0)
        return;
    error_set(&err, code, "the records could not be held back: %s", strerrordesc_np(-code));
    if (r->holds || r->stores)
        hold_fails(r, code, &err);
}

/* --- the worker's thread ---------------------------------------------------------------------- */

static int emit_record(struct parse_task *task, const char *json, size_t len)
{
    struct reading *r = container_of(task, struct reading, task);
    if (r->holds)
        return hold_record(r, json, len);
    int code = sink_emit(r->env->sink, &task->source, json, len);
    return code == 0 ? copy_record(r, json, len) : code;
}

/* What the parser's end means, before anyone else hears of it. */
static void on_parser_done(struct parse_task *task)
{
    struct reading *r = container_of(task, struct reading, task);
    spool_end(r, task->result != PENSTOCK_FAILED);
    if (task->result != PENSTOCK_FAILED)
        return;
    const char *message = task->message[0] ? task->message : "the parser gave no reason";
    enum error_kind kind = task->kind == KIND_NONE ? KIND_PARSER_FAILED : task->kind;
    if (task->line > 0)
        cause_fail(r->cause, kind, "line %llu: %s", (unsigned long long)task->line, message);
    else if (task->offset != PENSTOCK_NO_OFFSET)
        cause_fail(r->cause, kind, "byte %llu: %s", (unsigned long long)task->offset, message);
    else
        cause_fail(r->cause, kind, "%s", message);
}

static void run_parser(struct pool_job *job)
{
    struct reading *r = container_of(job, struct reading, pool_job);
    if (r->keep.max > 0)
        keep_open(&r->keep, r->env->spool_dir, r->job);
    parse_task_run(&r->task);
    r->ops->done(r, !reading_move(r, READING_RUNNING, READING_RETURNED));
}

static void on_relay_begun(struct relay *relay)
{
    struct reading *r = container_of(relay, struct reading, relay);
    r->ops->begun(r);
}

static void on_relay_delivered(struct relay *relay)
{
    struct reading *r = container_of(relay, struct reading, relay);
    r->ops->delivered(r);
}

static void on_relay_broken(struct relay *relay, enum error_kind kind, const char *message)
{
    struct reading *r = container_of(relay, struct reading, relay);
    if (cause_fail(r->cause, kind, "%s", message))
        r->ops->broken(r);
}

/* --- engaging it: the fetch loop -------------------------------------------------------------- */

int reading_head(struct reading *r, const char *shown_url, const struct transfer_response *response,
                 const struct encoding *encoding)
{
    assert(reading_state(r) == READING_IDLE && !r->facts);
    r->task.decode = encoding->plan;
    r->task.text = encoding->wanted;
    return facts_keep(r->spec, shown_url, response, &r->task.facts, &r->facts);
}

/* Processes are told of the body's end by the worker, which polls for it, and are kept from meeting
 * one too early by a second write end. */
static int prepare_process(struct reading *r, int write_fd)
{
    struct parse_task *task = &r->task;
    process_attach(task, r->spec->parser->process);
    if (!task->process)
        return 0;
    int code = body_watch(r->body);
    if (code == 0)
        code = task->write_fd = fd_dup(write_fd);
    return code < 0 ? code : 0;
}

/* The body goes on to a command of a client's, whose pipe the worker writes to. */
static int prepare_command(struct reading *r)
{
    r->relay = (struct relay){.out = r->run_fd,
                              .begun = on_relay_begun,
                              .delivered = on_relay_delivered,
                              .broken = on_relay_broken};
    r->run_fd = -1;
    relay_attach(&r->task, &r->relay);
    return body_watch(r->body);
}

/* What only a parser of ours can give: records to hold back, a body to keep. */
static void prepare_parser(struct reading *r)
{
    const struct job_params *p = &r->spec->effective;
    r->holds = p->deliver == DELIVER_COMMIT;
    if (r->holds || r->stores || p->keep_records)
        r->spool_max = p->commit_max;
    if (p->keep_body == KEEP_BODY_FAILED) {
        r->keep.max = r->env->spool_max;
        r->task.tee = keep_take;
        r->task.tee_arg = &r->keep;
    }
}

static int prepare_task(struct reading *r, int read_fd, int write_fd, bool drain)
{
    struct parse_task *task = &r->task;
    task->parser = r->spec->parser->impl;
    task->body = r->body;
    task->read_fd = read_fd;
    task->write_fd = -1;
    task->emit = emit_record;
    task->record_bytes = r->env->max_record;
    task->drain_after_enough = drain;
    task->done = on_parser_done;
    task->source.job = r->job;
    task->source.attempt = r->number;
    task->source.extra = r->extra ? r->extra : "";
    if (r->run_fd >= 0)
        return prepare_command(r);
    prepare_parser(r);
    return prepare_process(r, write_fd);
}

static int start_worker(struct reading *r)
{
    r->pool_job.work = run_parser;
    bool moved = reading_move(r, READING_IDLE, READING_RUNNING);
    assert(moved);
    atomic_store_explicit(&r->progress->engaged, true, memory_order_release);
    int code = pool_run(r->env->pool, &r->pool_job);
    if (code == 0)
        return 0;
    atomic_store_explicit(&r->progress->engaged, false, memory_order_release);
    reading_move(r, READING_RUNNING, READING_IDLE);
    cause_fail(r->cause, KIND_RESOURCES, "no thread could be had for the parser: %s",
               strerror(-code));
    return code;
}

int reading_engage(struct reading *r, struct body *body, int read_fd, int write_fd, bool drain)
{
    assert(reading_state(r) == READING_IDLE && !r->body);
    r->body = body_ref(body);
    int code = prepare_task(r, read_fd, write_fd, drain);
    if (code < 0)
        cause_fail(r->cause, KIND_RESOURCES,
                   "no descriptor could be had for the parser's process: %s", strerror(-code));
    else
        code = start_worker(r);
    if (code < 0) {
        fd_close(&r->task.read_fd);
        fd_close(&r->task.write_fd);
        fd_close_foreign(&r->relay.out);
    }
    return code;
}

/* --- the control loop's part ------------------------------------------------------------------ */

void reading_init(struct reading *r, const struct attempt_env *env, const struct reading_ops *ops,
                  const struct spec *spec, struct first_cause *cause, struct progress *progress,
                  uint64_t job, uint32_t number)
{
    r->env = env;
    r->ops = ops;
    r->spec = spec;
    r->cause = cause;
    r->progress = progress;
    r->job = job;
    r->number = number;
    r->run_fd = r->relay.out = r->batch_fd = -1;
}

void reading_deinit(struct reading *r)
{
    assert(reading_state(r) != READING_RUNNING);
    body_unref(r->body);
    sink_credit_unref(r->task.source.credit);
    fd_close_foreign(&r->run_fd);
    free(r->facts);
    free(r->extra);
    spool_close(&r->spool);
    fd_close(&r->batch_fd);
    keep_close(&r->keep);
}

int reading_name_schedule(struct reading *r, const char *name)
{
    struct buf b = BUF_INIT;
    buf_puts(&b, ",\"schedule\":");
    json_put_string(&b, name, strlen(name));
    r->extra = b.failed ? NULL : buf_steal(&b);
    buf_deinit(&b);
    return r->extra ? 0 : -ENOMEM;
}

void reading_store_records(struct reading *r, bool batches)
{
    assert(reading_state(r) == READING_IDLE);
    r->stores = true;
    r->batches = batches;
}

struct spool reading_batch(const struct reading *r)
{
    uint64_t size = atomic_load_explicit(&r->batch, memory_order_acquire);
    assert(size > 0);
    return (struct spool){.fd = r->batch_fd, .size = size, .max = size};
}

void reading_batch_over(struct reading *r)
{
    atomic_store_explicit(&r->batch, 0, memory_order_release);
}

void reading_lend(struct reading *r, int fd)
{
    assert(r->run_fd < 0 && reading_state(r) == READING_IDLE);
    r->run_fd = fd;
}

void reading_press(struct reading *r, struct sink_credit *credit)
{
    assert(!r->task.source.credit && reading_state(r) == READING_IDLE);
    r->task.source.credit = sink_credit_ref(credit);
}

void reading_stop(struct reading *r)
{
    if (!progress_engaged(r->progress))
        return;
    sink_shut(r->env->sink, &r->task.source); /* what it still says is a consequence */
    body_wake(r->body);                       /* a complete one as well */
}

static bool has_command(const struct reading *r)
{
    return progress_engaged(r->progress) && r->task.relay;
}

void reading_command_ended(struct reading *r, int status)
{
    if (!has_command(r))
        return;
    relay_exited(&r->relay, status);
    body_wake(r->body);
}

void reading_forget_command(struct reading *r)
{
    if (!has_command(r))
        return;
    relay_gone(&r->relay);
    body_wake(r->body);
}

bool reading_abandon(struct reading *r)
{
    if (reading_state(r) != READING_RUNNING || !reading_move(r, READING_RUNNING, READING_ABANDONED))
        return false;
    reading_forget_command(r);
    pool_abandon(r->env->pool, &r->pool_job);
    return true;
}

bool reading_untouched(const struct reading *r)
{
    return reading_state(r) != READING_ABANDONED &&
           !atomic_load_explicit(&r->relay.touched, memory_order_acquire);
}

/* Those of the body's data. A process says how many are none, and may say anything. */
static uint64_t data_records(const struct parse_task *task)
{
    return task->notes < task->source.seq ? task->source.seq - task->notes : 0;
}

void reading_conclude(struct reading *r)
{
    const struct parse_task *task = &r->task;
    uint64_t min = r->spec->effective.min_records;
    bool enough = task->result == PENSTOCK_ENOUGH;
    if (reading_state(r) != READING_RETURNED || (task->result != PENSTOCK_OK && !enough) ||
        (!enough && !task->body_ended))
        cause_fail(r->cause, KIND_INTERNAL, "the parser ended without a result");
    else if (!r->spec->run && data_records(task) < min) /* a command has none */
        cause_fail(r->cause, KIND_UNEXPECTED,
                   "min_records: %llu records, at least %llu were expected",
                   (unsigned long long)data_records(task), (unsigned long long)min);
}

enum verified_by reading_verified(const struct reading *r)
{
    if (reading_state(r) != READING_RETURNED)
        return VERIFIED_NONE;
    if (r->task.vouched)
        return VERIFIED_ENCODING;
    return r->task.result == PENSTOCK_ENOUGH ? VERIFIED_ENOUGH : VERIFIED_NONE;
}

void reading_report(const struct reading *r, uint64_t now, struct attempt_report *report)
{
    if (!progress_engaged(r->progress))
        return;
    const struct sink_source *source = &r->task.source;
    report->engaged = true;
    report->records = sink_source_seq(r->env->sink, source);
    report->held = r->holds;
    report->parser_busy = parse_task_busy(&r->task, now);
    report->decoded = atomic_load_explicit(&r->body->decoding, memory_order_relaxed);
    report->decoded_bytes = atomic_load_explicit(&r->body->bytes_decoded, memory_order_relaxed);
    report->wait_origin = body_read_wait(r->body, now);
    report->wait_sink = sink_waited(source, now);
    if (atomic_load_explicit(&source->wait_since, memory_order_relaxed))
        report->waits = atomic_load_explicit(&source->waits_for_reader, memory_order_relaxed)
                            ? WAITS_READER
                            : WAITS_SINK;
}
