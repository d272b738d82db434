/* One connection, in pipeline mode and never blocking, on the store's thread. What is sent is a
 * row of steps that ends in a sync; each step's result goes to its taker, in order. One such
 * pipeline is under way at a time. */
#ifndef PENSTOCK_STORE_POSTGRESQL_CHANNEL_H
#define PENSTOCK_STORE_POSTGRESQL_CHANNEL_H

#include "store/postgresql/pg_args.h"
#include "store/postgresql/pg_session.h"
#include "store/postgresql/pg_sql.h"

#include <poll.h>
#include <stdbool.h>

#define CHANNEL_LOST_MAX 8 /* of more, the latest */

enum channel_state {
    CHANNEL_DOWN, /* there is no connection */
    CHANNEL_CONNECTING,
    CHANNEL_IDLE, /* nothing is under way */
    CHANNEL_BUSY  /* a pipeline is */
};

enum channel_event {
    CHANNEL_NOTHING,
    CHANNEL_CONNECTED,
    CHANNEL_MORE, /* pg_copy.c: it may be given more */
    CHANNEL_DONE, /* the pipeline's sync has come: `fault_code` says how it went */
    CHANNEL_LOST  /* the connection has gone, or did not come about; `fault` says why */
};

/* Takes the result of one step: rows, or what a command says. Not called for a step that failed, or
 * came behind one that did. */
typedef void step_taker(void *arg, const PGresult *result);

struct channel {
    const struct target *target;
    const struct sqls *sqls;
    PGconn *conn;
    enum channel_state state;
    PostgresPollingStatusType polling;
    uint64_t retry_at;    /* clock_now; CHANNEL_DOWN: not before; the user's */
    uint64_t patience_to; /* clock_now; CHANNEL_CONNECTING: it is given up then */
    struct step {
        step_taker *take; /* NULL: nobody cares */
        void *arg;
        bool *stands; /* what it leaves in the session: is it there? NULL: nothing */
    } * steps;
    size_t made, answered, size;
    uint64_t sent_at; /* clock_now: the pipeline's sync was sent */
    /* The session plans in our way, and has these statements ready; set as that is sent, and false
     * again if it comes to nothing. */
    bool tuned, prepared[SQL_COUNT_];
    int pid;                    /* the server's process of the connection that stands; 0: none */
    int lost[CHANNEL_LOST_MAX]; /* of those before it, which may not know that nobody is there */
    size_t lost_count;
    bool own_sync;    /* the first sync to come is that of what tunes */
    bool spoilt;      /* what is prepared is not there, or fits no more */
    bool send_failed; /* no memory: the pipeline cannot be told from a shorter one */
    bool unsure;      /* a commit that was answered may not have been copied to a standby */
    int fault_code;   /* of the pipeline: its first failure; 0: none */
    struct error fault;
    char sqlstate[6]; /* of that; "": it is none of the server's */
    bool unfit;       /* that is about a row: the table does not take it for what it is */
};

void channel_init(struct channel *ch, const struct target *target, const struct sqls *sqls);
/* Gives up what it holds. Takes one that was zeroed. */
void channel_deinit(struct channel *ch);

/* Takes a connection over that stands. 0 or a negative errno with a message in *err. */
int channel_adopt(struct channel *ch, PGconn *conn, struct error *err);
/* Begins to connect; a name may be looked up meanwhile, which blocks. */
void channel_connect(struct channel *ch);
void channel_close(struct channel *ch);

/* Gives up a connection that stands, as if it were lost: `why` says so in `fault`. */
enum channel_event channel_drop(struct channel *ch, const char *why);

/* Adds a step. The args are copied. */
void channel_step(struct channel *ch, enum sql sql, struct args *args, step_taker *take, void *arg);
/* The same with a statement of the caller's. */
void channel_step_text(struct channel *ch, const char *text, struct args *args, step_taker *take,
                       void *arg);
/* The same for each session of this channel's that was lost: the server ends it. One that was cut
 * off within a transaction holds its rows until the server's own keepalives tell it, which can take
 * hours: what comes behind this would wait for that. `application`: what they are listed as. */
void channel_end_lost(struct channel *ch, struct args *args, const char *application);
/* Ends the pipeline and sends it. */
void channel_sync(struct channel *ch);

/* For pg_copy.c, which uses the connection without pipelines meanwhile. */
int channel_begin_pipelines(struct channel *ch); /* 0 or -EIO */
enum channel_event channel_lose(struct channel *ch);
void channel_note_fault(struct channel *ch, const PGresult *result);

/* What to poll for; fd -1: nothing. */
struct pollfd channel_poll(const struct channel *ch);
/* Does what can be done without blocking. */
enum channel_event channel_turn(struct channel *ch);

#endif
