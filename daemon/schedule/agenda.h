/* What is due next: the schedules whose time comes soonest, in the order of their times. The store
 * has all of them; here are no more than AGENDA_MAX, however many there are. Control loop. */
#ifndef PENSTOCK_SCHEDULE_AGENDA_H
#define PENSTOCK_SCHEDULE_AGENDA_H

#include "base/tree.h"
#include "schedule/definition.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGENDA_MAX   1024
#define AGENDA_BYTES ((size_t)4 << 20) /* of their specs */

struct agenda_entry {
    struct tree_node by_due;  /* while it waits */
    struct tree_node by_name; /* until it is dropped */
    struct store_schedule *row;
    int64_t due; /* row->next_at, or later; CLOCK_REALTIME, µs */
    bool waits, known;
    bool spread; /* `due` is later so that not all that was missed is run at once */
};

struct agenda {
    struct tree by_due, by_name;
    size_t count, bytes;
    /* Whatever is due up to this time, and by this name at this time, is in here. */
    int64_t read_at;
    char read_name[SCHEDULE_NAME_BYTES + 1];
};

void agenda_init(struct agenda *agenda);
void agenda_deinit(struct agenda *agenda);

/* From here on the store has others, that are to be read behind read_at and read_name. */
bool agenda_wants_more(const struct agenda *agenda);
/* The store was read up to this row, or to its end (NULL). Then its rows are taken. */
void agenda_set_read(struct agenda *agenda, const struct store_schedule *last);
/* What is in it cannot be relied on: all is to be read again. What is there stays. */
void agenda_reread(struct agenda *agenda);

/* Takes ownership of a row, which is freed if it does not belong here or is here already. */
void agenda_take(struct agenda *agenda, struct store_schedule *row);
/* The schedule has gone, or was changed: one that waits is freed. */
void agenda_drop(struct agenda *agenda, const char *name);
/* NULL: it does not wait here. */
struct agenda_entry *agenda_find(const struct agenda *agenda, const char *name);

struct agenda_entry *agenda_first(const struct agenda *agenda); /* that waits; NULL */

/* It waits no more: something is done about it, after which it is put back or freed. */
void agenda_begin(struct agenda *agenda, struct agenda_entry *entry);
/* It is due at `due`, and by its row at row->next_at, if it still belongs here; else it is
 * freed. */
void agenda_put_back(struct agenda *agenda, struct agenda_entry *entry, int64_t due);
void agenda_free_entry(struct agenda *agenda, struct agenda_entry *entry);

#endif
