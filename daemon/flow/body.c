#include "flow/body.h"

#include "base/fd.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct body *body_new(void)
{
    struct body *body = calloc(1, sizeof *body);
    if (!body)
        return NULL;
    atomic_init(&body->refs, 1);
    body->wake_fd = -1;
    return body;
}

struct body *body_ref(struct body *body)
{
    int before = atomic_fetch_add_explicit(&body->refs, 1, memory_order_relaxed);
    assert(before > 0);
    return body;
}

void body_unref(struct body *body)
{
    if (body && atomic_fetch_sub_explicit(&body->refs, 1, memory_order_acq_rel) == 1) {
        fd_close(&body->wake_fd);
        free(body);
    }
}

int body_watch(struct body *body)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    body->wake_fd = fd;
    return 0;
}

void body_wake(struct body *body)
{
    uint64_t one = 1;
    if (body->wake_fd >= 0)
        (void)!write(body->wake_fd, &one, sizeof one); /* EAGAIN: it is readable as it is */
}

bool body_settle(struct body *body, enum body_state to)
{
    enum body_state open = BODY_OPEN;
    assert(to != BODY_OPEN);
    if (!atomic_compare_exchange_strong_explicit(&body->state, &open, to, memory_order_acq_rel,
                                                 memory_order_acquire))
        return false;
    body_wake(body);
    return true;
}

bool body_judge_end(struct body *body, bool whole)
{
    enum body_state ended = BODY_ENDED;
    if (!atomic_compare_exchange_strong_explicit(&body->state, &ended,
                                                 whole ? BODY_COMPLETE : BODY_ABORTED,
                                                 memory_order_acq_rel, memory_order_acquire))
        return false;
    body_wake(body);
    return true;
}

uint64_t body_read_wait(const struct body *body, uint64_t now)
{
    struct body *b = (struct body *)body;
    /* In this order, against the reader's (first the sum, then since = 0): a wait that ends just
     * now may be counted twice for this once, never be missing. A parser must not be taken for busy
     * because of a race. */
    uint64_t since = atomic_load_explicit(&b->read_wait_since, memory_order_acquire);
    uint64_t waited = atomic_load_explicit(&b->read_wait, memory_order_acquire);
    return since > 0 && now > since ? waited + (now - since) : waited;
}
