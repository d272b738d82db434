/* warc: the records of a WARC file (ISO 28500, as web archives and Common Crawl have them), each
 * one's payload read by another parser. A record is
 *
 *     {"warc":{"type":"response","uri":"http://…","date":"…","id":"<urn:uuid:…>"},
 *      "http":{"status":200,"type":"text/html"},"data":…}
 *
 * data being the inner parser's record; `http` is there if the payload came by HTTP. With
 * headers=all `warc` has all of the WARC record's own fields, by their names, and `http` has
 * `headers`; of a name that comes twice the values are joined by ", ".
 *
 * `types` says which types of records (response, resource and conversion, unless told), `uri` and
 * `media` which of them, by patterns of fnmatch(3). The inner parser is told the payload's URL,
 * status and headers, and the charset that its Content-Type names. Chunks are put together and
 * Content-Encoding is decoded, unless decode=none. A record that says that it is cut
 * (WARC-Truncated) or a segment is passed over and counted, or taken with truncated=take. What
 * WARC-Block-Digest says is checked. A .warc.gz is decoded before (the job's `decode`). */
#include "parse/registry.h"

#include "base/error.h"
#include "base/json_string.h"
#include "base/list.h"
#include "flow/decode_plan.h"
#include "parse/inner.h"
#include "parse/member.h"
#include "parse/options.h"
#include "parse/warc_block.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct settings {
    const struct penstock_parser *parser;
    const char *types, *uri, *media;
    bool decode, all, truncated;
    size_t max_bytes;
};

struct reader {
    struct settings set;
    struct inner inner;
    struct parse_task *task;
    struct warc_input input;
    struct warc_block block;
    struct warc_head warc, http;
    bool has_http;
    uint64_t records, bytes;
    struct buf head, uri;
};

/* --- options ---------------------------------------------------------------------------------- */

static void read_settings(struct options *o, void *ret_settings)
{
    struct settings *s = ret_settings;
    static const char *const decodes[] = {"auto", "none", NULL},
                             *const headers[] = {"few", "all", NULL},
                             *const cuts[] = {"skip", "take", NULL};
    s->parser = inner_choose(o);
    s->types = o->get(o->arg, "types");
    s->uri = o->get(o->arg, "uri");
    s->media = o->get(o->arg, "media");
    s->decode = option_choice(o, "decode", decodes) == 0;
    s->all = option_choice(o, "headers", headers) == 1;
    s->truncated = option_choice(o, "truncated", cuts) == 1;
    s->max_bytes = option_bytes(o, "max_bytes", 1, (size_t)1 << 50);
}

static void check_settings(struct options *o, void *ret_settings)
{
    struct settings *s = ret_settings;
    read_settings(o, s);
    inner_check(o, s->parser);
}

static int check(const char *(*get)(void *arg, const char *name), void *arg, char *message,
                 size_t size)
{
    struct settings s;
    return options_check(get, arg, message, size, check_settings, &s);
}

/* --- failing ---------------------------------------------------------------------------------- */

static int fail(struct reader *r, enum error_kind kind, const char *why)
{
    struct error text;
    if (ferror(r->input.block.file))
        return -EIO;
    error_set(&text, 0, "record %" PRIu64 ": %s", r->records, why);
    parse_task_fail(&r->task->run, kind, 0, warc_input_offset(&r->input), text.text);
    return -EINVAL;
}

static int fail_head(struct reader *r, int e)
{
    if (e == -ENOMEM)
        return fail(r, KIND_RESOURCES, "out of memory");
    if (e == -EMSGSIZE)
        return fail(r, KIND_LIMIT_EXCEEDED, "its head has more than 128 KiB");
    return fail(r, KIND_PARSER_FAILED, "it is cut");
}

/* --- what a record begins with ---------------------------------------------------------------- */

static void put_member(struct buf *b, const char *name, const char *value)
{
    if (!value)
        return;
    buf_puts(b, b->len > 0 && b->data[b->len - 1] == '{' ? "" : ",");
    json_put_string(b, name, strlen(name));
    buf_putc(b, ':');
    json_put_string(b, value, strlen(value));
}

static bool came_before(const struct warc_head *h, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (strcasecmp(h->fields[i].name, h->fields[at].name) == 0)
            return true;
    return false;
}

static void put_all(struct buf *b, const struct warc_head *h)
{
    struct buf value = BUF_INIT;
    for (size_t i = 0; i < h->count; i++) {
        if (came_before(h, i))
            continue;
        buf_reset(&value);
        for (size_t j = i; j < h->count; j++)
            if (strcasecmp(h->fields[j].name, h->fields[i].name) == 0)
                buf_printf(&value, "%s%s", value.len > 0 ? ", " : "", h->fields[j].value);
        put_member(b, h->fields[i].name, value.data ? value.data : "");
        b->failed |= value.failed;
    }
    buf_deinit(&value);
}

/* NULL: out of memory. */
static const char *without_brackets(struct buf *to, const char *uri)
{
    size_t len = strlen(uri);
    bool brackets = len > 1 && uri[0] == '<' && uri[len - 1] == '>';
    buf_reset(to);
    return buf_put(to, uri + brackets, len - 2 * brackets) < 0 ? NULL : to->data;
}

/* "HTTP/1.1 200 OK"; 0 if there is none. */
static int status_of(const struct warc_head *h)
{
    const char *space = h->line ? strchr(h->line, ' ') : NULL;
    int status = space ? atoi(space) : 0;
    return status >= 100 && status < 1000 ? status : 0;
}

/* A head that another one follows, as 100 and 103 are; 101 is the last one. */
static bool is_interim(const struct warc_head *h)
{
    int status = status_of(h);
    return status >= 100 && status < 200 && status != 101;
}

/* An answer without a head is none of HTTP's: its first lines would be taken for a head. */
static bool is_http(const struct warc_head *h)
{
    return h->text.len == 0 || strstr(h->line, "HTTP/") || status_of(h) > 0;
}

static int put_head(struct reader *r, const char *uri)
{
    struct buf *b = &r->head;
    buf_reset(b);
    buf_puts(b, "{\"warc\":{");
    if (r->set.all) {
        put_all(b, &r->warc);
    } else {
        put_member(b, "type", warc_head_get(&r->warc, "WARC-Type"));
        put_member(b, "uri", uri);
        put_member(b, "date", warc_head_get(&r->warc, "WARC-Date"));
        put_member(b, "id", warc_head_get(&r->warc, "WARC-Record-ID"));
        put_member(b, "truncated", warc_head_get(&r->warc, "WARC-Truncated"));
    }
    buf_putc(b, '}');
    if (r->has_http) {
        buf_printf(b, ",\"http\":{\"status\":%d", status_of(&r->http));
        if (r->set.all) {
            buf_puts(b, ",\"headers\":{");
            put_all(b, &r->http);
            buf_putc(b, '}');
        } else {
            put_member(b, "type", warc_head_get(&r->http, "Content-Type"));
        }
        buf_putc(b, '}');
    }
    return b->failed ? fail(r, KIND_RESOURCES, "out of memory") : 0;
}

/* --- the payload ------------------------------------------------------------------------------ */

static ssize_t read_payload(void *arg, char *data, size_t size)
{
    struct reader *r = arg;
    ssize_t n = warc_block_payload(&r->block, data, size);
    if (n < 0) {
        fail(r, KIND_PARSER_FAILED, r->block.why);
        return -1;
    }
    r->bytes += (uint64_t)n;
    if (r->bytes <= r->set.max_bytes)
        return n;
    fail(r, KIND_LIMIT_EXCEEDED, "the payloads have more bytes than option max_bytes allows");
    return -1;
}

static const char *content_type(const struct reader *r)
{
    return warc_head_get(r->has_http ? &r->http : &r->warc, "Content-Type");
}

static int plan_decoding(struct reader *r, struct decode_plan *ret_plan)
{
    const struct decode_plan *job = &r->task->decode;
    struct error why;
    *ret_plan = (struct decode_plan){.max_decoded =
                                         job->max_decoded > 0 && job->max_decoded < r->set.max_bytes
                                             ? job->max_decoded
                                             : r->set.max_bytes,
                                     .max_ratio = job->max_ratio ? job->max_ratio : DECODE_RATIO,
                                     .max_window = job->max_window};
    if (!r->set.decode)
        return 0;
    ret_plan->file = DECODE_FILE_AUTO;
    const char *encoding = r->has_http ? warc_head_get(&r->http, "Content-Encoding") : NULL;
    if (encoding && decode_plan_add(ret_plan, encoding, &why) < 0)
        return fail(r, KIND_DECODE_ERROR, why.text);
    return 0;
}

static int run_inner(struct reader *r, const char *uri)
{
    char name[220];
    snprintf(name, sizeof name, "record %" PRIu64 " (%.150s)", r->records, uri ? uri : "no URI");
    struct member member = {.outer = r->task,
                            .name = name,
                            .head = r->head.data,
                            .inner = &r->inner,
                            .url = uri,
                            .status = r->has_http ? status_of(&r->http) : 0,
                            .headers = r->has_http ? r->http.fields : NULL,
                            .header_count = r->has_http ? r->http.count : 0,
                            .content_type = content_type(r),
                            .source = read_payload,
                            .arg = r};
    int result = plan_decoding(r, &member.decode);
    return result < 0 ? result : member_run(&member);
}

/* --- a record --------------------------------------------------------------------------------- */

static bool is_in_list(const char *list, const char *word)
{
    size_t len = strlen(word), n;
    for (; *list; list += n) {
        list += strspn(list, " ,");
        n = strcspn(list, " ,");
        if (n == len && n > 0 && strncasecmp(list, word, n) == 0)
            return true;
    }
    return false;
}

/* Without its parameters. */
static bool is_media_wanted(const struct reader *r)
{
    const char *type = content_type(r);
    char media[128];
    snprintf(media, sizeof media, "%.*s", type ? (int)strcspn(type, "; \t") : 0, type ? type : "");
    return strcmp(r->set.media, "*") == 0 ||
           fnmatch(r->set.media, media, FNM_EXTMATCH | FNM_CASEFOLD) == 0;
}

/* What is left of the block, to its end. */
static int drain(struct reader *r)
{
    char data[4096];
    ssize_t n;
    do
        n = warc_block_read(&r->block, data, sizeof data);
    while (n > 0);
    return n < 0 ? fail(r, KIND_PARSER_FAILED, "it is cut") : 0;
}

static int read_http(struct reader *r)
{
    int e;
    do {
        warc_head_reset(&r->http);
        e = warc_block_head(&r->block, &r->http);
        if (e < 0)
            return fail_head(r, e);
        warc_head_read(&r->http);
    } while (is_interim(&r->http) && r->block.left > 0);
    return 0;
}

static int take_block(struct reader *r, const char *uri)
{
    const char *type = warc_head_get(&r->warc, "Content-Type"), *coding;
    const char *digest = warc_head_get(&r->warc, "WARC-Block-Digest");
    r->has_http = type && strncasecmp(type, "application/http", 16) == 0;
    int e = r->has_http ? read_http(r) : 0;
    if (e < 0)
        return e;
    bool known = !r->has_http || is_http(&r->http);
    r->task->skipped += !known;
    coding = r->has_http ? warc_head_get(&r->http, "Transfer-Encoding") : NULL;
    if (coding && strcasestr(coding, "chunked") && r->set.decode)
        warc_block_chunked(&r->block);
    if (known && is_media_wanted(r)) {
        e = put_head(r, uri);
        if (e == 0)
            e = run_inner(r, uri);
        if (e < 0)
            return e;
    }
    e = drain(r);
    if (e == 0 && digest && warc_block_differs(&r->block, digest))
        return fail(r, KIND_DIGEST_MISMATCH,
                    "its block has another digest than WARC-Block-Digest says");
    return e;
}

static bool is_wanted(struct reader *r, const char *uri)
{
    const char *type = warc_head_get(&r->warc, "WARC-Type");
    if (!type || !is_in_list(r->set.types, type) ||
        fnmatch(r->set.uri, uri ? uri : "", FNM_EXTMATCH) != 0)
        return false;
    bool whole = !warc_head_get(&r->warc, "WARC-Truncated") &&
                 !warc_head_get(&r->warc, "WARC-Segment-Number");
    r->task->skipped += !whole && !r->set.truncated;
    return whole || r->set.truncated;
}

static bool read_length(const struct warc_head *h, uint64_t *ret_length)
{
    const char *text = warc_head_get(h, "Content-Length");
    char *end;
    if (!text || !strchr("0123456789", *text) || !*text)
        return false;
    errno = 0;
    *ret_length = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

/* Two line ends follow each record. */
static int take_ends(struct reader *r)
{
    size_t len;
    for (int i = 0; i < 2;) {
        const char *data = warc_input_look(&r->input, &len);
        if (!data)
            return fail(r, KIND_PARSER_FAILED, "it is cut: what follows each record is missing");
        if (*data != '\r' && *data != '\n')
            return fail(r, KIND_PARSER_FAILED, "it is longer than its Content-Length says");
        i += *data == '\n';
        warc_input_skip(&r->input, 1);
    }
    return 0;
}

static int take_record(struct reader *r)
{
    uint64_t length;
    warc_head_read(&r->warc);
    if (strncmp(r->warc.line, "WARC/", 5) != 0)
        return fail(r, KIND_PARSER_FAILED, "it does not begin as a WARC record does");
    if (!read_length(&r->warc, &length))
        return fail(r, KIND_PARSER_FAILED, "it has no Content-Length");
    const char *uri = warc_head_get(&r->warc, "WARC-Target-URI");
    if (uri && !(uri = without_brackets(&r->uri, uri)))
        return fail_head(r, -ENOMEM);
    bool wanted = is_wanted(r, uri);
    int e = warc_block_begin(&r->block, &r->input, length,
                             wanted ? warc_head_get(&r->warc, "WARC-Block-Digest") : NULL);
    if (e < 0)
        e = fail_head(r, e);
    else
        e = wanted ? take_block(r, uri) : drain(r);
    warc_block_deinit(&r->block);
    return e < 0 ? e : take_ends(r);
}

/* More line ends than belong between records: every reader passes over them. */
static void pass_blanks(struct reader *r)
{
    const char *data;
    size_t len;
    bool any = false;
    while ((data = warc_input_look(&r->input, &len)) && (*data == '\r' || *data == '\n')) {
        warc_input_skip(&r->input, 1);
        any = true;
    }
    if (any)
        parse_task_repaired(&r->task->run, 1);
}

static int take_all(struct reader *r)
{
    size_t len, used;
    for (;;) {
        const char *data;
        int e = 0;
        warc_head_reset(&r->warc);
        r->records++;
        pass_blanks(r);
        while (e == 0 && (data = warc_input_look(&r->input, &len))) {
            e = warc_head_take(&r->warc, data, len, &used);
            if (e >= 0)
                warc_input_skip(&r->input, used);
        }
        if (e == 0 && r->warc.text.len == 0 && r->records > 1)
            return ferror(r->input.block.file) ? -EIO : 0;
        if (e <= 0)
            return fail_head(r, e);
        e = take_record(r);
        if (e < 0)
            return e;
    }
}

static int parse(FILE *body, struct penstock_run *run)
{
    struct reader *r = calloc(1, sizeof *r);
    int result = -ENOMEM;
    if (r) {
        r->task = container_of(run, struct parse_task, run);
        options_of_run(run, read_settings, &r->set);
        inner_take(&r->inner, r->set.parser, run);
        warc_input_init(&r->input, body);
        result = take_all(r);
        warc_head_deinit(&r->warc);
        warc_head_deinit(&r->http);
        buf_deinit(&r->head);
        buf_deinit(&r->uri);
    } else {
        parse_task_fail(run, KIND_RESOURCES, 0, PENSTOCK_NO_OFFSET, "out of memory");
    }
    free(r);
    return result < 0 ? PENSTOCK_FAILED : PENSTOCK_OK;
}

static const struct penstock_option options[] = {
    {"types", "response resource conversion", "which types of records"},
    {"uri", "*", "which records, by a pattern of what they are of: *://*.example.org/*"},
    {"media", "*", "which payloads, by a pattern of their media type: text/*"},
    {"headers", "few", "all: every field of the record and of HTTP goes along"},
    {"truncated", "skip",
     "records that say that they are cut, or segments: skip and count them, or take"},
    {"decode", "auto", "chunks, Content-Encoding and compressed payloads: auto, or none"},
    {"max_bytes", "64G", "bytes of the payloads at most"},
    INNER_OPTIONS,
    {NULL, NULL, NULL},
};

const struct penstock_parser parser_warc = {
    .abi = PENSTOCK_PARSER_ABI,
    .size = sizeof(struct penstock_parser),
    .name = "warc",
    .summary = "the records of a WARC file, each one's payload through another parser",
    .options = options,
    .check = check,
    .parse = parse,
    .flags = PENSTOCK_PARSER_DECLARES, /* a payload may be in any charset */
};
