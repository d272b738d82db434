#include "job/backlog.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void backlog_init(struct backlog *backlog)
{
    *backlog = (struct backlog){.count = 0};
    tree_init(&backlog->names, tree_by_name);
    list_init(&backlog->turn);
    list_init(&backlog->blocked);
}

struct backlog_host *backlog_find(const struct backlog *backlog, const char *name)
{
    return tree_entry(tree_find_name(&backlog->names, name), struct backlog_host, entry.node);
}

struct backlog_host *backlog_add(struct backlog *backlog, const char *name, bool blocked)
{
    size_t size = strlen(name) + 1;
    struct backlog_host *host = calloc(1, sizeof *host + size);
    if (!host)
        return NULL;
    memcpy(host->name, name, size);
    host->entry.name = host->name;
    host->blocked = blocked;
    struct tree_node *present = tree_insert(&backlog->names, &host->entry.node);
    assert(!present);
    (void)present;
    list_add_tail(blocked ? &backlog->blocked : &backlog->turn, &host->link);
    backlog->count++;
    return host;
}

void backlog_remove(struct backlog *backlog, struct backlog_host *host)
{
    assert(backlog->count > 0);
    tree_remove(&backlog->names, &host->entry.node);
    list_del(&host->link);
    backlog->count--;
    free(host);
}

struct backlog_host *backlog_first(const struct backlog *backlog)
{
    struct list *e = backlog->turn.next;
    return e == &backlog->turn ? NULL : container_of(e, struct backlog_host, link);
}

void backlog_unblock(struct backlog *backlog, struct backlog_host *host)
{
    if (!host->blocked)
        return;
    host->blocked = false;
    list_del(&host->link);
    list_add_tail(&backlog->turn, &host->link);
}

void backlog_unblock_all(struct backlog *backlog)
{
    while (!list_empty(&backlog->blocked))
        backlog_unblock(backlog, container_of(backlog->blocked.next, struct backlog_host, link));
}
