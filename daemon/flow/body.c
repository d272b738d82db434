#include "flow/body.h"

#include <stdlib.h>

struct body *body_new(void)
{
    struct body *body = calloc(1, sizeof *body);
    if (body)
        atomic_init(&body->refs, 1);
    return body;
}

struct body *body_ref(struct body *body)
{
    atomic_fetch_add_explicit(&body->refs, 1, memory_order_relaxed);
    return body;
}

void body_unref(struct body *body)
{
    if (body && atomic_fetch_sub_explicit(&body->refs, 1, memory_order_acq_rel) == 1)
        free(body);
}

bool body_settle(struct body *body, enum body_state to)
{
    enum body_state open = BODY_OPEN;
    return atomic_compare_exchange_strong_explicit(&body->state, &open, to, memory_order_acq_rel,
                                                   memory_order_acquire);
}

uint64_t body_read_wait(const struct body *body, uint64_t now)
{
    struct body *b = (struct body *)body;
    /* In this order, against the reader's (first the sum, then since = 0): a wait that ends just now
     * may be counted twice for this once, never be missing. A parser must not be taken for
     * busy because of a race. */
    uint64_t since = atomic_load_explicit(&b->read_wait_since, memory_order_acquire);
    uint64_t waited = atomic_load_explicit(&b->read_wait, memory_order_acquire);
    return since > 0 && now > since ? waited + (now - since) : waited;
}
