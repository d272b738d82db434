#include "attempt/answer.h"

#include "attempt/echo.h"
#include "base/clock.h"
#include "base/markup.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The last of several, or NULL. */
static const char *header_value(const struct transfer_response *response, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < response->header_count; i++)
        if (strcasecmp(response->headers[i].name, name) == 0)
            value = response->headers[i].value;
    return value;
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* "text/csv", "text/" followed by *, compared without case and without parameters. */
static bool type_matches(const char *type, const char *wanted)
{
    size_t len = type ? strcspn(type, "; \t") : 0, want = strlen(wanted);
    if (want > 0 && wanted[want - 1] == '*')
        return len >= want - 1 && strncasecmp(type, wanted, want - 1) == 0;
    return len == want && strncasecmp(type, wanted, want) == 0;
}

/* Is this an answer that the job wants a parser to see? 0, or a negative errno with the cause
 * set. */
static int accept_head(struct download *d, const struct transfer_response *r)
{
    const struct job_params *p = &d->spec->effective;
    const char *type = header_value(r, "Content-Type");
    if (p->expect_type && !type_matches(type, p->expect_type)) {
        cause_fail(d->cause, KIND_UNEXPECTED, "expect_type: the origin sent %s, %s was expected",
                   type ? type : "no Content-Type", p->expect_type);
        return -EINVAL;
    }
    if (r->status == 200 && resume_is_part(r)) {
        cause_fail(d->cause, KIND_TRUNCATED,
                   "the origin answered 200, and says that it sends a part: Content-Range: %.100s",
                   header_value(r, "Content-Range"));
        return -EINVAL;
    }
    if (p->max_body > 0 && r->content_length > 0 && (uint64_t)r->content_length > p->max_body) {
        cause_fail(d->cause, KIND_LIMIT_EXCEEDED,
                   "max_body: the origin announces %lld bytes, %llu are allowed",
                   (long long)r->content_length, (unsigned long long)p->max_body);
        return -EFBIG;
    }
    if (p->digest_headers == DIGEST_HEADERS_VERIFY && checksum_headers(&d->checksum, r) < 0)
        return cause_fail_errno(d->cause, "no memory for a digest", -ENOMEM);
    struct error err;
    int result =
        encoding_plan(&d->encoding, d->spec, d->env->decode_ratio, d->env->decode_window, r, &err);
    if (result == -ENOMEM)
        return cause_fail_errno(d->cause, "no memory for the response's head", result);
    if (result < 0)
        cause_fail(d->cause, KIND_DECODE_ERROR, "%s", err.text);
    return result;
}

/* The URL of the request had the secret of a `query` credential in it, and an origin may say that
 * back. Where a URL goes from here (the log, the store, another host) the secret must not. */
static void take_redirect(struct download *d, const struct transfer_response *r)
{
    const struct credential *c = d->hop->identity.credential;
    char text[1024];
    if (r->bad_location) {
        snprintf(text, sizeof text, "%s", r->bad_location);
        credential_redact(c, text);
        cause_fail(d->cause, KIND_REDIRECTS, "%s", text);
        return;
    }
    d->redirect = c ? credential_strip(c, r->location) : strdup(r->location);
    if (!d->redirect)
        cause_fail(d->cause, KIND_RESOURCES, "no memory for a redirect");
    else if (c && credential_shows(c, d->redirect))
        cause_fail(d->cause, KIND_REDIRECTS,
                   "the redirect's URL has the secret of the credential %s in it", c->name);
}

static bool take_if_redirect(struct download *d, const struct transfer_response *response)
{
    bool is = is_redirect(response->status) && (response->location || response->bad_location);
    if (is)
        take_redirect(d, response);
    return is;
}

/* The transfer that ended before was to the same origin. */
void answer_fail_rest(struct download *d, const struct error *why)
{
    cause_fail(d->cause, KIND_TRUNCATED, "%s port %d: %s", d->hop->host, d->end.port, why->text);
}

/* So do the stores say that a signed URL has expired (Google's by 400, Amazon's and Azure's by 403,
 * who signs by a token by 401), and mirrors that they are no more. */
static bool is_expired(int status)
{
    return status == 400 || status == 401 || status == 403 || status == 404 || status == 410;
}

/* Whoever led there may know another one. Once for each piece of the body. */
static bool ask_again(struct download *d, int status)
{
    uint64_t bytes = progress_bytes(d->progress);
    if (!is_expired(status) || d->hop->count < 2 || d->again_at == bytes ||
        strcmp(d->spec->method, "GET") != 0)
        return false;
    d->redirect = strdup(d->spec->url);
    d->again_at = bytes;
    d->again = d->redirect != NULL;
    if (!d->again)
        cause_fail(d->cause, KIND_RESOURCES, "no memory for a redirect");
    return true;
}

/* The response to a resume: does it go on with the same version of the body? */
static int take_rest(struct download *d, const struct transfer_response *response)
{
    struct error why;
    if (take_if_redirect(d, response) || ask_again(d, response->status))
        return -ECANCELED;
    int r = resume_check(&d->resume, response, clock_real_us(), &why);
    if (r == -ENOMEM)
        return cause_fail_errno(d->cause, "no memory for the response's head", r);
    if (r < 0)
        answer_fail_rest(d, &why);
    return r == RESUME_BUSY ? -ECANCELED : r;
}

/* No more is wanted: what a parser would get is judged as far as a head can be. */
static int take_told(struct download *d, const struct transfer_response *r)
{
    d->mode = MODE_TOLD;
    head_facts_note(d->told, r);
    if (!spec_status_accepted(&d->spec->effective, r->status))
        return -ECANCELED; /* answer_judge_told */
    int result = accept_head(d, r);
    if (result == 0 && resume_note(&d->resume, r, "GET", clock_real_us() / 1000000) < 0)
        result = cause_fail_errno(d->cause, "no memory for the response's head", -ENOMEM);
    return result == 0 ? -ECANCELED : result;
}

static int take_response(struct download *d, const struct transfer_response *r)
{
    if (d->resume.count > 0)
        return take_rest(d, r);
    d->status = r->status;
    if (take_if_redirect(d, r))
        return -ECANCELED;
    const char *retry_after = header_value(r, "Retry-After");
    free(d->retry_after);
    d->retry_after =
        retry_after ? strdup(retry_after) : NULL; /* a hint: without memory it is not taken */
    if (d->told)
        return take_told(d, r);
    if (condition_holds(&d->condition, r, clock_real_us() / 1000000)) {
        d->mode = MODE_UNCHANGED;
        return r->status == 304 ? 0
                                : -ECANCELED; /* a body that is there already is not waited for */
    }
    if (!spec_status_accepted(&d->spec->effective, r->status)) {
        d->mode = MODE_EXCERPT;
        return 0;
    }
    int result = accept_head(d, r);
    if (result == 0) {
        d->mode = MODE_STREAM;
        int noted = resume_note(&d->resume, r, d->hop->method, clock_real_us() / 1000000);
        condition_note(&d->condition, r, d->hop->url, clock_real_us() / 1000000);
        atomic_store_explicit(&d->progress->length, r->content_length, memory_order_relaxed);
        if (noted < 0 || d->ops->head(d, r) < 0)
            result = cause_fail_errno(d->cause, "no memory for the response's head", -ENOMEM);
    }
    return result;
}

int answer_take(struct download *d, const struct transfer_response *r)
{
    const struct credential *c = d->hop->identity.credential;
    struct transfer_response shown = *r;
    struct transfer_header *headers = c ? echo_redact(c, r) : NULL;
    assert(fetch_loop_is_current(d->loop));
    if (c && !headers)
        return cause_fail_errno(d->cause, "no memory for the response's head", -ENOMEM);
    if (headers)
        shown.headers = headers;
    int result = take_response(d, &shown);
    free(headers);
    return result;
}

/* RFC 9110, 9.1 lets a server have no HEAD, though it should. */
void answer_judge_told(struct download *d)
{
    bool no_head = d->status == 405 || d->status == 501;
    assert(fetch_loop_is_current(d->loop));
    if (!spec_status_accepted(&d->spec->effective, d->status))
        cause_fail(d->cause, KIND_HTTP_STATUS, "%s port %d answered %d%s", d->hop->host,
                   d->end.port, d->status,
                   no_head ? " to HEAD, which it need not know: a GET may work all the same" : "");
}

int answer_excerpt(struct download *d, const char *data, size_t len)
{
    size_t room = DOWNLOAD_EXCERPT - d->excerpt_len;
    size_t n = len < room ? len : room;
    assert(fetch_loop_is_current(d->loop));
    memcpy(d->excerpt + d->excerpt_len, data, n);
    d->excerpt_len += n;
    return d->excerpt_len == DOWNLOAD_EXCERPT ? -ECANCELED : TRANSFER_TAKEN;
}

void answer_fail_status(struct download *d)
{
    assert(fetch_loop_is_current(d->loop));
    for (size_t i = 0; i < d->excerpt_len; i++)
        if ((unsigned char)d->excerpt[i] < 0x20 || d->excerpt[i] == 0x7f)
            d->excerpt[i] = ' ';
    d->excerpt_len = markup_plain(d->excerpt, d->excerpt_len);
    d->excerpt[d->excerpt_len] = '\0';
    credential_redact(d->hop->identity.credential, d->excerpt); /* an origin may say it back */
    cause_fail(d->cause, KIND_HTTP_STATUS, "%s port %d answered %d%s%s", d->hop->host, d->end.port,
               d->status, d->excerpt_len > 0 ? ": " : "", d->excerpt);
}
