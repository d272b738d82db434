#include "job/resume.h"

#include "base/clock.h"
#include "base/list.h"
#include "fetch/fetch.h"
#include "job/attempt.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tries in a row that bring no byte; then the attempt fails, and a new one has its own back-off. */
#define FRUITLESS_MAX 6
/* As are those that bring less than a page: one byte for each connection is no way to download. */
#define MEAGRE_BYTES 4096
#define MEAGRE_MAX   64
#define DELAY_MAX    (30 * NS_PER_SEC)

static uint64_t taken(const struct attempt *a)
{
    return atomic_load_explicit(&a->bytes, memory_order_relaxed);
}

void resume_init(struct resume *r)
{
    r->total = -1;
}

void resume_deinit(struct resume *r)
{
    free(r->etag);
    free(r->modified);
}

/* --- the validator ---------------------------------------------------------------------------- */

/* RFC 9110, 8.8.3: a weak one starts with W/. */
static bool is_strong(const char *etag)
{
    size_t len = etag ? strlen(etag) : 0;
    return len >= 2 && etag[0] == '"' && etag[len - 1] == '"';
}

/* RFC 9110, 8.8.2.2: strong if the origin said it at least a second after it. */
static bool modified_is_strong(const char *modified, const char *date)
{
    time_t m = modified ? curl_getdate(modified, NULL) : -1;
    time_t d = date ? curl_getdate(date, NULL) : -1;
    return m != -1 && d != -1 && d - m >= 1;
}

void resume_note(struct attempt *a, const struct transfer_response *response)
{
    struct resume *r = &a->resume;
    const char *etag = attempt_header(response, "ETag");
    const char *modified = attempt_header(response, "Last-Modified");
    const char *ranges = attempt_header(response, "Accept-Ranges");

    r->total = response->content_length;
    if (response->status != 200 || strcmp(a->method, "GET") != 0 ||
        (ranges && strcasecmp(ranges, "none") == 0))
        return;
    if (is_strong(etag))
        r->etag = strdup(etag);
    else if (modified_is_strong(modified, attempt_header(response, "Date")))
        r->modified = strdup(modified);
}

/* --- going on ----------------------------------------------------------------------------------- */

static bool worth_a_try(enum error_kind kind)
{
    return kind == KIND_TRUNCATED || kind == KIND_STALLED || kind == KIND_CONNECT ||
           kind == KIND_CONNECT_TIMEOUT || kind == KIND_DNS || kind == KIND_FIRST_BYTE_TIMEOUT ||
           kind == KIND_PROTOCOL;
}

static void start(struct attempt *a)
{
    struct resume *r = &a->resume;
    r->pending = false;
    r->from = taken(a);
    r->asked = r->total < 0 && r->from > 1 ? r->from - 1 : r->from; /* 0 would be no range */
    r->skip = 0;
    r->count++;
    attempt_fetch_resume(a, r->asked, r->etag ? r->etag : r->modified);
}

static void on_timer(uv_timer_t *timer)
{
    struct resume *r = container_of(timer, struct resume, timer);
    struct attempt *a = container_of(r, struct attempt, resume);
    /* A slow parser's pipe is still full: its origin would only time out again. */
    if (r->pending && !body_pipe_full(&a->pipe))
        start(a);
}

void resume_drained(struct attempt *a)
{
    struct resume *r = &a->resume;
    if (r->pending && !uv_is_active((uv_handle_t *)&r->timer))
        start(a);
}

static uint64_t delay_ms(const struct attempt *a)
{
    uint64_t ns = a->env->resume_delay;
    for (unsigned i = 0; i < a->resume.fruitless && ns < DELAY_MAX; i++)
        ns *= 2;
    if (ns > DELAY_MAX)
        ns = DELAY_MAX;
    return ns / NS_PER_MS + 1;
}

/* What the transfer that has ended brought decides. */
static bool worth_going_on(struct resume *r, uint64_t brought)
{
    r->fruitless = brought > 0 ? 0 : r->fruitless + 1;
    r->meagre = brought >= MEAGRE_BYTES ? 0 : r->meagre + 1;
    return r->fruitless <= FRUITLESS_MAX && r->meagre <= MEAGRE_MAX;
}

bool resume_try(struct attempt *a, const struct transfer_result *result)
{
    struct resume *r = &a->resume;
    if ((!r->etag && !r->modified) || !a->pipe_open || a->pipe.reader_left || taken(a) == 0 ||
        result->stopped || !worth_a_try(result->kind) || attempt_cause(a))
        return false;
    if (!worth_going_on(r, taken(a) - r->from))
        return false;
    uv_loop_t *loop = fetch_loop_uv(a->loop);
    if (!r->timer_open) {
        if (uv_timer_init(loop, &r->timer) < 0)
            return false;
        r->timer_open = true;
    }
    r->pending = true;
    uv_update_time(loop);
    uv_timer_start(&r->timer, on_timer, delay_ms(a), 0);
    return true;
}

bool resume_stop(struct attempt *a, uv_close_cb closed)
{
    struct resume *r = &a->resume;
    r->pending = false;
    if (!r->timer_open)
        return false;
    r->timer_open = false;
    uv_close((uv_handle_t *)&r->timer, closed);
    return true;
}

/* --- what came back ------------------------------------------------------------------------------- */

/* "bytes FIRST-LAST/TOTAL" or "bytes FIRST-LAST/" and a star (RFC 9110, 14.4). */
static int parse_range(const char *text, uint64_t *ret_first, uint64_t *ret_last,
                       int64_t *ret_total)
{
    unsigned long long first, last, total;
    int used = 0;
    if (!text || sscanf(text, "bytes %llu-%llu/%n", &first, &last, &used) != 2 || used == 0)
        return -EINVAL;
    *ret_total = -1;
    if (strcmp(text + used, "*") != 0) {
        char *end;
        errno = 0;
        total = strtoull(text + used, &end, 10);
        if (end == text + used || *end || errno || total > INT64_MAX)
            return -EINVAL;
        *ret_total = (int64_t)total;
    }
    *ret_first = first;
    *ret_last = last;
    return last >= first ? 0 : -EINVAL;
}

static int refuse(struct attempt *a, const char *why)
{
    attempt_fail(a, KIND_TRUNCATED, "cut at byte %llu, and not to be resumed: %s",
                 (unsigned long long)a->resume.from, why);
    return -EINVAL;
}

static int check_partial(struct attempt *a, const struct transfer_response *response)
{
    struct resume *r = &a->resume;
    const char *etag = attempt_header(response, "ETag");
    const char *modified = attempt_header(response, "Last-Modified");
    uint64_t first, last;
    int64_t total;

    if (parse_range(attempt_header(response, "Content-Range"), &first, &last, &total) < 0)
        return refuse(a, "the 206 has no Content-Range that makes sense");
    if (first != r->asked)
        return refuse(a, "the 206 starts at another byte");
    if (total >= 0 && (r->total >= 0 ? total != r->total : last >= (uint64_t)total))
        return refuse(a, "the 206 is of a body of another length");
    if (r->etag ? !etag || strcmp(etag, r->etag) != 0
                : modified && strcmp(modified, r->modified) != 0)
        return refuse(a, "the body has changed at the origin");
    if (total >= 0)
        r->total = total;
    if (r->total < 0 || last + 1 != (uint64_t)r->total)
        return refuse(a, "the 206 does not reach the body's end");
    if (response->content_length >= 0 && (uint64_t)response->content_length != last - first + 1)
        return refuse(a, "the 206's length contradicts its range");
    r->skip = r->from - r->asked;
    return 0;
}

int resume_check(struct attempt *a, const struct transfer_response *response)
{
    struct resume *r = &a->resume;
    char why[64];

    if (!encoding_same(a, response))
        return refuse(a, "the origin encodes the body in another way now");
    if (response->status == 206)
        return check_partial(a, response);
    if (response->status == 200) {
        const char *etag = attempt_header(response, "ETag");
        if (!r->etag || !etag || strcmp(etag, r->etag) != 0)
            return refuse(a, "the origin sends another body from its start");
        if (r->total >= 0 && response->content_length >= 0 && response->content_length != r->total)
            return refuse(a, "the origin sends a body of another length");
        r->skip = r->from;
        return 0;
    }
    snprintf(why, sizeof why, "the origin answered %d", response->status);
    return refuse(a, why);
}

size_t resume_skip(const struct attempt *a, size_t len)
{
    return a->resume.skip < len ? (size_t)a->resume.skip : len;
}

void resume_skipped(struct attempt *a, size_t len)
{
    a->resume.skip -= len;
}

int resume_whole(struct attempt *a)
{
    const struct resume *r = &a->resume;
    if (r->count == 0)
        return 0;
    if (r->skip == 0 && (r->total < 0 || taken(a) == (uint64_t)r->total)) {
        if (r->total >= 0 && a->verified == VERIFIED_NONE)
            a->verified = VERIFIED_LENGTH; /* of Content-Range: it need not have been told before */
        return 0;
    }
    attempt_fail(a, KIND_TRUNCATED, "resumed, and ended at byte %llu of %lld",
                 (unsigned long long)taken(a), (long long)r->total);
    return -EINVAL;
}
