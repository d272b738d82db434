/* Lines as entries of systemd's journal, by its native protocol. Not by libsystemd's
 * sd_journal_sendv(3): that blocks for as long as journald does, and says that all is well when
 * there is none. The sink's thread.
 *
 * MESSAGE is the line, or, as text, a sentence, with the line in PENSTOCK_JSON; the fields beside
 * it are PRIORITY, MESSAGE_ID (by event; penstock.catalog explains each), SYSLOG_IDENTIFIER,
 * PENSTOCK_EVENT, _JOB, _ATTEMPT, _STATE, _OUTCOME, _ERROR, _SCHEDULE, and for each label of a
 * verdict a PENSTOCK_LABEL_NAME, NAME in capitals with _ for what is no letter or digit.
 *
 * A line of more than JOURNAL_LINE_MAX bytes stands in the journal without what it carries: its
 * MESSAGE has the members that say which it is, and `omitted`, its length. It is whole in files, on
 * standard output and for followers. (The smallest journal file that journald makes has 512 KiB, so
 * what is within the limit always fits.) */
#ifndef PENSTOCK_RECORD_JOURNAL_H
#define PENSTOCK_RECORD_JOURNAL_H

#include "base/buf.h"
#include "record/queue.h"

#include <stdbool.h>

#define JOURNAL_LINE_MAX ((size_t)256 << 10)

/* A socket to journald; NULL for its usual place. 0, or a negative errno. */
int journal_open(const char *path, int *ret_fd);

/* Hands one line over. 1; 0: journald takes nothing now, wait until `fd` is writable; or a negative
 * errno. Never blocks. */
int journal_send(int fd, const struct batch_line *line, bool as_text);

/* The entry's text as it is sent; for journal_send and tests. */
void journal_entry(struct buf *b, const struct batch_line *line, bool as_text);

#endif
