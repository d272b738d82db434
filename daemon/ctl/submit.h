/* Jobs from a source to the daemon: in batches, several under way at once, answered in order.
 * Memory is bounded by the window, however long the source is. */
#ifndef PENSTOCK_CTL_SUBMIT_H
#define PENSTOCK_CTL_SUBMIT_H

#include "ctl/conn.h"
#include "ctl/source.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUBMIT_BATCH  100          /* jobs in a request */
#define SUBMIT_BYTES  (256 * 1024) /* a batch is sent once it has so many */
#define SUBMIT_WINDOW 10           /* requests under way */

struct submit_item {
    uint64_t line; /* 0: it was an argument */
    char *name;    /* the argument, for messages */
    char *refused; /* why it was not even sent; NULL: it was */
};

struct submit_batch {
    struct submit_item items[SUBMIT_BATCH];
    size_t count, sent; /* sent: those without `refused` */
    size_t bytes;
    json_t *jobs;     /* until it is sent */
    uint64_t request; /* 0: not sent */
    /* Its jobs once more, until it is known that the daemon takes `backpressure`. */
    json_t *again;
};

struct submit_reply {
    uint64_t id; /* 0: it was refused */
    const char *why;
    int code;          /* of the daemon's error; 0: there is none */
    const char *field; /* that the error is about; or NULL */
    /* The daemon's own words as JSON text: the result's object, or the error's; empty if the client
     * itself refused. */
    const char *raw;
    size_t raw_len;
};

struct submit {
    struct conn *conn;
    struct source *source;
    const json_t *common; /* what the options say, for every job */
    bool follow;
    json_t *events;    /* with `follow`: names of those that are wanted, borrowed; NULL: all */
    size_t batch_size; /* SUBMIT_BATCH at most */
    /* An item's answer, in the order of the source. 0 or a negative errno. */
    int (*answered)(struct submit *s, const struct submit_item *item,
                    const struct submit_reply *reply);
    void *arg;
    struct submit_batch *window; /* a ring of SUBMIT_WINDOW */
    size_t first, used;          /* the newest may still be filling */
    bool presses;                /* the daemon takes `backpressure` */
    bool plain;   /* … or does not know it: an older one that has not been restarted yet */
    size_t stale; /* requests that were sent again, and whose first refusals have not come */
};

int submit_init(struct submit *s); /* after the caller has set its members; 0 or -ENOMEM */
void submit_deinit(struct submit *s);

/* Takes what the source has, as far as there is room, and sends each batch that is full. 0, or a
 * negative errno with a message in *err. */
int submit_fill(struct submit *s, struct error *err);

/* Sends the batch that is not full, if there is one: when nothing more is to be had at once. The
 * same. */
int submit_flush(struct submit *s, struct error *err);

/* Is there room to read more of the source into? */
bool submit_has_room(const struct submit *s);

/* A line from the daemon that is an answer. 0, or a negative errno with a message in *err. */
int submit_answer(struct submit *s, const char *line, size_t len, struct error *err);

/* Nothing is under way, and nothing will come. */
bool submit_done(const struct submit *s);

#endif
