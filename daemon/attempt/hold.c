/* deliver = commit: the records of an attempt are held back until the job is done. On the worker's thread, which
 * alone touches the spool until its parser has returned; then it is the sink's (finish.c) or closed unread. */
#include "attempt/attempt.h"

#include <errno.h>
#include <string.h>

static int fail(struct attempt *a, int r)
{
    if (r == -EOVERFLOW)
        attempt_fail(a, KIND_LIMIT_EXCEEDED, "commit_max: the records are over %llu bytes",
                     (unsigned long long)a->hold_max);
    else
        attempt_fail(a, KIND_RESOURCES, "the records could not be held back: %s",
                     strerrordesc_np(-r));
    return r;
}

int attempt_hold(struct attempt *a, const char *json, size_t len)
{
    struct sink_source *source = &a->task.source;
    struct error err;
    int r = 0;
    if (a->spool.max == 0 &&
        (r = spool_open(&a->spool, a->env->spool_dir, a->hold_max, &err)) < 0) {
        attempt_fail(a, KIND_RESOURCES, "%s", err.text);
        return r;
    }
    r = spool_record(&a->spool, source, source->seq + 1, json, len);
    return r < 0 ? fail(a, r) : sink_count(a->env->sink, source);
}

void attempt_held(struct attempt *a, bool good)
{
    if (!good)
        spool_close(&a->spool);
    int r = spool_flush(&a->spool);
    if (r < 0)
        fail(a, r);
}
