/* Followed lines: the notifications of a connection that follows, printed, and when to stop. */
#ifndef PENSTOCK_CTL_FOLLOW_H
#define PENSTOCK_CTL_FOLLOW_H

#include "base/error.h"
#include "ctl/args.h"
#include "ctl/conn.h"
#include "ctl/ids.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct follow {
    bool data; /* bare records only */
    /* Of jobs that are named or our own: of whole bodies, each once it is done. Their records are
     * read then, and are none of the lines that are followed. */
    bool whole;
    const struct wire *main; /* with `whole`: where the daemon is; the caller's */
    struct conn side;        /* and the connection that records are read by, once there are any */
    char **events;           /* names that are printed; NULL: all */
    size_t event_count;
    bool track;         /* the caller calls follow_expect for each job */
    struct ids pending; /* acknowledged, verdict not seen */
    struct ids early;   /* verdict seen, not yet acknowledged */
    size_t ended;       /* verdicts seen */
    bool end;           /* the daemon said so, since the last follow_expect */
    int status;
};

/* By --events, --data and --deliver; `named`: jobs are followed by their ids. 0, or a negative
 * errno with a message in *err. */
int follow_init(struct follow *f, const struct args *args, bool named, const struct wire *main,
                struct error *err);
void follow_deinit(struct follow *f);

/* The `events` parameter of a request: NULL for all. The verdicts are always asked for, as the exit
 * status needs them. A new reference. */
json_t *follow_events(const struct follow *f);

/* A job that is followed from now on. 0 or -ENOMEM. */
int follow_expect(struct follow *f, uint64_t id);

/* One line of the connection. 1: it was a notification and is dealt with; 0: it is not; -ENOMEM; or
 * -EINTR: Ctrl-C while records were read. */
int follow_line(struct follow *f, const char *line, size_t len);

#endif
