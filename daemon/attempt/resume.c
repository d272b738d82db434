#include "attempt/resume.h"

#include "base/buf.h"
#include "base/clock.h"
#include "attempt/retry.h"
#include "attempt/validator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Tries in a row that bring no byte; then the attempt fails, and a new one has its own back-off. */
#define FRUITLESS_MAX 6
/* As are those that bring less than a page: one byte for each connection is no way to download. */
#define MEAGRE_BYTES 4096
#define MEAGRE_MAX   64
#define DELAY_MAX    (30 * NS_PER_SEC)
/* Who asks for more patience than that is asked anew, from the body's start: a job that waits here
 * holds a worker. */
#define WAIT_MAX (300 * NS_PER_SEC)

static const char *const names[RESUME_FIELDS] = {
    [RESUME_ETAG] = "ETag",
    [RESUME_MODIFIED] = "Last-Modified",
    [RESUME_TYPE] = "Content-Type",
    [RESUME_ENCODING] = "Content-Encoding",
    [RESUME_LOCATION] = "Content-Location",
};

void resume_init(struct resume *r)
{
    r->total = -1;
    r->overlap_max = RESUME_TAIL;
}

void resume_deinit(struct resume *r)
{
    for (size_t i = 0; i < RESUME_FIELDS; i++)
        free(r->fields[i]);
    free(r->tail);
    free(r->asked_wait);
}

/* --- the evidence ----------------------------------------------------------------------------- */

/* The values of all lines of that name, joined (RFC 9110, 5.3). 0 and a newly allocated string,
 * NULL if there is none; or -ENOMEM. */
static int join(const struct transfer_response *response, const char *name, char **ret)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < response->header_count; i++) {
        if (strcasecmp(response->headers[i].name, name) != 0)
            continue;
        if (b.len > 0)
            buf_puts(&b, ", ");
        buf_puts(&b, response->headers[i].value);
    }
    bool failed = b.failed;
    *ret = b.len > 0 && !failed ? buf_steal(&b) : NULL;
    buf_deinit(&b);
    return failed ? -ENOMEM : 0;
}

/* `identity` says what the field's absence says. */
static int read_field(const struct transfer_response *response, enum resume_field field, char **ret)
{
    int r = join(response, names[field], ret);
    if (field == RESUME_ENCODING && *ret && strcasecmp(*ret, "identity") == 0) {
        free(*ret);
        *ret = NULL;
    }
    return r;
}

/* The validator, or why there is none. */
static const char *choose(struct resume *r, const struct transfer_response *response,
                          const char *method, const char **ret_hindrance)
{
    const char *etag = r->fields[RESUME_ETAG], *modified = r->fields[RESUME_MODIFIED];
    const char *why = NULL, *ranges = NULL;
    bool dated = validator_date(response, names[RESUME_MODIFIED]) != -1;
    for (size_t i = 0; i < response->header_count; i++)
        if (strcasecmp(response->headers[i].name, "Accept-Ranges") == 0)
            ranges = response->headers[i].value;
    if (response->status != 200 || strcmp(method, "GET") != 0)
        why = "only a GET that was answered by 200 can be";
    else if (ranges && strcasecmp(ranges, "none") == 0)
        why = "the origin says that it has no ranges";
    else if (!etag && !modified)
        why = "the origin sent neither ETag nor Last-Modified";
    else if (etag && !validator_is_strong(etag))
        why = "the origin's ETag is not a strong one";
    else if (!dated && !etag)
        why = "the origin's Last-Modified is no date";
    else if (dated && !r->date_strong)
        why = "the origin's Last-Modified is so young that the next version may have the same";
    *ret_hindrance = why;
    return why ? NULL : etag ? etag : modified;
}

int resume_note(struct resume *r, const struct transfer_response *response, const char *method,
                int64_t now)
{
    int failed = 0;
    for (size_t i = 0; i < RESUME_FIELDS; i++)
        failed |= read_field(response, (enum resume_field)i, &r->fields[i]);
    r->total = response->content_length;
    r->date_strong = validator_date_is_strong(response, now);
    r->from_start = r->fields[RESUME_ENCODING] && r->total < 0;
    r->validator = choose(r, response, method, &r->hindrance);
    if (r->validator)
        r->tail = malloc(RESUME_TAIL);
    return failed || (r->validator && !r->tail) ? -ENOMEM : 0;
}

/* --- the tail --------------------------------------------------------------------------------- */

void resume_took(struct resume *r, uint64_t at, const char *data, size_t len)
{
    if (!r->tail)
        return;
    if (len > RESUME_TAIL) {
        at += len - RESUME_TAIL;
        data += len - RESUME_TAIL;
        len = RESUME_TAIL;
    }
    if (at != r->tail_end)
        r->tail_from = at; /* what lies between was spliced, or is older than all that is kept */
    size_t place = (size_t)(at % RESUME_TAIL);
    size_t first = len < RESUME_TAIL - place ? len : RESUME_TAIL - place;
    memcpy(r->tail + place, data, first);
    memcpy(r->tail, data + first, len - first);
    r->tail_end = at + len;
    if (r->tail_end - r->tail_from > RESUME_TAIL)
        r->tail_from = r->tail_end - RESUME_TAIL;
}

/* Are these, from byte `at` on, what the parser got, as far as that was kept? */
static bool is_same(const struct resume *r, uint64_t at, const char *data, size_t len)
{
    uint64_t low = at > r->tail_from ? at : r->tail_from;
    uint64_t high = at + len < r->tail_end ? at + len : r->tail_end;
    while (low < high) {
        size_t place = (size_t)(low % RESUME_TAIL), n = (size_t)(high - low);
        if (n > RESUME_TAIL - place)
            n = RESUME_TAIL - place;
        if (memcmp(r->tail + place, data + (low - at), n) != 0)
            return false;
        low += n;
    }
    return true;
}

int resume_compare(const struct resume *r, uint64_t taken, const char *data, size_t len,
                   size_t *ret_skip, struct error *err)
{
    size_t skip = r->skip < len ? (size_t)r->skip : len;
    if (skip > 0 && !is_same(r, r->from - r->skip, data, skip))
        return error_set(err, -EILSEQ,
                         "resumed at byte %llu, and what the origin sent there is not what it had "
                         "sent before: another version of the body",
                         (unsigned long long)r->from);
    if (r->from > 0 && r->total >= 0 && taken + (len - skip) > (uint64_t)r->total)
        return error_set(err, -EMSGSIZE,
                         "resumed at byte %llu, and the origin sent more than the %lld bytes that "
                         "there are",
                         (unsigned long long)r->from, (long long)r->total);
    *ret_skip = skip;
    return 0;
}

bool resume_passed(struct resume *r, size_t skipped, uint64_t taken)
{
    r->skip -= skipped;
    r->reached =
        r->from > 0 && r->open_end && r->skip == 0 && r->total >= 0 && taken == (uint64_t)r->total;
    return r->reached;
}

int resume_whole(const struct resume *r, uint64_t taken, struct error *err)
{
    if (r->from == 0 || (r->skip == 0 && (r->total < 0 || taken == (uint64_t)r->total)))
        return 0;
    if (r->total < 0)
        return error_set(err, -EINVAL, "resumed at byte %llu, and the body ended before it",
                         (unsigned long long)r->from);
    return error_set(err, -EINVAL, "resumed at byte %llu, and ended at byte %llu of %lld",
                     (unsigned long long)r->from, (unsigned long long)taken, (long long)r->total);
}

/* --- going on --------------------------------------------------------------------------------- */

static bool worth_a_try(const struct transfer_result *result)
{
    enum error_kind kind = result->kind;
    return (kind == KIND_PROXY && !result->proxy_refuses) || kind == KIND_TRUNCATED ||
           kind == KIND_STALLED || kind == KIND_CONNECT || kind == KIND_CONNECT_TIMEOUT ||
           kind == KIND_DNS || kind == KIND_FIRST_BYTE_TIMEOUT || kind == KIND_PROTOCOL ||
           kind == KIND_RESOURCES;
}

/* What the transfer that has ended brought decides: `came` bytes of the body, `brought` of them
 * new. Where most of it was only to be compared, less is asked for from now on, so that an origin
 * that gives a few bytes to each connection can still be followed. */
static bool worth_going_on(struct resume *r, uint64_t came, uint64_t brought)
{
    r->fruitless = brought > 0 ? 0 : r->fruitless + 1;
    r->meagre = came >= MEAGRE_BYTES ? 0 : r->meagre + 1;
    if (r->from > 0 && 2 * brought < came && r->overlap_max > came / 4)
        r->overlap_max = came / 4;
    return r->fruitless <= FRUITLESS_MAX && r->meagre <= MEAGRE_MAX && r->wait <= WAIT_MAX;
}

static uint64_t delay_of(const struct resume *r, uint64_t delay)
{
    for (unsigned i = 0; i < r->fruitless && delay < DELAY_MAX; i++)
        delay *= 2;
    if (delay > DELAY_MAX)
        delay = DELAY_MAX;
    return delay > r->wait ? delay : r->wait;
}

static enum resume_step give_up(struct resume *r, const struct transfer_result *result,
                                uint64_t taken, struct error *ret_why)
{
    if (r->busy)
        error_set(ret_why, 0,
                  "cut at byte %llu, and the rest could not be had: the answer to the last of %u "
                  "requests for it was %d",
                  (unsigned long long)taken, r->count, r->busy);
    else if (!r->validator)
        error_set(ret_why, 0, "%s; not to be resumed: %s", result->message, r->hindrance);
    else
        error_set(ret_why, 0, "%s; cut at byte %llu, and %u requests for the rest brought %s",
                  result->message, (unsigned long long)taken, r->count,
                  r->fruitless > FRUITLESS_MAX ? "nothing any more" : "next to nothing each");
    return RESUME_OVER;
}

enum resume_step resume_next(struct resume *r, const struct transfer_result *result, uint64_t taken,
                             uint64_t delay, uint64_t *ret_delay, struct error *ret_why)
{
    bool broken = !result->stopped && worth_a_try(result);
    bool whole = r->total >= 0 && taken == (uint64_t)r->total && r->skip == 0;
    error_set(ret_why, 0, "%s", result->message);
    if (r->reached || (broken && whole && taken > 0))
        return RESUME_WHOLE;
    if (taken == 0 || (!broken && !r->busy))
        return RESUME_OVER;
    if (!r->validator || !worth_going_on(r, r->busy ? 0 : result->bytes, taken - r->from))
        return give_up(r, result, taken, ret_why);
    *ret_delay = delay_of(r, delay);
    return RESUME_AGAIN;
}

/* How many bytes are asked for once more. */
static uint64_t overlap(const struct resume *r)
{
    uint64_t kept = r->tail_end == r->from ? r->tail_end - r->tail_from : 0;
    if (kept > r->overlap_max)
        kept = r->overlap_max;
    return kept == 0 && r->total < 0 ? 1 : kept;
}

void resume_ask(struct resume *r, uint64_t taken)
{
    r->count++;
    r->from = taken;
    r->skip = 0;
    r->wait = 0;
    r->busy = 0;
    r->open_end = r->reached = false;
    r->asked = r->from_start ? 0 : taken - overlap(r);
}

/* --- what came back --------------------------------------------------------------------------- */

static int refuse(const struct resume *r, struct error *err, const char *why)
{
    return error_set(err, -EINVAL, "cut at byte %llu, and not to be resumed: %s",
                     (unsigned long long)r->from, why);
}

static int no_memory(const struct resume *r, struct error *err)
{
    refuse(r, err, "there is no memory for the response's head");
    return -ENOMEM;
}

static bool parse_number(const char **text, uint64_t *ret)
{
    const char *p = *text;
    uint64_t n = 0;
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
            return false;
    *text = p;
    *ret = n;
    return n <= INT64_MAX;
}

/* "bytes FIRST-LAST/TOTAL" or "bytes FIRST-LAST/" and a star (RFC 9110, 14.4), and nothing else: no
 * sign, no number that wraps. */
static int parse_range(const char *text, uint64_t *ret_first, uint64_t *ret_last,
                       int64_t *ret_total)
{
    uint64_t total;
    if (!text || strncasecmp(text, "bytes", 5) != 0 || (text[5] != ' ' && text[5] != '\t'))
        return -EINVAL;
    text += 5;
    text += strspn(text, " \t");
    if (!parse_number(&text, ret_first) || *text++ != '-' || !parse_number(&text, ret_last) ||
        *text++ != '/')
        return -EINVAL;
    *ret_total = -1;
    if (strcmp(text, "*") != 0) {
        if (!parse_number(&text, &total) || *text)
            return -EINVAL;
        *ret_total = (int64_t)total;
    }
    return *ret_last >= *ret_first ? 0 : -EINVAL;
}

bool resume_is_part(const struct transfer_response *response)
{
    uint64_t first, last;
    int64_t total;
    for (size_t i = 0; i < response->header_count; i++) {
        if (strcasecmp(response->headers[i].name, "Content-Range") == 0 &&
            parse_range(response->headers[i].value, &first, &last, &total) == 0 && total >= 0 &&
            (first != 0 || last + 1 != (uint64_t)total))
            return true;
    }
    return false;
}

/* What is on both sides must be equal; the encoding is on both if it is on one. */
static int check_field(const struct resume *r, enum resume_field field, const char *value,
                       struct error *err)
{
    const char *first = r->fields[field];
    bool must = field == RESUME_ENCODING && (first || value);
    if (!must && (!first || !value))
        return 0;
    if (first && value && strcmp(first, value) == 0)
        return 0;
    struct error why;
    error_set(&why, 0, "the body has changed at the origin: %s was %.100s, and is %.100s now",
              names[field], first ? first : "not there", value ? value : "not there");
    return refuse(r, err, why.text);
}

static int check_fields(const struct resume *r, const struct transfer_response *response,
                        struct error *err)
{
    char *values[RESUME_FIELDS] = {NULL};
    int result = 0;
    for (size_t i = 0; i < RESUME_FIELDS && result == 0; i++) {
        result = read_field(response, (enum resume_field)i, &values[i]);
        if (result < 0)
            result = no_memory(r, err);
        else
            result = check_field(r, (enum resume_field)i, values[i], err);
    }
    bool tag = r->validator == r->fields[RESUME_ETAG] && values[RESUME_ETAG];
    bool date = r->date_strong && values[RESUME_MODIFIED];
    bool both = (tag || !r->fields[RESUME_ETAG]) && (date || !r->fields[RESUME_MODIFIED]);
    bool compared = r->tail_end == r->from; /* the tail will be */
    if (result == 0 && !tag && !date)
        result = refuse(r, err, "the origin sends the rest without the validator");
    else if (result == 0 && !both && !compared)
        result = refuse(r, err,
                        "the origin sends the rest without one of ETag and Last-Modified, and what "
                        "came went through the kernel alone (fetch.splice_min), so that nothing "
                        "can be compared");
    for (size_t i = 0; i < RESUME_FIELDS; i++)
        free(values[i]);
    return result;
}

static bool is_multipart(const struct transfer_response *response)
{
    for (size_t i = 0; i < response->header_count; i++)
        if (strcasecmp(response->headers[i].name, "Content-Type") == 0 &&
            strncasecmp(response->headers[i].value, "multipart/byteranges", 20) == 0)
            return true;
    return false;
}

static int check_range(struct resume *r, const struct transfer_response *response, const char *text,
                       struct error *err)
{
    uint64_t first, last;
    int64_t total;
    if (parse_range(text, &first, &last, &total) < 0)
        return refuse(r, err, "the 206 has no Content-Range that makes sense");
    if (first != r->asked)
        return refuse(r, err, "the 206 starts at another byte");
    if (total >= 0 && (r->total >= 0 ? total != r->total : last >= (uint64_t)total))
        return refuse(r, err, "the 206 is of a body of another length");
    if (total < 0)
        total = r->total;
    if (total < 0 || last + 1 != (uint64_t)total || r->from > (uint64_t)total)
        return refuse(r, err, "the 206 does not reach the body's end");
    if (response->content_length >= 0 && (uint64_t)response->content_length != last - first + 1)
        return refuse(r, err, "the 206's length contradicts its range");
    r->total = total;
    r->skip = r->from - r->asked;
    return 0;
}

static int check_partial(struct resume *r, const struct transfer_response *response,
                         struct error *err)
{
    char *range;
    if (r->from_start)
        return refuse(r, err, "the origin sends a part of what was asked for whole");
    if (is_multipart(response))
        return refuse(r, err, "the 206 is in several parts");
    if (join(response, "Content-Range", &range) < 0)
        return no_memory(r, err);
    int result = check_range(r, response, range, err);
    free(range);
    return result;
}

/* The rest comes with all that is before it. */
static int check_all(struct resume *r, const struct transfer_response *response, struct error *err)
{
    if (resume_is_part(response))
        return refuse(r, err, "the origin sends a part and calls it the whole");
    if (r->total >= 0 && response->content_length >= 0 && response->content_length != r->total)
        return refuse(r, err, "the origin sends a body of another length");
    if (response->content_length >= 0 && (uint64_t)response->content_length < r->from)
        return refuse(r, err, "the origin sends a shorter body");
    r->skip = r->from;
    return 0;
}

static int put_off(struct resume *r, const struct transfer_response *response, int64_t now_us)
{
    free(r->asked_wait);
    r->busy = response->status;
    if (join(response, "Retry-After", &r->asked_wait) < 0)
        r->asked_wait = NULL; /* a hint */
    int64_t wait = r->asked_wait ? retry_after_us(r->asked_wait, now_us) : -1;
    r->wait = wait > 0 ? (uint64_t)wait * 1000 : 0;
    return RESUME_BUSY;
}

int resume_check(struct resume *r, const struct transfer_response *response, int64_t now_us,
                 struct error *err)
{
    struct error why;
    if (retry_wanted(KIND_HTTP_STATUS, response->status))
        return put_off(r, response, now_us);
    if (response->status != 200 && response->status != 206) {
        error_set(&why, 0, "the origin answered %d", response->status);
        return refuse(r, err, why.text);
    }
    int result =
        response->status == 206 ? check_partial(r, response, err) : check_all(r, response, err);
    if (result == 0)
        result = check_fields(r, response, err);
    r->open_end = response->content_length < 0;
    return result;
}
