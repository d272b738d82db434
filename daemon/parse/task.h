/* One run of a parser over one body: the FILE *, the function table that the parser calls, and what
 * came of it. Embedded in its attempt; used by one worker thread from parse_task_run on, until
 * `done` is called, which is the worker's last touch. */
#ifndef PENSTOCK_PARSE_TASK_H
#define PENSTOCK_PARSE_TASK_H

#include "base/buf.h"
#include "flow/body_reader.h"
#include "penstock/parser.h"
#include "record/kind.h"
#include "record/sink.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct json;
struct process_def;
struct relay;

#define PARSE_RECORD_BYTES ((size_t)1 << 20) /* of a record, unless the task says otherwise */

struct parse_pair {
    const char *name, *value;
};

/* What the parser may ask about its job; borrowed, immutable while the task runs. */
struct parse_facts {
    const char *url; /* redacted */
    int status;
    const struct parse_pair *headers, *options, *labels;
    size_t header_count, option_count, label_count;
};

struct parse_task {
    /* Set by the owner before parse_task_run. */
    const struct penstock_parser *parser;
    struct parse_facts facts;
    struct body *body; /* a reference is taken while it runs */
    int read_fd;       /* owned by the task */
    /* For a parser that is a process, set by process_attach; NULL: it runs on the worker's thread.
     * Such a task needs a body that can be watched (body_watch), and takes ownership of a
     * duplicate of the write end. */
    const struct process_def *process;
    int write_fd;
    struct relay *relay; /* set by relay_attach: a command of a client's reads the body */
    /* By process_attach or relay_attach; NULL: the parser's function runs, on the worker's
     * thread. */
    void (*run_elsewhere)(struct parse_task *task);
    /* Where a record goes: valid JSON on one line. As sink_emit. Worker's thread. */
    int (*emit)(struct parse_task *task, const char *json, size_t len);
    struct sink_source source; /* used by the owner's emit; seq counts the records */
    size_t record_bytes;       /* limit of one record; 0 for 1 MiB */
    bool drain_after_enough;   /* a digest was demanded: read the rest all the same */
    struct decode_plan decode; /* what the parser is given decoded; zeroed: the body as it is */
    /* The job's `charset` and `charset_errors`, for a parser of text; parse_task_text adds the
     * rest. */
    struct charset_plan text;
    /* As struct body_reader's; of a process: on a thread of its own. Or NULL. */
    void (*tee)(void *arg, const char *data, size_t len);
    void *tee_arg;
    void (*done)(struct parse_task *task);

    /* Results, published by `done`. */
    enum penstock_result result;
    /* KIND_NONE or why it failed: KIND_PARSER_FAILED, _LIMIT_EXCEEDED, _RESOURCES;
     * KIND_DECODE_ERROR; KIND_UNVERIFIED_END if the body was BODY_ENDED and its decoding did not
     * vouch for it; KIND_TRUNCATED if it was aborted before (the abort's own cause is the owner's
     * to tell). */
    enum error_kind kind;
    char message[512];     /* what the parser said, valid UTF-8, one line */
    uint64_t line, offset; /* where; 0 and PENSTOCK_NO_OFFSET if unknown */
    bool body_ended;       /* it (or the drain) has seen the end of a complete body */
    bool vouched;          /* and the decoding alone shows that it was whole */
    /* parts of the body that were passed over, as the parser says: links, for example */
    uint64_t skipped;
    uint64_t
        notes; /* records among those emitted that tell of the run: min_records counts the others */
    uint64_t replaced; /* how often U+FFFD took the place of bytes that were no text */
    uint64_t repaired; /* how often something else was wrong in the body and taken all the same */
    char
        charset[CHARSET_LABEL]; /* that the text came in; "": the parser read bytes, or none came */

    /* The parser's clock: any thread reads it. */
    _Atomic uint64_t started, ended; /* clock_now; 0 if not yet */

    /* Private to task.c. */
    struct penstock_run run;
    struct body_reader reader;
    struct json *json; /* made when a plug-in first emits */
    bool failed_said;  /* `kind` and `message` hold the first cause */
    bool refused;      /* an emit was refused: records are missing */
};

/* Runs the parser to its end, on the calling thread; then calls task->done. A body error that the
 * parser overlooked does not make the run a success: after an aborted body the result is FAILED
 * whatever the parser says. Nor is it one if a record was refused. The read end is closed before
 * `done`, after the results were worked out. `started` and `ended` must be 0 before, and the
 * results are set anew. */
void parse_task_run(struct parse_task *task);

/* Runs a parser within the run of another one, on its thread, over a FILE of that one's: `task` has
 * parser, facts, body (borrowed; the outer one's), emit and record_bytes set, and the results are
 * set in it. What the FILE says of its end is the caller's to look at. */
enum penstock_result parse_task_nested(struct parse_task *task, FILE *file);

/* What is known of the text of the body that the task reads, before its first byte: the task's
 * `text`, the charset of Content-Type, and whether the parser's text may declare its own. */
struct charset_plan parse_task_text(const struct parse_task *task);

/* Writes the members of an ended task's verdict that tell what its text was like: `charset`, unless
 * it was UTF-8, and `replaced`, `repaired` and `skipped`, unless they are 0. */
void parse_task_text_members(struct buf *line, const struct parse_task *task);

/* For built-in parsers, as run->repaired. */
void parse_task_repaired(struct penstock_run *run, uint64_t count);

/* For built-in parsers, in place of run->emit and run->fail: the same, but the text is known to be
 * one JSON value on one line; and the failure is of a kind. */
int parse_task_emit(struct penstock_run *run, const char *json, size_t len);
/* As parse_task_emit, for a record that tells of the run and is none of its data. */
int parse_task_emit_note(struct penstock_run *run, const char *json, size_t len);
int parse_task_fail(struct penstock_run *run, enum error_kind kind, uint64_t line, uint64_t offset,
                    const char *message);

/* Nanoseconds that the parser itself has used: since its start, less the time spent waiting for
 * data and for room in the sink. Any thread, while the task lives. */
uint64_t parse_task_busy(const struct parse_task *task, uint64_t now);

#endif
