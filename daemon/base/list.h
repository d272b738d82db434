/* An intrusive doubly linked ring. The head and each entry are a struct list; an entry that is in
 * no list points at itself, so list_del on it is harmless. No locking: the owner says which. */
#ifndef PENSTOCK_BASE_LIST_H
#define PENSTOCK_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev, *next;
};

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void list_init(struct list *l)
{
    l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_add_tail(struct list *head, struct list *e)
{
    e->prev = head->prev;
    e->next = head;
    head->prev->next = e;
    head->prev = e;
}

static inline void list_add_head(struct list *head, struct list *e)
{
    list_add_tail(head->next, e);
}

static inline void list_del(struct list *e)
{
    e->prev->next = e->next;
    e->next->prev = e->prev;
    list_init(e);
}

/* The first entry, taken out; NULL if there is none. */
static inline struct list *list_pop(struct list *head)
{
    struct list *e = head->next;
    if (e == head)
        return NULL;
    list_del(e);
    return e;
}

/* All of `from` goes to the front of `to`. */
static inline void list_splice(struct list *from, struct list *to)
{
    if (list_empty(from))
        return;
    from->next->prev = to;
    from->prev->next = to->next;
    to->next->prev = from->prev;
    to->next = from->next;
    list_init(from);
}

/* Walks the list; the current entry may be deleted in the body. */
#define list_for_each(e, head)                                            \
    for (struct list *e = (head)->next, *e##_next = e->next; e != (head); \
         e = e##_next, e##_next = e->next)

#endif
