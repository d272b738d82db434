#include "support/origin_request.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum kind { TEXT, SIZE, SIGNED, FLAG, PAIR, ONE_OF };

/* Every parameter. `fault`: first= can switch it off. */
static const struct known {
    const char *name;
    enum kind kind;
    bool fault;
    const char *choices; /* of ONE_OF, each with a space on both sides */
    const char *shape, *help;
} table[] = {
    {"n", SIZE, false, NULL, "N", "how much: bytes of /bytes and /zeros, else lines or rows"},
    {"endless", FLAG, false, NULL, "1", "in place of n: without an end"},
    {"text", TEXT, false, NULL, "T", "the body of /text, percent-encoded"},
    {"name", TEXT, false, NULL, "NAME", "of /_release"},
    {"type", TEXT, false, NULL, "MIME", "Content-Type"},

    {"framing", ONE_OF, false, " length chunked close ", "length|chunked|close",
     "how the body's end is told; length, or chunked if it is endless"},
    {"chunk", SIZE, false, NULL, "SIZE", "of each chunk; 4096"},
    {"length", SIGNED, true, NULL, "+K|-K", "Content-Length is wrong by K; closes after the body"},
    {"dup_length", ONE_OF, true, " same other ", "same|other", "a second Content-Length"},
    {"te_cl", FLAG, true, NULL, "1", "Content-Length beside Transfer-Encoding: chunked"},
    {"close", FLAG, false, NULL, "1", "Connection: close, and does"},
    {"trailer", FLAG, false, NULL, "1", "a trailer field after the last chunk"},
    {"http10", FLAG, false, NULL, "1", "answers as HTTP/1.0, and closes"},

    {"cut", SIZE, true, NULL, "K", "closes after K body bytes"},
    {"reset", SIZE, true, NULL, "K", "resets the connection (RST) after K body bytes"},
    {"stall", SIZE, true, NULL, "K", "K body bytes, then silence until the client goes"},
    {"bad_chunk", SIZE, true, NULL, "K", "after K body bytes a chunk size that is none; closes"},
    {"no_final_chunk", FLAG, true, NULL, "1", "closes in place of the last chunk"},
    {"no_final_crlf", FLAG, true, NULL, "1", "closes after \"0 CRLF\""},
    {"notify", FLAG, false, NULL, "0|1",
     "TLS: is a close told by close_notify? 0 for the cuts, 1 for the rest"},

    {"slow_head", SIZE, true, NULL, "MS", "waits before the head"},
    {"head_drip", SIZE, true, NULL, "MS", "sends the head a byte each MS"},
    {"drip", PAIR, true, NULL, "MS,SIZE", "SIZE body bytes each MS"},
    {"hold", TEXT, true, NULL, "NAME", "sends nothing until NAME is released"},
    {"hold_at", SIZE, true, NULL, "K", "…but the head and K body bytes"},

    {"status", SIZE, false, NULL, "NNN", "a 1xx, 204 or 304 has no body"},
    {"info", PAIR, true, NULL, "NNN[,COUNT]", "COUNT 1xx heads first"},
    {"header", TEXT, false, NULL, "NAME:VALUE", "one more header; repeatable"},
    {"header_flood", SIZE, true, NULL, "N", "N more headers"},
    {"huge_header", SIZE, true, NULL, "SIZE", "one header with a value of SIZE bytes"},
    {"endless_head", FLAG, true, NULL, "1", "headers without an end"},
    {"head_cut", SIZE, true, NULL, "K", "closes after K bytes of the head; 0: an empty reply"},
    {"head_reset", SIZE, true, NULL, "K", "resets after K bytes of the head"},
    {"no_status_line", FLAG, true, NULL, "1", "the head begins with its headers"},
    {"unasked", FLAG, true, NULL, "1", "a whole answer to nothing comes with the end of this one"},
    {"version", TEXT, true, NULL, "V",
     "the status line begins with HTTP/V, whatever was negotiated"},
    {"bad_status", FLAG, true, NULL, "1", "\"HTTP/1.1 abc\""},
    {"folded", FLAG, true, NULL, "1", "the first header is the rest of a folded one"},
    {"http09", FLAG, true, NULL, "1", "the body without a head, then closes"},
    {"garbage", FLAG, true, NULL, "1", "512 bytes of rubbish, then closes"},

    {"redirect", TEXT, false, NULL, "URL", "Location, with 302 unless status says otherwise"},
    {"redirects", SIZE, false, NULL, "N", "N hops to the same path, then the body"},
    {"loop", FLAG, false, NULL, "1", "redirects to itself for ever"},

    {"gzip", ONE_OF, false, " 1 2 crc ", "1|2|crc",
     "Content-Encoding: gzip; in two members; with a wrong checksum"},
    {"etag", TEXT, false, NULL, "strong|weak|none|change|is:TEXT",
     "change: another one each time; TEXT as it is; strong"},
    {"modified", TEXT, false, NULL, "1|0|change|is:TEXT|ago:N",
     "Last-Modified: a day in 2025; none; a second later each time; TEXT as it is; N seconds "
     "before now; 1"},
    {"date", TEXT, false, NULL, "0|1|is:TEXT", "Date: none; now; TEXT as it is; 0"},
    {"body", SIZE, false, NULL, "N", "another body of the same size for each N, of /bytes; 0"},
    {"digest", ONE_OF, false, " sha256 wrong ", "sha256|wrong",
     "Repr-Digest and Content-Digest (RFC 9530)"},
    {"range", ONE_OF, false, " ok always ignore shift short othertotal otheretag nocr 416 ",
     "ok|always|ignore|shift|short|othertotal|otheretag|nocr|416",
     "to a request with a Range: ok, and If-Range is honoured; it is not; 200; a byte later, and "
     "says so; "
     "half of "
     "it, and says so; Content-Range or ETag differ; 206 without Content-Range; 416"},
    {"content_range", TEXT, false, NULL, "TEXT", "Content-Range of a 206, as it is"},

    {"id", TEXT, false, NULL, "ID", "counts the requests under ID, not under the path"},
    {"first", SIZE, false, NULL, "N", "what is marked * is for the id's first N requests alone"},
    {"cut_first", SIZE, false, NULL, "K", "cut=K for the id's first request"},
    {"flaky", SIZE, false, NULL, "N", "the id's first N requests get flaky_status"},
    {"flaky_status", SIZE, false, NULL, "NNN", "503"},
    {"retry_after", TEXT, false, NULL, "VALUE", "Retry-After, with a status of 400 and more"},
};

static const struct known *known(const char *name)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

void request_help(FILE *out)
{
    fputs("    N.NAME=VALUE                NAME=VALUE from the id's N-th request on\n", out);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct known *k = &table[i];
        int n = fprintf(out, "  %c %s=%s", k->fault ? '*' : ' ', k->name, k->shape);
        fprintf(out, "%s%*s%s\n", n > 27 ? "\n" : "", n > 27 ? 28 : 28 - n, "", k->help);
    }
}

bool request_size(const char *text, uint64_t *ret)
{
    if (!isdigit((unsigned char)*text))
        return false;
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    if (errno || end[shift ? 1 : 0] != '\0' || n > (UINT64_MAX >> 1) >> shift)
        return false;
    *ret = (uint64_t)n << shift;
    return true;
}

/* MS,SIZE: both are sizes; the second may be left out. */
static bool pair_is_good(const char *value)
{
    const char *comma = strchr(value, ',');
    char first[24];
    uint64_t n;
    if (!comma)
        return request_size(value, &n);
    if ((size_t)(comma - value) >= sizeof first)
        return false;
    memcpy(first, value, (size_t)(comma - value));
    first[comma - value] = '\0';
    return request_size(first, &n) && request_size(comma + 1, &n);
}

static bool value_is_good(const struct known *k, const char *value)
{
    char spaced[64];
    uint64_t n;
    switch (k->kind) {
    case SIZE:
        return request_size(value, &n);
    case SIGNED:
        return (*value == '+' || *value == '-') && request_size(value + 1, &n);
    case FLAG:
        return strcmp(value, "0") == 0 || strcmp(value, "1") == 0;
    case PAIR:
        return pair_is_good(value);
    case ONE_OF:
        return snprintf(spaced, sizeof spaced, " %s ", value) < (int)sizeof spaced &&
               !strchr(value, ' ') && strstr(k->choices, spaced);
    case TEXT:
        break;
    }
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* In place. NUL bytes can't be had: a text is a C string. */
static void percent_decode(char *s)
{
    char *to = s;
    for (char *p = s; *p; p++) {
        if (*p == '%' && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0) {
            *to++ = (char)(hex_digit(p[1]) * 16 + hex_digit(p[2]));
            p += 2;
        } else {
            *to++ = *p;
        }
    }
    *to = '\0';
}

static int parse_query(struct request *request, char *query, struct error *err)
{
    for (char *save = NULL, *item = strtok_r(query, "&", &save); item;
         item = strtok_r(NULL, "&", &save)) {
        char *value = strchr(item, '=');
        if (!value)
            return error_set(err, -EINVAL, "parameter '%s' has no value", item);
        *value++ = '\0';
        percent_decode(value);
        uint64_t from = 1;
        if (isdigit((unsigned char)*item)) {
            from = strtoull(item, &item, 10);
            item += *item == '.';
        }
        const struct known *k = known(item);
        if (!k)
            return error_set(err, -EINVAL, "there is no parameter '%s'", item);
        if (!value_is_good(k, value))
            return error_set(err, -EINVAL, "%s=%s: it is %s=%s", item, value, item, k->shape);
        if (request->param_count == REQUEST_MAX_PARAMS)
            return error_set(err, -EINVAL, "more than %d parameters", REQUEST_MAX_PARAMS);
        request->params[request->param_count++] = (struct request_param){item, value, from};
    }
    return 0;
}

/* "GET /path?query HTTP/1.1"; the absolute form, which a proxy gets, loses its origin. */
static int parse_request_line(struct request *request, char *line, struct error *err)
{
    char *target = strchr(line, ' ');
    char *version = target ? strchr(target + 1, ' ') : NULL;
    if (!version || strncmp(version + 1, "HTTP/1.", 7) != 0 ||
        (size_t)(target - line) >= sizeof request->method)
        return error_set(err, -EINVAL, "not an HTTP/1 request line");
    memcpy(request->method, line, (size_t)(target - line));
    request->keep_alive = strcmp(version + 1, "HTTP/1.0") != 0;
    request->head_only = strcmp(request->method, "HEAD") == 0;
    *version = '\0';
    target++;
    char *authority = strstr(target, "://");
    if (*target != '/' && authority && strchr(authority + 3, '/'))
        target = strchr(authority + 3, '/');
    char *query = strchr(target, '?');
    if (query)
        *query++ = '\0';
    percent_decode(target);
    request->path = target;
    return query ? parse_query(request, query, err) : 0;
}

static int parse_header(struct request *request, char *line, struct error *err)
{
    char *value = strchr(line, ':');
    if (!value)
        return error_set(err, -EINVAL, "a header without a colon");
    *value++ = '\0';
    value += strspn(value, " \t");
    uint64_t len;
    if (strcasecmp(line, "range") == 0) {
        snprintf(request->range, sizeof request->range, "%s", value);
    } else if (strcasecmp(line, "if-range") == 0) {
        snprintf(request->if_range, sizeof request->if_range, "%s", value);
    } else if (strcasecmp(line, "if-none-match") == 0) {
        snprintf(request->if_none_match, sizeof request->if_none_match, "%s", value);
    } else if (strcasecmp(line, "if-modified-since") == 0) {
        snprintf(request->if_modified_since, sizeof request->if_modified_since, "%s", value);
    } else if (strcasecmp(line, "connection") == 0) {
        request->keep_alive = strcasecmp(value, "close") != 0;
    } else if (strcasecmp(line, "expect") == 0) {
        request->expects = strcasecmp(value, "100-continue") == 0;
    } else if (strcasecmp(line, "transfer-encoding") == 0) {
        return error_set(err, -EINVAL, "a request body must have a Content-Length here");
    } else if (strcasecmp(line, "content-length") == 0) {
        if (!request_size(value, &len) || len > 16 << 20)
            return error_set(err, -EINVAL, "a request body is limited to 16 MiB");
        request->body_len = (size_t)len;
    }
    return 0;
}

int request_parse(struct request *request, const char *head, size_t len, struct error *err)
{
    *request = (struct request){.text = strndup(head, len), .target = strndup(head, len)};
    if (!request->text || !request->target)
        return error_set(err, -ENOMEM, "out of memory");
    if (strlen(request->text) != len)
        return error_set(err, -EINVAL, "a NUL byte in the head");
    char *save = NULL;
    char *line = strtok_r(request->target, "\r\n", &save);
    if (!line)
        return error_set(err, -EINVAL, "an empty head");
    char *rest = save;
    int r = parse_request_line(request, line, err);
    while (r == 0 && (line = strtok_r(rest, "\r\n", &save))) {
        rest = NULL;
        r = parse_header(request, line, err);
    }
    return r;
}

void request_deinit(struct request *request)
{
    free(request->text);
    free(request->target);
    buf_deinit(&request->body);
    *request = (struct request){0};
}

const char *request_param_at(const struct request *request, const char *name, size_t i)
{
    const struct request_param *params = request->params;
    uint64_t seq = request->seq ? request->seq : 1, from = 0;
    if (request->faultless && known(name)->fault)
        return NULL;
    for (size_t k = 0; k < request->param_count; k++)
        if (strcmp(params[k].name, name) == 0 && params[k].from <= seq && params[k].from > from)
            from = params[k].from;
    for (size_t k = 0; k < request->param_count; k++)
        if (strcmp(params[k].name, name) == 0 && params[k].from == from && i-- == 0)
            return params[k].value;
    return NULL;
}

const char *request_param(const struct request *request, const char *name)
{
    return request_param_at(request, name, 0);
}

uint64_t request_number(const struct request *request, const char *name, uint64_t standard)
{
    const char *value = request_param(request, name);
    uint64_t n = standard;
    if (value)
        request_size(value, &n);
    return n;
}

bool request_is(const struct request *request, const char *name, const char *value)
{
    const char *given = request_param(request, name);
    return given && strcmp(given, value) == 0;
}

const char *request_key(const struct request *request)
{
    const char *id = request_param(request, "id");
    return id ? id : request->path;
}
