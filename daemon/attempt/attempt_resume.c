/* The fetch loop's side of a resume: its timer, and what the judgements of resume.c come to. */
#include "attempt/attempt.h"

#include "base/clock.h"
#include "base/list.h"
#include "fetch/fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t taken(const struct attempt *a)
{
    return atomic_load_explicit(&a->bytes, memory_order_relaxed);
}

static void resume_start(struct attempt *a)
{
    a->resume_pending = false;
    resume_ask(&a->resume, taken(a));
    attempt_fetch_again(a);
}

static void on_timer(uv_timer_t *timer)
{
    struct attempt *a = container_of(timer, struct attempt, resume_timer);
    /* A slow parser's pipe is still full: its origin would only time out again. */
    if (a->resume_pending && !body_pipe_full(&a->pipe))
        resume_start(a);
}

void attempt_resume_drained(struct attempt *a)
{
    if (a->resume_pending && !uv_is_active((uv_handle_t *)&a->resume_timer))
        resume_start(a);
}

static bool wait_for(struct attempt *a, uint64_t delay)
{
    uv_loop_t *loop = fetch_loop_uv(a->loop);
    if (!a->resume_timer_open && uv_timer_init(loop, &a->resume_timer) < 0)
        return false;
    a->resume_timer_open = a->resume_pending = true;
    uv_update_time(loop);
    uv_timer_start(&a->resume_timer, on_timer, delay / NS_PER_MS + 1, 0);
    return true;
}

bool attempt_resume_stop(struct attempt *a, uv_close_cb closed)
{
    a->resume_pending = false;
    if (!a->resume_timer_open)
        return false;
    a->resume_timer_open = false;
    uv_close((uv_handle_t *)&a->resume_timer, closed);
    return true;
}

/* The transfer that ended before was to the same origin. */
static void fail_rest(struct attempt *a, const struct error *why)
{
    attempt_fail(a, KIND_TRUNCATED, "%s port %d: %s", a->host, a->end.port, why->text);
}

/* It was put off to the end: the next attempt waits as the origin asked. */
static void give_up(struct attempt *a, const struct error *why)
{
    if (a->resume.asked_wait) {
        free(a->retry_after);
        a->retry_after = strdup(a->resume.asked_wait); /* a hint: without memory it is not taken */
    }
    fail_rest(a, why);
}

bool attempt_resume_try(struct attempt *a)
{
    struct error why;
    uint64_t delay = 0;
    bool body = a->mode == MODE_STREAM && a->pipe_open && !a->pipe.reader_left && !attempt_cause(a);
    if (!body)
        return false;
    switch (resume_next(&a->resume, &a->end, taken(a), a->env->resume_delay, &delay, &why)) {
    case RESUME_AGAIN:
        return wait_for(a, delay);
    case RESUME_WHOLE:
        a->end.kind = KIND_NONE;
        a->end.stopped = false;
        a->end.verified = VERIFIED_LENGTH;
        break;
    case RESUME_OVER:
        if (a->resume.busy)
            give_up(a, &why);
        else if (a->end.kind != KIND_NONE && !a->end.stopped)
            attempt_fail(a, a->end.kind, "%s", why.text);
    }
    return false;
}

/* A signed URL that has expired, or a mirror that is no more: whoever led there may know another one. Once for each
 * piece of the body. */
static bool ask_again(struct attempt *a, int status)
{
    uint64_t bytes = taken(a);
    if ((status != 403 && status != 404 && status != 410) || a->hops < 2 || a->again_at == bytes ||
        strcmp(a->spec->method, "GET") != 0)
        return false;
    a->redirect = strdup(a->spec->url);
    a->again_at = bytes;
    a->again = a->redirect != NULL;
    return a->again;
}

int attempt_resume_check(struct attempt *a, const struct transfer_response *response)
{
    struct error why;
    if (attempt_redirected(a, response) || ask_again(a, response->status))
        return -ECANCELED;
    int r = resume_check(&a->resume, response, clock_real_us(), &why);
    if (r < 0)
        fail_rest(a, &why);
    return r == RESUME_BUSY ? -ECANCELED : r;
}

int attempt_resume_compare(struct attempt *a, const char *data, size_t len, size_t *ret_skip)
{
    struct error why;
    int r = resume_compare(&a->resume, taken(a), data, len, ret_skip, &why);
    if (r < 0)
        fail_rest(a, &why);
    return r;
}

int attempt_resume_whole(struct attempt *a)
{
    struct error why;
    int r = resume_whole(&a->resume, taken(a), &why);
    if (r < 0)
        fail_rest(a, &why);
    else if (a->resume.count > 0 && a->resume.total >= 0 && a->verified == VERIFIED_NONE)
        a->verified = VERIFIED_LENGTH; /* of Content-Range: it need not have been told before */
    return r;
}
