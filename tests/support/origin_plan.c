/* From a request to a response: status, head, framing, ranges and faults. */
#include "support/origin_plan.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GENERATED_MODIFIED 1735689600 /* 2025-01-01, for what has no date of its own */

/* --- what the body is ----------------------------------------------------- */

static int generated(struct content *content, const struct request *request, struct error *err)
{
    const struct content_rows *const rows[] = {&content_lines, &content_csv, &content_ndjson};
    bool endless = request_is(request, "endless", "1");
    uint64_t n = request_number(request, "n", CONTENT_ENDLESS);
    if (!endless && !request_param(request, "n"))
        return error_set(err, -EINVAL, "%s needs n=N or endless=1", request->path);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(request->path, rows[i]->path) == 0) {
            content_set_rows(content, rows[i], endless ? CONTENT_ENDLESS : n);
            return 0;
        }
    }
    content->kind = strcmp(request->path, "/bytes") == 0 ? CONTENT_BYTES : CONTENT_ZEROS;
    content->version = (unsigned)request_number(request, "body", 0);
    content->type = "application/octet-stream";
    content->size = endless || n > CONTENT_ENDLESS ? CONTENT_ENDLESS : n;
    return 0;
}

static bool path_is_generated(const char *path)
{
    static const char *const paths[] = {"/bytes", "/zeros", "/lines", "/csv", "/ndjson"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (strcmp(path, paths[i]) == 0)
            return true;
    return false;
}

static int special(struct content *content, const struct request *request,
                   const struct response_origin *origin, struct error *err)
{
    struct buf data = BUF_INIT;
    int r = origin->special ? origin->special(origin->arg, request, &data) : -ENOENT;
    if (r == 0)
        r = content_set_memory(content, data.data, data.len);
    buf_deinit(&data);
    return r == -ENOENT ? error_set(err, r, "there is no %s here", request->path) : r;
}

int response_content(struct content *content, const struct request *request,
                     const struct response_origin *origin, struct error *err)
{
    const char *path = request->path;
    const char *type = request_param(request, "type");
    int r;
    content->type = "text/plain";
    if (path_is_generated(path)) {
        r = generated(content, request, err);
    } else if (strcmp(path, "/text") == 0) {
        const char *text = request_param(request, "text");
        r = content_set_memory(content, text ? text : "", text ? strlen(text) : 0);
    } else if (strcmp(path, "/echo") == 0) {
        r = content_set_memory(content, request->body.data, request->body.len);
    } else if (strcmp(path, "/request") == 0) {
        r = content_set_memory(content, request->text, strlen(request->text));
    } else if (strcmp(path, "/silence") == 0) {
        r = content_set_memory(content, "", 0);
    } else if (strncmp(path, "/file/", 6) == 0 && origin->root) {
        r = content_set_file(content, origin->root, path + 6);
        if (r < 0)
            error_set(err, r, "%s can't be read: %s", path, strerror(-r));
    } else {
        r = special(content, request, origin, err);
    }
    if (r == 0 && type)
        content->type = type;
    return r;
}

static int replace_content(struct response *response, const char *text)
{
    content_deinit(&response->content);
    response->content.type = "text/plain";
    return content_set_memory(&response->content, text, strlen(text));
}

/* --- status, redirects ---------------------------------------------------- */

/* The request's own target with one hop less. */
static char *one_hop_less(const struct request *request, uint64_t hops)
{
    struct buf b = BUF_INIT;
    const char *start = strchr(request->text, ' ') + 1;
    const char *end = strchr(start, ' ');
    const char *number = strstr(start, "redirects=");
    if (!number || number > end)
        return strndup(start, (size_t)(end - start));
    number += strlen("redirects=");
    size_t digits = strcspn(number, "& ");
    buf_put(&b, start, (size_t)(number - start));
    buf_printf(&b, "%llu", (unsigned long long)(hops - 1));
    buf_put(&b, number + digits, (size_t)(end - number - (ptrdiff_t)digits));
    return buf_steal(&b);
}

static int plan_redirect(struct plan *plan)
{
    uint64_t hops = request_number(plan->request, "redirects", 0);
    plan->location = request_param(plan->request, "redirect");
    if (!plan->location && (hops > 0 || request_is(plan->request, "loop", "1"))) {
        plan->location_owned = one_hop_less(plan->request, hops > 0 ? hops : 1);
        plan->location = plan->location_owned;
        if (!plan->location)
            return -ENOMEM;
    }
    if (!plan->location)
        return 0;
    if (!request_param(plan->request, "status"))
        plan->status = 302;
    return replace_content(plan->response, "elsewhere\n");
}

static int plan_status(struct plan *plan)
{
    uint64_t flaky = request_number(plan->request, "flaky", 0);
    plan->status = (int)(request_number(plan->request, "status", 200) % 1000);
    if (plan->seq > flaky)
        return plan_redirect(plan);
    plan->status = (int)(request_number(plan->request, "flaky_status", 503) % 1000);
    return replace_content(plan->response, "try again\n");
}

/* --- validators, ranges --------------------------------------------------- */

static uint64_t hash_byte(uint64_t h, unsigned char c)
{
    return (h ^ c) * UINT64_C(0x100000001b3); /* FNV-1a */
}

static uint64_t hash(uint64_t h, const char *s)
{
    for (; s && *s; s++)
        h = hash_byte(h, (unsigned char)*s);
    return h;
}

/* is:TEXT */
static const char *literal(const char *value)
{
    return value && strncmp(value, "is:", 3) == 0 ? value + 3 : NULL;
}

static void put_date(char *ret, size_t size, time_t when)
{
    struct tm tm;
    strftime(ret, size, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&when, &tm));
}

static void plan_dates(struct plan *plan)
{
    const struct content *c = &plan->response->content;
    const char *modified = request_param(plan->request, "modified");
    const char *date = request_param(plan->request, "date");
    time_t when = c->modified ? (time_t)c->modified : GENERATED_MODIFIED;
    if (modified && strcmp(modified, "change") == 0)
        when += (time_t)plan->seq;
    if (modified && strncmp(modified, "ago:", 4) == 0)
        when = time(NULL) - (time_t)strtol(modified + 4, NULL, 10);
    if (literal(modified))
        snprintf(plan->modified, sizeof plan->modified, "%s", literal(modified));
    else if (!modified || strcmp(modified, "0") != 0)
        put_date(plan->modified, sizeof plan->modified, when);
    if (literal(date))
        snprintf(plan->date, sizeof plan->date, "%s", literal(date));
    else if (date && strcmp(date, "0") != 0)
        put_date(plan->date, sizeof plan->date, time(NULL));
}

static void plan_tag(struct plan *plan)
{
    const struct request *q = plan->request;
    const struct content *c = &plan->response->content;
    const char *etag = request_param(q, "etag");
    bool change = etag && strcmp(etag, "change") == 0;
    uint64_t h = hash(UINT64_C(0xcbf29ce484222325), q->path);
    h = hash(h, request_param(q, "gzip"));
    if (c->kind == CONTENT_MEMORY) /* the others follow from path, size and date */
        for (uint64_t i = 0; i < c->size; i++)
            h = hash_byte(h, (unsigned char)c->data[i]);
    h = hash_byte(h, (unsigned char)c->version);
    if (literal(etag))
        snprintf(plan->etag, sizeof plan->etag, "%s", literal(etag));
    else if (!etag || strcmp(etag, "none") != 0)
        snprintf(plan->etag, sizeof plan->etag, "%s\"%llx-%llx-%llx%s%.0llu\"",
                 etag && strcmp(etag, "weak") == 0 ? "W/" : "", (unsigned long long)h,
                 (unsigned long long)c->size, (unsigned long long)c->modified, change ? "-" : "",
                 (unsigned long long)(change ? plan->seq : 0));
}

/* RFC 9110, 13.1.5: strong comparison, or the exact date. */
static bool if_range_holds(const struct plan *plan)
{
    const char *want = plan->request->if_range;
    return *want == '\0' || request_is(plan->request, "range", "always") ||
           (strncmp(want, "W/", 2) != 0 && strcmp(want, plan->etag) == 0) ||
           strcmp(want, plan->modified) == 0;
}

static const char *opaque(const char *etag)
{
    return strncmp(etag, "W/", 2) == 0 ? etag + 2 : etag;
}

/* RFC 9110, 13.1.2: weak comparison. Our tags have no comma. */
static bool none_match_fails(const struct plan *plan)
{
    char list[sizeof plan->request->if_none_match], *rest;
    snprintf(list, sizeof list, "%s", plan->request->if_none_match);
    for (char *tag = strtok_r(list, ", ", &rest); tag; tag = strtok_r(NULL, ", ", &rest))
        if (strcmp(tag, "*") == 0 || (*plan->etag && strcmp(opaque(tag), opaque(plan->etag)) == 0))
            return true;
    return false;
}

static bool not_modified_since(const struct plan *plan)
{
    struct tm since = {0}, modified = {0};
    static const char format[] = "%a, %d %b %Y %H:%M:%S GMT";
    return strptime(plan->request->if_modified_since, format, &since) &&
           strptime(plan->modified, format, &modified) && timegm(&modified) <= timegm(&since);
}

/* RFC 9110, 13.2.2: a date counts only without a tag. */
static void plan_condition(struct plan *plan)
{
    const struct request *q = plan->request;
    if (plan->status == 200 &&
        (*q->if_none_match ? none_match_fails(plan) : not_modified_since(plan)))
        plan->status = 304;
}

/* One range of bytes. False: not understood, so it is to be ignored (RFC 9110, 14.2). */
static bool parse_range(const char *text, uint64_t size, uint64_t *ret_start, uint64_t *ret_end)
{
    unsigned long long a, b;
    char extra;
    if (sscanf(text, "bytes=-%llu%c", &b, &extra) == 1) {
        *ret_start = b < size ? size - b : 0;
        *ret_end = size - 1;
        return b > 0;
    }
    int n = sscanf(text, "bytes=%llu-%llu%c", &a, &b, &extra);
    if ((n != 1 && n != 2) || strchr(text, ',') || (n == 2 && b < a))
        return false;
    *ret_start = a;
    *ret_end = n == 2 && b < size ? b : size - 1;
    return true;
}

static int plan_unsatisfiable(struct plan *plan)
{
    plan->status = 416;
    plan->range_total = plan->response->content.size;
    return replace_content(plan->response, "no such range\n");
}

static int plan_range(struct plan *plan)
{
    const struct request *q = plan->request;
    uint64_t size = plan->response->content.size, start, end;
    if (!*q->range || plan->status != 200 || size == CONTENT_ENDLESS || !if_range_holds(plan) ||
        request_is(q, "range", "ignore") || !parse_range(q->range, size, &start, &end))
        return 0;
    if (request_is(q, "range", "416") || start >= size)
        return plan_unsatisfiable(plan);
    if (request_is(q, "range", "shift") && start < end)
        start++;
    if (request_is(q, "range", "short"))
        end = start + (end - start) / 2;
    if (request_is(q, "range", "otheretag"))
        snprintf(plan->etag, sizeof plan->etag, "\"other\"");
    plan->status = 206;
    plan->ranged = true;
    plan->range_start = start;
    plan->range_end = end;
    plan->range_total = request_is(q, "range", "othertotal") ? size + 1 : size;
    plan->response->from = start;
    plan->response->size = end - start + 1;
    return 0;
}

static int plan_digest(struct plan *plan)
{
    unsigned char md[32];
    if (!request_param(plan->request, "digest"))
        return 0;
    int r = content_sha256(&plan->response->content, md);
    if (r < 0)
        return r == -EFBIG ? 0 : r;
    if (request_is(plan->request, "digest", "wrong"))
        md[0] ^= 1;
    EVP_EncodeBlock((unsigned char *)plan->digest, md, sizeof md);
    return 0;
}

/* --- faults and framing --------------------------------------------------- */

static void plan_stop(struct plan *plan)
{
    static const struct {
        const char *name;
        enum response_step step;
    } stops[] = {{"cut", RESPONSE_CUT},
                 {"reset", RESPONSE_RESET},
                 {"stall", RESPONSE_STALL},
                 {"bad_chunk", RESPONSE_CUT}};
    struct response *r = plan->response;
    r->stop_at = RESPONSE_NEVER;
    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
        uint64_t at = request_number(plan->request, stops[i].name, RESPONSE_NEVER);
        if (at < r->stop_at) {
            r->stop_at = at;
            r->stop = stops[i].step;
            r->bad_chunk = strcmp(stops[i].name, "bad_chunk") == 0;
        }
    }
    uint64_t cut_first = request_number(plan->request, "cut_first", RESPONSE_NEVER);
    if (plan->seq == 1 && cut_first < r->stop_at) {
        r->stop_at = cut_first;
        r->stop = RESPONSE_CUT;
        r->bad_chunk = false;
    }
}

static void plan_head_fault(struct plan *plan)
{
    struct response *r = plan->response;
    uint64_t cut = request_number(plan->request, "head_cut", RESPONSE_NEVER);
    uint64_t reset = request_number(plan->request, "head_reset", RESPONSE_NEVER);
    bool silent = strcmp(plan->request->path, "/silence") == 0;
    r->head_stop = silent ? 0 : cut < reset ? cut : reset;
    r->head_fault = silent ? RESPONSE_STALL : cut < reset ? RESPONSE_CUT : RESPONSE_RESET;
    r->endless_head = request_is(plan->request, "endless_head", "1");
}

static void plan_times(struct plan *plan)
{
    struct response *r = plan->response;
    const char *drip = request_param(plan->request, "drip");
    r->slow_head = (unsigned)request_number(plan->request, "slow_head", 0);
    r->head_drip = (unsigned)request_number(plan->request, "head_drip", 0);
    if (drip) {
        char *comma;
        r->drip = (unsigned)strtoul(drip, &comma, 10);
        r->drip_size = 1;
        if (*comma == ',')
            request_size(comma + 1, &r->drip_size);
        if (r->drip_size == 0)
            r->drip_size = 1;
    }
    r->hold = request_param(plan->request, "hold");
    r->hold_at = request_number(plan->request, "hold_at", RESPONSE_NEVER);
}

static void plan_framing(struct plan *plan)
{
    const struct request *q = plan->request;
    struct response *r = plan->response;
    bool endless = r->size >= CONTENT_ENDLESS - r->from;
    r->framing = endless ? FRAMING_CHUNKED : FRAMING_LENGTH;
    if (request_is(q, "framing", "length"))
        r->framing = FRAMING_LENGTH;
    else if (request_is(q, "framing", "chunked") || request_is(q, "te_cl", "1"))
        r->framing = FRAMING_CHUNKED;
    else if (request_is(q, "framing", "close") || request_is(q, "http09", "1"))
        r->framing = FRAMING_CLOSE;
    r->chunk = (size_t)request_number(q, "chunk", 4096);
    if (r->chunk == 0)
        r->chunk = 1;
    r->no_final_chunk = request_is(q, "no_final_chunk", "1");
    r->no_final_crlf = request_is(q, "no_final_crlf", "1") && r->framing == FRAMING_CHUNKED;
    r->trailer = request_is(q, "trailer", "1");
    r->notify = request_param(q, "notify") ? request_is(q, "notify", "1") : -1;
    r->close = !q->keep_alive || r->framing == FRAMING_CLOSE || request_is(q, "close", "1") ||
               request_is(q, "http10", "1") || request_param(q, "length") ||
               request_param(q, "dup_length") || request_is(q, "te_cl", "1");
}

/* A body that is no HTTP at all. */
static int plan_garbage(struct plan *plan)
{
    char rubbish[512];
    if (!request_is(plan->request, "garbage", "1"))
        return 0;
    for (size_t i = 0; i < sizeof rubbish; i++)
        rubbish[i] = (char)(0x80 | (i * 37 + 11));
    content_deinit(&plan->response->content);
    return content_set_memory(&plan->response->content, rubbish, sizeof rubbish);
}

static void plan_bodyless(struct plan *plan)
{
    if (!plan_has_body(plan->status) || plan->request->head_only) {
        plan->response->size = 0;
        plan->response->framing = FRAMING_LENGTH;
        plan->response->no_final_chunk = plan->response->no_final_crlf = false;
    }
}

static int plan_all(struct plan *plan)
{
    struct response *r = plan->response;
    const char *gzip = request_param(plan->request, "gzip");
    int n = plan_garbage(plan);
    if (n == 0 && gzip)
        n = content_gzip(&r->content, gzip);
    if (n == 0)
        n = plan_status(plan);
    if (n < 0)
        return n;
    plan_tag(plan);
    plan_dates(plan);
    plan_condition(plan);
    r->size = r->content.size;
    n = plan_range(plan);
    if (!plan->ranged)
        r->size = r->content.size;
    if (n == 0)
        n = plan_digest(plan);
    if (n < 0)
        return n;
    plan_framing(plan);
    plan_stop(plan);
    plan_head_fault(plan);
    plan_times(plan);
    if (request_is(plan->request, "garbage", "1")) {
        r->framing = FRAMING_CLOSE;
        r->close = true;
    }
    n = plan_head(plan);
    plan_bodyless(plan);
    return n;
}

int response_plan_error(struct response *response, int status, const char *text)
{
    response_deinit(response);
    int r = content_set_memory(&response->content, text, strlen(text));
    if (r < 0)
        return r;
    response->size = strlen(text);
    response->head_stop = response->stop_at = RESPONSE_NEVER;
    response->close = true;
    response->notify = -1;
    return buf_printf(&response->head,
                      "HTTP/1.1 %03d %s\r\nContent-Type: text/plain\r\n"
                      "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                      status, plan_reason(status), strlen(text));
}

int response_plan(struct response *response, const struct request *request, uint64_t seq,
                  const struct response_origin *origin)
{
    struct error err = {""};
    struct plan plan = {.response = response, .request = request, .seq = seq};
    *response = (struct response){0};
    int r = response_content(&response->content, request, origin, &err);
    if (r == 0) {
        r = plan_all(&plan);
        free(plan.location_owned);
    }
    if (r == -ENOENT || r == -EINVAL || r == -EFBIG || r == -EIO || r == -EACCES)
        return response_plan_error(response, r == -EINVAL ? 400 : 404,
                                   *err.text ? err.text : strerror(-r));
    if (r < 0)
        response_deinit(response);
    return r;
}
