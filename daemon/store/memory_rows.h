/* The memory engine's rows and where they stand. memory.c makes the store's calls of them. Control
 * loop. */
#ifndef PENSTOCK_STORE_MEMORY_ROWS_H
#define PENSTOCK_STORE_MEMORY_ROWS_H

#include "base/tree.h"
#include "store/idmap.h"
#include "store/store.h"
#include "store/user_counts.h"

enum place { PLACE_NONE, PLACE_READY, PLACE_DUE };

struct keyed {
    struct tree_node entry;
    uint32_t uid;
    const char *key;
    struct row *row;
};

/* One allocation with its strings, but for the verdict and the history (malloc) and the host's name
 * (the host's). While it could run it stands in one of its host's trees: `ready`, by user and then
 * in the order to run, or `due`, by time; so a window costs what it returns, however long the queue
 * is, and whoever's jobs it is to leave out. */
struct row {
    struct store_job job;
    struct host *host;
    struct user_count *user;
    struct tree_node run; /* in the tree that `place` names */
    enum place place;
    bool skip;            /* within one window call */
    struct keyed keyed[]; /* one if it has a key, then the strings */
};

struct host {
    struct tree_node entry;
    struct tree ready, due;
    uint64_t rows; /* it goes with its last */
    const char *name;
    char text[];
};

struct rows {
    struct idmap by_id, ended;
    struct tree keys, hosts;
    struct store_counts counts;
    struct user_counts users;
    uint64_t first_ended; /* finish_seq of the oldest end that may still be kept */
};

void rows_init(struct rows *rows);
void rows_deinit(struct rows *rows);

/* Finding. NULL: there is none. */
struct row *rows_get(const struct rows *rows, uint64_t id);
struct row *rows_get_key(struct rows *rows, uint32_t uid, const char *key);
struct host *rows_get_host(struct rows *rows, const char *name);
struct row *rows_oldest_end(struct rows *rows);

/* How many have not ended, and how many have. */
uint64_t rows_pending(const struct rows *rows);
uint64_t rows_ended(const struct rows *rows);

/* Adds a queued row with the next id. 0 or -ENOMEM. */
int rows_add(struct rows *rows, const struct store_job *job);
void rows_remove(struct rows *rows, struct row *row);
/* Takes back the rows after last_id, whose ids nobody has seen, and the ids. */
void rows_undo(struct rows *rows, uint64_t last_id);

/* The one setter of a row's state and time: the counts and the host's trees follow it. */
void row_set_state(struct rows *rows, struct row *row, enum job_state state, int64_t due);
/* Gives it the next place in the order of ends; its state is set after. 0 or -ENOMEM. */
int row_number_end(struct rows *rows, struct row *row);

/* Rows of the host that have fallen due by `now` join those that may run. *ret_next_due: when the
 * next one falls due that is not marked `skip`; 0: none. */
void host_promote(struct host *host, int64_t now, int64_t *ret_next_due);
/* Those that may run: the first of this user's from that rank on, or of the next user who has any.
 */
struct row *host_first_ready(struct host *host, uint32_t uid, int64_t from_rank);
struct row *host_next_ready(struct row *row);
static inline bool host_waits(const struct host *host) /* has it rows that run now or later? */
{
    return host->ready.root || host->due.root;
}
/* By name: the first host behind this one; NULL: the first of all. */
struct host *rows_host_after(struct rows *rows, const char *name);
struct host *rows_next_host(struct host *host);

#endif
