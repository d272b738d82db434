#include "attempt/head_facts.h"

#include "attempt/resume.h"
#include "base/utf8.h"
#include "record/line.h"

#include <strings.h>

/* The last of several, as everywhere. */
static void take(const struct transfer_response *response, const char *name, char *ret, size_t size)
{
    ret[0] = '\0';
    for (size_t i = 0; i < response->header_count; i++)
        if (strcasecmp(response->headers[i].name, name) == 0)
            utf8_copy(ret, size, response->headers[i].value);
}

void head_facts_note(struct head_facts *f, const struct transfer_response *r)
{
    f->version = r->http_version;
    f->length = r->content_length;
    take(r, "Content-Type", f->type, sizeof f->type);
    take(r, "Content-Encoding", f->encoding, sizeof f->encoding);
    take(r, "ETag", f->etag, sizeof f->etag);
    take(r, "Last-Modified", f->modified, sizeof f->modified);
    take(r, "Accept-Ranges", f->ranges, sizeof f->ranges);
    take(r, "Retry-After", f->retry_after, sizeof f->retry_after);
}

/* NULL of what is not there, which is left out. */
static const char *given(const char *text)
{
    return text[0] ? text : NULL;
}

static const char *version_text(int version)
{
    return version == 10 ? "1.0" : version == 11 ? "1.1" : version == 20 ? "2" : "3";
}

/* May a download of it that breaks be resumed? Only of an answer that a parser would get. */
static void put_resumable(struct buf *b, const struct resume *resume)
{
    if (!resume->validator && !resume->hindrance)
        return;
    line_bool(b, "resumable", resume->validator != NULL);
    line_str(b, "hindrance", resume->hindrance);
}

void head_facts_put(struct buf *b, const struct head_facts *f, const struct transfer_result *end,
                    const struct resume *resume)
{
    buf_printf(b, ",\"head\":{\"proxied\":%s", f->proxied ? "true" : "false");
    line_str(b, "address", given(end->address));
    line_str(b, "tls", given(end->tls));
    if (end->dns_ns)
        line_seconds(b, "dns", end->dns_ns);
    if (end->tls_ns)
        line_seconds(b, "handshake", end->tls_ns);
    if (f->version) {
        line_str(b, "http", version_text(f->version));
        line_str(b, "type", given(f->type));
        if (f->length >= 0)
            line_u64(b, "length", (uint64_t)f->length);
        line_str(b, "encoding", given(f->encoding));
        line_str(b, "etag", given(f->etag));
        line_str(b, "last_modified", given(f->modified));
        line_str(b, "accept_ranges", given(f->ranges));
        line_str(b, "retry_after", given(f->retry_after));
        put_resumable(b, resume);
    }
    buf_putc(b, '}');
}
