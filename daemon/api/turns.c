#include "api/turns.h"

#include "api/call.h"

#include <assert.h>
#include <stdlib.h>

struct waiting {
    struct list link;
    struct api_call *call;
};

static void on_slice(struct slice *slice)
{
    struct turns *turns = container_of(slice, struct turns, slice);
    struct list *e = turns->taken ? NULL : list_pop(&turns->waiting);
    if (!e)
        return;
    struct waiting *w = container_of(e, struct waiting, link);
    struct api_call *call = w->call;
    free(w);
    bool more = !list_empty(&turns->waiting);
    turns->begin(call);
    if (more && !turns->taken && list_empty(&slice->link))
        slices_add(turns->slices, slice);
}

void turns_init(struct turns *turns, struct slices *slices, void (*begin)(struct api_call *call))
{
    *turns = (struct turns){.slices = slices, .begin = begin};
    turns->slice.step = on_slice;
    list_init(&turns->slice.link);
    list_init(&turns->waiting);
}

void turns_ask(struct turns *turns, struct api_call *call)
{
    if (!turns->taken && list_empty(&turns->waiting)) {
        turns->begin(call);
        return;
    }
    struct waiting *w = calloc(1, sizeof *w);
    if (!w) {
        call_reply(call, NULL);
        return;
    }
    w->call = call;
    list_add_tail(&turns->waiting, &w->link);
}

void turns_take(struct turns *turns)
{
    assert(!turns->taken);
    turns->taken = true;
}

void turns_give(struct turns *turns)
{
    assert(turns->taken);
    turns->taken = false;
    if (!list_empty(&turns->waiting) && list_empty(&turns->slice.link))
        slices_add(turns->slices, &turns->slice);
}

void turns_refuse(struct turns *turns)
{
    for (struct list *e; (e = list_pop(&turns->waiting));) {
        struct waiting *w = container_of(e, struct waiting, link);
        call_fail(w->call, API_DRAINING, NULL, "the daemon is stopping");
        free(w);
    }
}
