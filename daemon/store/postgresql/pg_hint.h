/* Words for other members, that wait to be sent. Each is only speed: what it says is found without
 * it as well, later. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_HINT_H
#define PENSTOCK_STORE_POSTGRESQL_PG_HINT_H

#include <stddef.h>
#include <stdint.h>

#define HINTS_MAX 512 /* that wait; beyond them a member is told to look at all of its hosts */

enum hint_kind {
    HINT_HOST = 'h', /* there may be something to run on the host `text` */
    HINT_ALL = 'a',  /* … on any host */
    HINT_CANCEL = 'c',
    HINT_SCHEDULES = 's',
    HINT_PAUSES = 'p',
};

struct hint {
    int64_t member; /* to whom */
    enum hint_kind kind;
    char *text; /* owned; NULL: none */
};

struct hints {
    struct hint *list;
    size_t count;
};

/* Adds one that is not there yet. Without memory it is lost. */
void hints_add(struct hints *h, int64_t member, enum hint_kind kind, const char *text);
void hints_clear(struct hints *h); /* takes a zeroed one; frees all */

#endif
