/* The head of a response, well-formed or not. */
#include "support/origin_plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool plan_has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

static void put_length(struct plan *plan, struct buf *b)
{
    const struct request *q = plan->request;
    const char *wrong = request_param(q, "length"), *again = request_param(q, "dup_length");
    uint64_t length = plan->response->size, by = 0;
    if (wrong) {
        request_size(wrong + 1, &by);
        length = *wrong == '+' ? length + by : by < length ? length - by : 0;
    }
    buf_printf(b, "Content-Length: %llu\r\n", (unsigned long long)length);
    if (again)
        buf_printf(b, "Content-Length: %llu\r\n",
                   (unsigned long long)(length + (strcmp(again, "other") == 0)));
}

static void put_framing(struct plan *plan, struct buf *b)
{
    const struct response *r = plan->response;
    bool both = request_is(plan->request, "te_cl", "1");
    if (!plan_has_body(plan->status))
        return;
    if (r->framing == FRAMING_LENGTH || both)
        put_length(plan, b);
    if (r->framing == FRAMING_CHUNKED || both)
        buf_puts(b, "Transfer-Encoding: chunked\r\n");
    if (r->framing == FRAMING_CHUNKED && r->trailer)
        buf_puts(b, "Trailer: X-Trailer\r\n");
    buf_printf(b, "Content-Type: %s\r\n", r->content.type);
}

static void put_selection(struct plan *plan, struct buf *b)
{
    unsigned long long total = plan->range_total;
    if (*plan->etag)
        buf_printf(b, "ETag: %s\r\n", plan->etag);
    if (*plan->modified)
        buf_printf(b, "Last-Modified: %s\r\n", plan->modified);
    if (*plan->date)
        buf_printf(b, "Date: %s\r\n", plan->date);
    if (plan->ranged && request_param(plan->request, "content_range"))
        buf_printf(b, "Content-Range: %s\r\n", request_param(plan->request, "content_range"));
    else if (plan->ranged && !request_is(plan->request, "range", "nocr"))
        buf_printf(b, "Content-Range: bytes %llu-%llu/%llu\r\n",
                   (unsigned long long)plan->range_start, (unsigned long long)plan->range_end,
                   total);
    if (plan->status == 416)
        buf_printf(b, "Content-Range: bytes */%llu\r\n", total);
    if (request_param(plan->request, "gzip") && !plan->location && plan->status < 300)
        buf_puts(b, "Content-Encoding: gzip\r\n");
    if (*plan->digest)
        buf_printf(b, "Repr-Digest: sha-256=:%s:\r\n", plan->digest);
    if (*plan->digest && !plan->ranged)
        buf_printf(b, "Content-Digest: sha-256=:%s:\r\n", plan->digest);
}

static void put_extras(struct plan *plan, struct buf *b)
{
    const struct request *q = plan->request;
    const char *value;
    if (plan->location)
        buf_printf(b, "Location: %s\r\n", plan->location);
    if (plan->status >= 400 && (value = request_param(q, "retry_after")))
        buf_printf(b, "Retry-After: %s\r\n", value);
    for (size_t i = 0; (value = request_param_at(q, "header", i)); i++) {
        const char *colon = strchr(value, ':');
        buf_printf(b, "%.*s: %s\r\n", (int)(colon ? colon - value : 0), value,
                   colon ? colon + 1 : "");
    }
    for (uint64_t i = 0, n = request_number(q, "header_flood", 0); i < n && !b->failed; i++)
        buf_printf(b, "X-Flood-%llu: 0123456789012345678901234567890123456789\r\n",
                   (unsigned long long)i);
    uint64_t huge = request_number(q, "huge_header", 0);
    if (huge > 0) {
        buf_puts(b, "X-Huge: ");
        for (uint64_t i = 0; i < huge && !b->failed; i++)
            buf_putc(b, (char)('a' + i % 26));
        buf_puts(b, "\r\n");
    }
    if (plan->response->close)
        buf_puts(b, "Connection: close\r\n");
}

static void put_informational(struct plan *plan, struct buf *b)
{
    const char *info = request_param(plan->request, "info");
    unsigned code = 100, count = 1;
    if (!info)
        return;
    sscanf(info, "%u,%u", &code, &count);
    while (count-- > 0 && !b->failed)
        buf_printf(b, "HTTP/1.1 %03u Wait\r\n%s\r\n", code % 1000,
                   code == 103 ? "Link: </x>; rel=preload\r\n" : "");
}

const char *plan_reason(int status)
{
    return status == 200   ? "OK"
           : status == 206 ? "Partial Content"
           : status < 300  ? "Fine"
           : status < 400  ? "Elsewhere"
           : status < 500  ? "Your fault"
                           : "My fault";
}

int plan_head(struct plan *plan)
{
    const struct request *q = plan->request;
    struct buf *b = &plan->response->head;
    const char *version = request_param(q, "version");
    if (request_is(q, "http09", "1") || request_is(q, "garbage", "1"))
        return 0;
    put_informational(plan, b);
    if (request_is(q, "bad_status", "1"))
        buf_puts(b, "HTTP/1.1 abc\r\n");
    else if (!request_is(q, "no_status_line", "1"))
        buf_printf(b, "HTTP/%s %03d %s\r\n",
                   version                        ? version
                   : request_is(q, "http10", "1") ? "1.0"
                                                  : "1.1",
                   plan->status, plan_reason(plan->status));
    if (request_is(q, "folded", "1"))
        buf_puts(b, " of what: comes before\r\n");
    put_framing(plan, b);
    put_selection(plan, b);
    put_extras(plan, b);
    if (!plan->response->endless_head)
        buf_puts(b, "\r\n");
    return b->failed ? -ENOMEM : 0;
}
