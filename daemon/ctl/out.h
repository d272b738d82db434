/* Standard output and standard error of the client, and the status line between them.
 *
 * Output is gathered and written by out_flush (and whenever 64 KiB are gathered). Where it cannot
 * be written the process ends here: quietly by SIGPIPE if the reader has gone, else with a message
 * and EXIT_REFUSED. */
#ifndef PENSTOCK_CTL_OUT_H
#define PENSTOCK_CTL_OUT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    EXIT_ALL_WELL = 0,
    EXIT_JOB_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_REFUSED = 3, /* daemon unreachable, or it said no, or lines were missed */
    EXIT_INTERRUPTED = 130,
};

/* Finds out what the descriptors are; ignores SIGPIPE. Once, at start. */
void out_init(void);

bool out_is_terminal(void); /* standard output */
bool out_has_status(void);  /* standard error is a terminal that can take a status line */
bool out_is_coloured(
    void); /* standard output is a terminal with colours, and NO_COLOR is not set */
size_t out_columns(bool of_error); /* of the terminal; 0: it is none, do not cut */

void out_put(const char *text, size_t len);
/* The same of a buffer, which is empty afterwards. If it lacks something for want of memory the
 * process ends, as where output cannot be written. */
void out_take(struct buf *b);
void out_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* One JSON value as a line; on a terminal with what could steer it escaped. */
void out_json(const char *json, size_t len);

/* Erases the status line and writes all that was gathered. */
void out_flush(void);

/* What is said on standard error, once, where the process ends because its output is not read: the
 * reader has gone, or a signal comes while a pager is not scrolled. NULL: nothing. */
void out_at_interrupt(void (*say)(void *arg), void *arg);

/* The reader of standard output has gone (poll said so): ends the process as SIGPIPE would. */
_Noreturn void out_gone(void);

/* "penstockctl: …" on standard error, after what was printed before. Control characters are made
 * visible. */
void out_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Shows a line below everything, in place of the one before; "" erases it. Only where
 * out_has_status. */
void out_status(const char *text, size_t len);

#endif
