#include "schedule/agenda.h"

#include "base/list.h"
#include "store/schedule_row.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGENDA_LOW (AGENDA_MAX / 2) /* with fewer, more are read */

static struct agenda_entry *of_due(struct tree_node *node)
{
    return tree_entry(node, struct agenda_entry, by_due);
}

static int compare_due(const struct tree_node *a, const struct tree_node *b)
{
    const struct agenda_entry *x = container_of(a, struct agenda_entry, by_due);
    const struct agenda_entry *y = container_of(b, struct agenda_entry, by_due);
    if (x->due != y->due)
        return x->due < y->due ? -1 : 1;
    return strcmp(x->row->name, y->row->name);
}

static int compare_name(const struct tree_node *a, const struct tree_node *b)
{
    return strcmp(container_of(a, struct agenda_entry, by_name)->row->name,
                  container_of(b, struct agenda_entry, by_name)->row->name);
}

static struct agenda_entry *find_known(const struct agenda *agenda, const char *name)
{
    struct store_schedule wanted = {.name = (char *)(uintptr_t)name};
    struct agenda_entry key = {.row = &wanted};
    return tree_entry(tree_find(&agenda->by_name, &key.by_name), struct agenda_entry, by_name);
}

/* --- how far it reaches ----------------------------------------------------------------------- */

static bool reaches(const struct agenda *agenda, const struct store_schedule *row)
{
    if (row->next_at != agenda->read_at)
        return row->next_at < agenda->read_at;
    return strcmp(row->name, agenda->read_name) <= 0;
}

/* Only what is due before that time is known to be here. */
static void reach_less(struct agenda *agenda, int64_t at)
{
    if (at > agenda->read_at)
        return;
    agenda->read_at = at - 1;
    strcpy(agenda->read_name, "\xff"); /* behind all names, which are UTF-8 */
}

bool agenda_wants_more(const struct agenda *agenda)
{
    return agenda->read_at < INT64_MAX && agenda->count < AGENDA_LOW &&
           agenda->bytes < AGENDA_BYTES;
}

void agenda_set_read(struct agenda *agenda, const struct store_schedule *last)
{
    agenda->read_at = last ? last->next_at : INT64_MAX;
    snprintf(agenda->read_name, sizeof agenda->read_name, "%s", last ? last->name : "");
}

void agenda_reread(struct agenda *agenda)
{
    agenda->read_at = INT64_MIN;
    agenda->read_name[0] = '\0';
}

/* --- entries ---------------------------------------------------------------------------------- */

static void entry_forget(struct agenda *agenda, struct agenda_entry *entry)
{
    if (!entry->known)
        return;
    tree_remove(&agenda->by_name, &entry->by_name);
    agenda->count--;
    agenda->bytes -= strlen(entry->row->spec);
    entry->known = false;
}

void agenda_free_entry(struct agenda *agenda, struct agenda_entry *entry)
{
    if (entry->waits)
        tree_remove(&agenda->by_due, &entry->by_due);
    entry_forget(agenda, entry);
    store_schedule_free(entry->row);
    free(entry);
}

static void entry_place(struct agenda *agenda, struct agenda_entry *entry, int64_t due)
{
    entry->due = due;
    entry->waits = true;
    tree_insert(&agenda->by_due, &entry->by_due);
}

/* The last one goes if there are too many; it is read again when its turn comes. */
static void keep_bounded(struct agenda *agenda)
{
    while (agenda->count > AGENDA_MAX || (agenda->bytes > AGENDA_BYTES && agenda->count > 1)) {
        struct agenda_entry *last = of_due(tree_last(&agenda->by_due));
        if (!last)
            return;
        reach_less(agenda, last->row->next_at);
        agenda_free_entry(agenda, last);
    }
}

void agenda_take(struct agenda *agenda, struct store_schedule *row)
{
    bool wanted = !row->paused && reaches(agenda, row) && !find_known(agenda, row->name);
    struct agenda_entry *entry = wanted ? calloc(1, sizeof *entry) : NULL;
    if (!entry) {
        if (wanted)
            reach_less(agenda, row->next_at); /* no memory: it is read again */
        store_schedule_free(row);
        return;
    }
    entry->row = row;
    entry->known = true;
    tree_insert(&agenda->by_name, &entry->by_name);
    agenda->count++;
    agenda->bytes += strlen(row->spec);
    entry_place(agenda, entry, row->next_at);
    keep_bounded(agenda);
}

void agenda_drop(struct agenda *agenda, const char *name)
{
    struct agenda_entry *entry = find_known(agenda, name);
    if (entry && entry->waits)
        agenda_free_entry(agenda, entry);
    else if (entry)
        entry_forget(agenda, entry);
}

struct agenda_entry *agenda_find(const struct agenda *agenda, const char *name)
{
    struct agenda_entry *entry = find_known(agenda, name);
    return entry && entry->waits ? entry : NULL;
}

struct agenda_entry *agenda_first(const struct agenda *agenda)
{
    return of_due(tree_first(&agenda->by_due));
}

void agenda_begin(struct agenda *agenda, struct agenda_entry *entry)
{
    assert(entry->waits);
    tree_remove(&agenda->by_due, &entry->by_due);
    entry->waits = false;
}

void agenda_put_back(struct agenda *agenda, struct agenda_entry *entry, int64_t due)
{
    assert(!entry->waits);
    if (!entry->known || !reaches(agenda, entry->row)) {
        agenda_free_entry(agenda, entry);
        return;
    }
    entry_place(agenda, entry, due);
    keep_bounded(agenda);
}

/* --- life ------------------------------------------------------------------------------------- */

void agenda_init(struct agenda *agenda)
{
    *agenda = (struct agenda){.count = 0};
    tree_init(&agenda->by_due, compare_due);
    tree_init(&agenda->by_name, compare_name);
    agenda_reread(agenda);
}

void agenda_deinit(struct agenda *agenda)
{
    for (struct tree_node *n; (n = tree_first(&agenda->by_name));)
        agenda_free_entry(agenda, container_of(n, struct agenda_entry, by_name));
}
