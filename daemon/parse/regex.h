/* A regular expression of a job, in PCRE2's syntax (pcre2pattern(3)), with bounds on what it may
 * cost: the pattern's length, how wide its ranges are where case does not count (PCRE2 compiles
 * these slowly), and for each text the steps and the memory of the search. Text that is not UTF-8
 * matches where it is. Compiled once a run; one owner. */
#ifndef PENSTOCK_PARSE_REGEX_H
#define PENSTOCK_PARSE_REGEX_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define REGEX_LENGTH 4096 /* bytes of a pattern */

struct regex;

/* Is it a pattern? 0, -EINVAL with a message in *err, or -ENOMEM. Any thread; takes well under a
 * millisecond. */
int regex_check(const char *pattern, struct error *err);

/* 0; -EINVAL with a message in *err, or -ENOMEM. */
int regex_new(const char *pattern, struct regex **ret_regex, struct error *err);
void regex_free(struct regex *regex); /* takes NULL */

/* 1: it matches somewhere in the text; 0: it does not; -E2BIG: that would take too many steps or
 * too much memory; -ENOMEM. */
int regex_match(struct regex *regex, const char *text, size_t len);

/* Has the pattern named groups? */
bool regex_has_groups(const struct regex *regex);

/* After a match: appends {"name":"text",…} of the named groups, null for one that took no part.
 * `text` is the one that matched. */
void regex_put_groups(const struct regex *regex, const char *text, struct buf *b);

#endif
