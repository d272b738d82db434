/* Records out of what a process writes: lines, or a plug-in's emits. Between process.c and
 * process_records.c. */
#ifndef PENSTOCK_PARSE_PROCESS_RECORDS_H
#define PENSTOCK_PARSE_PROCESS_RECORDS_H

#include "base/buf.h"
#include "parse/process.h"
#include "parse/task.h"

#include <stddef.h>
#include <stdint.h>

struct records {
    struct parse_task *task;
    enum process_output output;
    struct json *json; /* made for the first value */
    struct buf data;   /* what was read and is not a whole record yet */
    struct buf text;   /* a record of text, as JSON */
    size_t scanned;    /* no newline before here */
    size_t max;        /* bytes of a record */
    size_t taken;      /* bytes altogether */
    uint64_t number;   /* of the line */
};

void records_init(struct records *r, struct parse_task *task, enum process_output output);
void records_deinit(struct records *r);

/* Room for `size` more bytes, to be read into; then records_take says how many there are and emits
 * what is whole. NULL: out of memory. Memory stays within one record and one read. */
char *records_room(struct records *r, size_t size);
/* 0; or a negative errno: a record was refused or is none, and the task knows why. */
int records_take(struct records *r, size_t len);

/* After the last byte: a last line without its newline. As records_take. */
int records_end(struct records *r);

#endif
