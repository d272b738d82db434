#include "attempt/cause.h"

#include <assert.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* The winner fills it in and publishes it; NULL for everybody else. */
static struct cause *cause_claim(struct first_cause *first)
{
    if (atomic_exchange_explicit(&first->claimed, true, memory_order_acq_rel))
        return NULL;
    return &first->cause;
}

static void cause_publish(struct first_cause *first, struct cause *cause)
{
    assert(!cause_of(first));
    atomic_store_explicit(&first->published, cause, memory_order_release);
}

bool cause_fail(struct first_cause *first, enum error_kind kind, const char *fmt, ...)
{
    struct cause *cause = cause_claim(first);
    if (!cause)
        return false;
    assert(kind != KIND_NONE);
    cause->kind = kind;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(cause->message, sizeof cause->message, fmt, ap);
    va_end(ap);
    cause_publish(first, cause);
    return true;
}

int cause_fail_errno(struct first_cause *first, const char *what, int code)
{
    cause_fail(first, KIND_RESOURCES, "%s: %s", what, strerror(-code));
    return code;
}

bool cause_cancel(struct first_cause *first, bool interrupted, const char *message)
{
    struct cause *cause = cause_claim(first);
    if (!cause)
        return false;
    cause->cancelled = !interrupted;
    cause->interrupted = interrupted;
    snprintf(cause->message, sizeof cause->message, "%s", message);
    cause_publish(first, cause);
    return true;
}

const struct cause *cause_of(const struct first_cause *first)
{
    return atomic_load_explicit(&((struct first_cause *)first)->published, memory_order_acquire);
}
