#include "record/credit.h"

#include "record/sink_private.h"

#include <assert.h>
#include <stdlib.h>

struct sink_credit *sink_credit_new(size_t max)
{
    struct sink_credit *credit = calloc(1, sizeof *credit);
    if (!credit)
        return NULL;
    atomic_init(&credit->refs, 1);
    pthread_cond_init(&credit->given, NULL);
    list_init(&credit->waited_link);
    credit->max = max;
    return credit;
}

struct sink_credit *sink_credit_ref(struct sink_credit *credit)
{
    if (credit)
        atomic_fetch_add_explicit(&credit->refs, 1, memory_order_relaxed);
    return credit;
}

void sink_credit_unref(struct sink_credit *credit)
{
    if (!credit || atomic_fetch_sub_explicit(&credit->refs, 1, memory_order_acq_rel) != 1)
        return;
    assert(credit->waiters == 0);
    pthread_cond_destroy(&credit->given);
    free(credit);
}

bool sink_credit_used_up(const struct sink_credit *credit)
{
    return credit && !credit->closed && credit->used >= credit->max;
}

bool sink_credit_take(struct sink_credit *credit, size_t bytes)
{
    if (!credit || credit->closed)
        return false;
    credit->used += bytes;
    return true;
}

void sink_credit_wait(struct sink *sink, struct sink_credit *credit)
{
    if (credit->waiters++ == 0)
        list_add_tail(&sink->waited, &credit->waited_link);
    pthread_cond_wait(&credit->given, &sink->lock);
    if (--credit->waiters == 0)
        list_del(&credit->waited_link);
}

/* Several sources may wait for one credit: each looks. */
void sink_credit_wake(struct sink_credit *credit)
{
    if (credit && credit->waiters)
        pthread_cond_broadcast(&credit->given);
}

void sink_credit_return(struct sink *sink, struct sink_credit *credit, size_t bytes, size_t max)
{
    pthread_mutex_lock(&sink->lock);
    assert(credit->used >= bytes);
    credit->used -= bytes;
    credit->max = max ? max : credit->max;
    sink_credit_wake(credit);
    pthread_mutex_unlock(&sink->lock);
}

bool sink_credit_spent(struct sink *sink, const struct sink_credit *credit)
{
    pthread_mutex_lock(&sink->lock);
    bool spent = sink_credit_used_up(credit);
    pthread_mutex_unlock(&sink->lock);
    return spent;
}

void sink_credit_close(struct sink *sink, struct sink_credit *credit)
{
    pthread_mutex_lock(&sink->lock);
    credit->closed = true;
    sink_credit_wake(credit);
    pthread_mutex_unlock(&sink->lock);
}
