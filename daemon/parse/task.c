/* What a parser calls runs on the worker, in the parser's own stack. Results are gathered in the
 * task and belong to the worker until `done`. */
#include "parse/task.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/utf8.h"
#include "parse/json_check.h"
#include "parse/json_scan.h"
#include "parse/plugin_check.h"
#include "record/line.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static struct parse_task *task_of(struct penstock_run *run)
{
    return container_of(run, struct parse_task, run);
}

/* --- why it failed ---------------------------------------------------------------------------- */

/* Copies text as one line of valid UTF-8: control characters and what is not UTF-8 become '?'. A
 * sequence that does not fit any more is left out whole. */
static void copy_message(char *to, size_t size, const char *text)
{
    size_t len = strlen(text), n = 0;
    while (n < len && n + 1 < size) {
        size_t good = utf8_valid(text + n, len - n);
        if (good == 0) {
            to[n++] = '?';
            continue;
        }
        if (good > size - 1 - n)
            good = utf8_valid(text + n, size - 1 - n);
        if (good == 0)
            break;
        memcpy(to + n, text + n, good);
        n += good;
    }
    to[n] = '\0';
    for (char *p = to; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
}

/* The first cause counts. */
static void set_failed(struct parse_task *task, enum error_kind kind, const char *message)
{
    if (task->failed_said)
        return;
    task->failed_said = true;
    task->kind = kind;
    copy_message(task->message, sizeof task->message, message);
}

static bool body_broken(const struct parse_task *task)
{
    /* What follows from the readers' departure is no cut: processes leave before they are
     * judged. */
    return task->reader.broken ||
           (body_state(task->body) == BODY_ABORTED &&
            !atomic_load_explicit(&task->body->reader_left, memory_order_acquire));
}

/* Why the body cannot be read to its end, where the parser may have felt no more than an EIO. */
static void set_body_failed(struct parse_task *task, const char *message)
{
    static const enum error_kind kinds[] = {[BODY_FAULT_NONE] = KIND_TRUNCATED,
                                            [BODY_FAULT_CUT] = KIND_TRUNCATED,
                                            [BODY_FAULT_UNVERIFIED] = KIND_UNVERIFIED_END,
                                            [BODY_FAULT_DECODE] = KIND_DECODE_ERROR,
                                            [BODY_FAULT_LIMIT] = KIND_LIMIT_EXCEEDED,
                                            [BODY_FAULT_MEMORY] = KIND_RESOURCES};
    enum body_fault fault = task->reader.fault;
    enum error_kind kind = body_reader_cut(&task->reader) ? KIND_TRUNCATED : kinds[fault];
    if (fault == BODY_FAULT_UNVERIFIED)
        message = "the connection's close ended the body, and neither its length nor a checked "
                  "encoding tells whether it is whole; `unverified = accept` takes it as it is, "
                  "`digest` would check it";
    else if (fault > BODY_FAULT_UNVERIFIED)
        message = body_reader_message(&task->reader);
    if (!task->failed_said && task->reader.text && transcode_message(task->reader.text)[0])
        task->offset = transcode_offset(task->reader.text);
    set_failed(task, kind, message);
}

/* --- the function table ----------------------------------------------------------------------- */

static int refuse(struct parse_task *task, int code, enum error_kind kind, const char *message)
{
    task->refused = true;
    set_failed(task, kind, message);
    return code;
}

static int emit_checked(struct parse_task *task, const char *json, size_t len)
{
    size_t limit = task->record_bytes ? task->record_bytes : PARSE_RECORD_BYTES;
    int r = len > limit ? -EMSGSIZE : task->emit(task, json, len);
    if (r == 0)
        return 0;
    struct error why;
    if (r == -EMSGSIZE) {
        error_set(&why, r, "a record of %zu bytes is over the limit of %zu (parse.max_record)", len,
                  limit);
        return refuse(task, r, KIND_LIMIT_EXCEEDED, why.text);
    }
    if (r == -ECANCELED) {
        task->refused = true;
        return r;
    }
    error_set(&why, r, "a record could not be handed on: %s", strerrordesc_np(-r));
    return refuse(task, r, KIND_RESOURCES, why.text);
}

int parse_task_emit(struct penstock_run *run, const char *json, size_t len)
{
    struct parse_task *task = task_of(run);
    /* After one record was refused none follows, so that no gap can go unnoticed. */
    return task->refused ? -ECANCELED : emit_checked(task, json, len);
}

int parse_task_emit_note(struct penstock_run *run, const char *json, size_t len)
{
    int r = parse_task_emit(run, json, len);
    task_of(run)->notes += r == 0;
    return r;
}

static int run_emit(struct penstock_run *run, const char *json, size_t len)
{
    struct parse_task *task = task_of(run);
    if (task->refused)
        return -ECANCELED;
    /* A built-in parser may go deeper than a plug-in, and its records come by here if it runs in a
     * process. */
    if (!task->json && !(task->json = json_new(task->process ? JSON_SCAN_DEPTH : JSON_DEPTH)))
        return refuse(task, -ENOMEM, KIND_RESOURCES, "no memory to check a record");
    const char *value;
    size_t value_len, at;
    struct error why, sentence;
    int r = json_check(task->json, json, len, &value, &value_len, &at, &why);
    if (r == -ENOMEM)
        return refuse(task, r, KIND_RESOURCES, "no memory to check a record");
    if (r < 0) {
        error_set(&sentence, 0,
                  "the parser emitted a record that is not one JSON value: %s, at byte %zu of it",
                  why.text, at);
        return refuse(task, -EINVAL, KIND_PARSER_FAILED, sentence.text);
    }
    return emit_checked(task, value, value_len);
}

int parse_task_fail(struct penstock_run *run, enum error_kind kind, uint64_t line, uint64_t offset,
                    const char *message)
{
    struct parse_task *task = task_of(run);
    if (task->failed_said)
        return PENSTOCK_FAILED;
    bool broken = body_broken(task);
    if (!broken || task->reader.fault <= BODY_FAULT_CUT) {
        task->line = line;
        task->offset = offset;
        if (task->reader.text && offset != PENSTOCK_NO_OFFSET)
            task->offset += transcode_mark(task->reader.text);
    }
    if (broken)
        set_body_failed(task, message);
    else
        set_failed(task, kind, message);
    return PENSTOCK_FAILED;
}

static int run_fail(struct penstock_run *run, uint64_t line, uint64_t offset, const char *message)
{
    return parse_task_fail(run, KIND_PARSER_FAILED, line, offset,
                           message && message[0] ? message
                                                 : "the parser failed and gave no reason");
}

static const char *run_url(struct penstock_run *run)
{
    return task_of(run)->facts.url;
}

static int run_status(struct penstock_run *run)
{
    return task_of(run)->facts.status;
}

static const char *find_header(const struct parse_facts *facts, const char *name)
{
    for (size_t i = facts->header_count; i-- > 0;)
        if (strcasecmp(facts->headers[i].name, name) == 0)
            return facts->headers[i].value;
    return NULL;
}

static const char *run_header(struct penstock_run *run, const char *name)
{
    return find_header(&task_of(run)->facts, name);
}

static const char *find_pair(const struct parse_pair *pairs, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(pairs[i].name, name) == 0)
            return pairs[i].value;
    return NULL;
}

static const char *run_option(struct penstock_run *run, const char *name)
{
    const struct parse_task *task = task_of(run);
    const char *value = find_pair(task->facts.options, task->facts.option_count, name);
    const struct penstock_option *option = task->parser->options;
    for (; !value && option && option->name; option++)
        if (strcmp(option->name, name) == 0)
            return option->standard;
    return value;
}

static const char *run_label(struct penstock_run *run, const char *key)
{
    const struct parse_facts *facts = &task_of(run)->facts;
    return find_pair(facts->labels, facts->label_count, key);
}

static int run_cancelled(struct penstock_run *run)
{
    struct parse_task *task = task_of(run);
    return body_state(task->body) == BODY_ABORTED ||
           atomic_load_explicit(&task->source.shut, memory_order_acquire);
}

static const char *run_charset(struct penstock_run *run)
{
    const struct transcode *text = task_of(run)->reader.text;
    const struct charset *charset = text ? transcode_charset(text) : NULL;
    return charset ? charset->name : NULL;
}

void parse_task_repaired(struct penstock_run *run, uint64_t count)
{
    task_of(run)->repaired += count;
}

static const struct penstock_run run_table = {
    .abi = PENSTOCK_PARSER_ABI,
    .size = sizeof(struct penstock_run),
    .emit = run_emit,
    .fail = run_fail,
    .url = run_url,
    .status = run_status,
    .header = run_header,
    .option = run_option,
    .label = run_label,
    .cancelled = run_cancelled,
    .charset = run_charset,
    .repaired = parse_task_repaired,
};

/* --- the run ---------------------------------------------------------------------------------- */

static void reset_results(struct parse_task *task)
{
    task->run = run_table;
    task->result = PENSTOCK_FAILED;
    task->kind = KIND_NONE;
    task->message[0] = '\0';
    task->line = 0;
    task->offset = PENSTOCK_NO_OFFSET;
    task->notes = task->skipped = task->replaced = task->repaired = 0;
    task->charset[0] = '\0';
    task->body_ended = task->vouched = task->failed_said = task->refused = false;
    task->json = NULL;
    task->reader = (struct body_reader){.fd = -1};
}

/* What the parser returned, corrected by what is known besides. */
static enum penstock_result judge(struct parse_task *task, int said)
{
    struct error why;
    if (said == PENSTOCK_OK || (said == PENSTOCK_ENOUGH && task->drain_after_enough)) {
        /* Nobody wants the rest of a body whose run has failed already. */
        if (!task->failed_said && !task->refused)
            body_reader_drain(&task->reader);
    } else if (said != PENSTOCK_ENOUGH && said != PENSTOCK_FAILED) {
        error_set(&why, 0, "the parser returned %d, which is no result", said);
        set_failed(task, KIND_PARSER_FAILED, why.text);
    }
    if (body_broken(task))
        set_body_failed(task, "the body did not arrive whole");
    if (task->refused)
        set_failed(task, KIND_INTERNAL, "a record was refused, as the job had ended");
    if (said == PENSTOCK_FAILED)
        set_failed(task, KIND_PARSER_FAILED, "the parser failed and gave no reason");
    return task->failed_said ? PENSTOCK_FAILED : (enum penstock_result)said;
}

enum penstock_result parse_task_nested(struct parse_task *task, FILE *file)
{
    reset_results(task);
    int said = task->parser->parse(file, &task->run);
    if (task->refused)
        set_failed(task, KIND_INTERNAL, "a record was refused, as the job had ended");
    if (said == PENSTOCK_FAILED)
        set_failed(task, KIND_PARSER_FAILED, "the parser failed and gave no reason");
    json_free(task->json);
    task->json = NULL;
    task->result = task->failed_said ? PENSTOCK_FAILED : (enum penstock_result)said;
    return task->result;
}

struct charset_plan parse_task_text(const struct parse_task *task)
{
    struct charset_plan plan = task->text;
    plan.declares = parser_flags(task->parser) & PENSTOCK_PARSER_DECLARES;
    charset_of_type(find_header(&task->facts, "Content-Type"), plan.header);
    return plan;
}

static int open_reader(struct parse_task *task)
{
    int r = body_reader_open(&task->reader, task->body, task->read_fd);
    task->read_fd = -1;
    task->reader.tee = task->tee;
    task->reader.tee_arg = task->tee_arg;
    if (r == 0)
        r = body_reader_decode(&task->reader, &task->decode);
    if (r == 0 && parser_flags(task->parser) & PENSTOCK_PARSER_TEXT) {
        struct charset_plan plan = parse_task_text(task);
        r = body_reader_text(&task->reader, &plan);
    }
    return r;
}

/* What became of the text, while its reader is there. */
static void note_text(struct parse_task *task)
{
    const struct transcode *text = task->reader.text;
    if (!text)
        return;
    task->replaced += transcode_replaced(text);
    task->repaired += transcode_contradicted(text);
    const char *charset = run_charset(&task->run);
    snprintf(task->charset, sizeof task->charset, "%s", charset ? charset : "");
}

void parse_task_text_members(struct buf *line, const struct parse_task *task)
{
    if (task->charset[0] && strcmp(task->charset, "utf-8") != 0)
        line_str(line, "charset", task->charset);
    if (task->replaced > 0)
        line_u64(line, "replaced", task->replaced);
    if (task->repaired > 0)
        line_u64(line, "repaired", task->repaired);
    if (task->skipped > 0)
        line_u64(line, "skipped", task->skipped);
}

static void run_here(struct parse_task *task)
{
    int r = open_reader(task);
    if (r < 0)
        set_failed(task, KIND_RESOURCES, "no memory for the body's buffer");
    else
        task->result = judge(task, task->parser->parse(task->reader.file, &task->run));
    note_text(task);
    task->body_ended = task->reader.ended;
    task->vouched = body_reader_vouched(&task->reader);
}

void parse_task_run(struct parse_task *task)
{
    reset_results(task);
    atomic_store_explicit(&task->started, clock_now(), memory_order_release);
    if (task->run_elsewhere)
        task->run_elsewhere(task);
    else
        run_here(task);
    json_free(task->json);
    task->json = NULL;
    body_reader_close(&task->reader);
    atomic_store_explicit(&task->ended, clock_now(), memory_order_release);
    task->done(task);
}

/* As body_read_wait: what ends just now may count twice, but is never missing. */
static uint64_t sink_wait(const struct parse_task *task, uint64_t now)
{
    struct sink_source *source = &((struct parse_task *)task)->source;
    uint64_t since = atomic_load_explicit(&source->wait_since, memory_order_acquire);
    uint64_t waited = atomic_load_explicit(&source->wait, memory_order_acquire);
    return since > 0 && now > since ? waited + (now - since) : waited;
}

uint64_t parse_task_busy(const struct parse_task *task, uint64_t now)
{
    struct parse_task *t = (struct parse_task *)task;
    uint64_t started = atomic_load_explicit(&t->started, memory_order_acquire);
    uint64_t ended = atomic_load_explicit(&t->ended, memory_order_acquire);
    uint64_t until = ended > 0 ? ended : now;
    if (started == 0 || until <= started)
        return 0;
    uint64_t waited = body_read_wait(task->body, until) + sink_wait(task, until);
    return until - started > waited ? until - started - waited : 0;
}
