/* Parsers that are processes: pipelines, and plug-ins that are isolated. To the worker such a run
 * is a task like any other (process_attach makes it one); the thread starts a penstock-host, takes
 * the records that come back, relays the body's end, and does not return before every process of
 * the run is gone.
 *
 * What keeps a cut from being taken for an end (invariants 1, 4, 6): besides the fetch loop's write
 * end there are two duplicates of it, the host's and this thread's. Both close when the body is
 * complete. Otherwise the host kills all that it has started and closes its own last; should the
 * host be the one that dies, this thread's keeps the pipe open until what the host has left behind
 * is killed. */
#ifndef PENSTOCK_PARSE_PROCESS_H
#define PENSTOCK_PARSE_PROCESS_H

#include "base/error.h"
#include "flow/pipeline.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct parse_task;

enum process_output {
    PROCESS_TEXT,    /* each line is a record: a JSON string */
    PROCESS_JSON,    /* each line is a record: a JSON value; empty lines are not */
    PROCESS_RECORDS, /* a plug-in's emits: a length of four bytes, then a JSON value */
};

/* How a parser's runs are run; immutable. */
struct process_def {
    char ***stages; /* of a pipeline */
    size_t stage_count;
    char *plugin; /* without stages: a plug-in's file; NULL: a built-in parser, isolated */
    enum process_output output;
    bool sandbox;
    uint64_t grace; /* ns between EIO and SIGKILL after an abort; 0: killed at once */
    struct pipeline_limits limits;
};

/* Makes `task` one that is run so; NULL: on the worker's own thread. The definition outlives the
 * task. */
void process_attach(struct parse_task *task, const struct process_def *def);

/* Splits one more stage's command line and adds it. 0, -ENOMEM, or -EINVAL with a message in
 * *err. */
int process_def_add_stage(struct process_def *def, const char *line, struct error *err);
void process_def_deinit(struct process_def *def); /* takes a zeroed one */

#endif
