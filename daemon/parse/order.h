/* What the daemon and penstock-host say to each other, over the control socket (a stream):
 *
 *   daemon -> host   one order: what to run (order_put); then, each once, in any order, single
 *                    bytes: 'C' the body is complete, 'E' it has ended unverified (only for a
 *                    plug-in that decodes it), 'A' abort, 'F' the report was read: finish
 *   host -> daemon   one struct report, once every direct child was reaped or something failed
 *
 * The host's descriptors: 0 the body pipe's read end, 1 the way of the records, 2 standard error, 3
 * the control socket, 4 a duplicate of the body pipe's write end. It closes 4 at 'C' and 'E'. At
 * 'A', 'F' and the socket's end it kills whatever it has started, before 4 closes, and exits with
 * 0. */
#ifndef PENSTOCK_PARSE_ORDER_H
#define PENSTOCK_PARSE_ORDER_H

#include "base/buf.h"
#include "flow/pipeline.h"
#include "parse/task.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ORDER_CONTROL_FD = 3, ORDER_WRITE_FD = 4 };
enum order_word { ORDER_COMPLETE = 'C', ORDER_ENDED = 'E', ORDER_ABORT = 'A', ORDER_FINISH = 'F' };

enum order_kind {
    ORDER_PIPELINE, /* stages */
    ORDER_PLUGIN,   /* a shared object's parser, in a child of the host's */
};

/* What to run. Strings and lists are borrowed: from whoever fills it in, or from `memory`. */
struct order {
    enum order_kind kind;
    struct pipeline_limits limits;
    /* ORDER_PIPELINE */
    char *const *const *stages;
    size_t stage_count;
    /* ORDER_PLUGIN */
    const char *plugin; /* the file */
    const char *name;   /* of its parser */
    bool sandbox;
    uint64_t grace; /* ns between EIO and SIGKILL after an abort; 0: killed at once */
    uint64_t record_bytes;
    bool drain_after_enough;
    struct decode_plan decode;
    struct charset_plan text;
    struct parse_facts facts;
    /* Owned by an order that was received. */
    char *memory;
    void *lists;
};

/* Appends the order with its length in front. 0 or -ENOMEM. */
int order_put(struct buf *b, const struct order *order);

/* Reads one order from a socket, waiting. 0, to be freed by order_free; -EPROTO: it is of another
 * version of this program; -EPIPE: the daemon is gone; or another negative errno. */
int order_receive(int fd, struct order *ret_order);
void order_free(struct order *order);

enum report_kind {
    REPORT_ENDED = 1,   /* all stages, or the plug-in, have ended */
    REPORT_EXEC_FAILED, /* `stage` could not be started: `text` */
    REPORT_FAILED,      /* something else: `text` */
};

struct report {
    uint32_t kind;
    uint32_t stage; /* that failed; as pipeline_failed */
    int32_t status; /* its, as of waitpid(2) */
    uint8_t memory_full;
    /* A plug-in has returned, and this is what parse_task_run made of it. */
    uint8_t returned, body_ended, vouched, decoding;
    int32_t result, error_kind;
    uint64_t line, offset, bytes_decoded, notes, skipped, replaced, repaired;
    char charset[CHARSET_LABEL]; /* as the task's; "" for NULL */
    char text[512];
};

/* A report as it came: its strings are ended, and where a plug-in's process has left what cannot be
 * (it shares memory with its host, and may have written anything there) it becomes one of a parser
 * that crashed, which says so. */
void report_check(struct report *report);

/* What became of the body's text, into the task: `charset` and what is counted. */
void report_take_text(const struct report *report, struct parse_task *task);

#endif
