/* Lines are built on the emit path of every record, so nothing here goes through printf. */
#include "record/line.h"

#include "base/clock.h"
#include "record/sink.h"

#include <string.h>

/* A literal without its NUL. */
#define PUT(b, literal) buf_put((b), (literal), sizeof(literal) - 1)

void line_begin(struct buf *b, int64_t real_us, enum event event)
{
    char stamp[CLOCK_STAMP_SIZE];
    clock_stamp(real_us, stamp);
    PUT(b, "{\"ts\":\"");
    buf_put(b, stamp, sizeof stamp - 1);
    PUT(b, "\",\"event\":\"");
    buf_puts(b, event_name(event));
    PUT(b, "\"");
}

void line_end(struct buf *b)
{
    PUT(b, "}\n");
}

static void put_name(struct buf *b, const char *name)
{
    PUT(b, ",\"");
    buf_puts(b, name);
    PUT(b, "\":");
}

static void put_u64(struct buf *b, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    buf_put(b, digits + at, sizeof digits - at);
}

void line_str(struct buf *b, const char *name, const char *value)
{
    if (!value)
        return;
    put_name(b, name);
    json_put_string(b, value, strlen(value));
}

void line_u64(struct buf *b, const char *name, uint64_t value)
{
    put_name(b, name);
    put_u64(b, value);
}

void line_seconds(struct buf *b, const char *name, uint64_t ns)
{
    uint64_t ms = ns / NS_PER_MS + (ns % NS_PER_MS >= NS_PER_MS / 2);
    unsigned part = (unsigned)(ms % 1000);
    char frac[4] = {'.', (char)('0' + part / 100), (char)('0' + part / 10 % 10),
                    (char)('0' + part % 10)};
    size_t len = sizeof frac;
    while (len > 2 && frac[len - 1] == '0')
        len--;
    put_name(b, name);
    put_u64(b, ms / 1000);
    buf_put(b, frac, len);
}

void line_raw(struct buf *b, const char *name, const char *json, size_t len)
{
    put_name(b, name);
    buf_put(b, json, len);
}

void line_record(struct buf *b, int64_t real_us, const struct sink_source *source, uint64_t seq,
                 const char *json, size_t len)
{
    line_begin(b, real_us, EVENT_RECORD);
    line_u64(b, "job", source->job);
    line_u64(b, "attempt", source->attempt);
    line_u64(b, "seq", seq);
    buf_puts(b, source->extra ? source->extra : "");
    line_raw(b, "data", json, len);
    line_end(b);
}

void line_bool(struct buf *b, const char *name, int value)
{
    put_name(b, name);
    buf_puts(b, value ? "true" : "false");
}

/* --- strings --------------------------------------------------------------------------------- */

static bool plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* True if all eight bytes are plain. The usual arithmetic on bytes in a word; an underflow can only
 * come from a byte that is not plain itself, so it makes no wrong "true". */
static bool plain8(const unsigned char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    uint64_t w, quote, slash;
    memcpy(&w, p, sizeof w);
    quote = w ^ ones * '"';
    slash = w ^ ones * '\\';
    return ((w | (w - ones * 0x20) | (quote - ones) | (slash - ones)) & high) == 0;
}

/* Length of the sequence at p (first byte >= 0x80), by table 3-7 of the Unicode standard: positive
 * if it is well-formed, else minus the length of its maximal ill-formed part. */
static int utf8_sequence(const unsigned char *p, const unsigned char *end)
{
    unsigned char lead = *p, low = 0x80, high = 0xbf;
    int more = 3;

    if (lead < 0xc2 || lead > 0xf4)
        return -1;
    if (lead < 0xe0)
        more = 1;
    else if (lead < 0xf0)
        more = 2;
    if (lead == 0xe0)
        low = 0xa0; /* overlong */
    else if (lead == 0xed)
        high = 0x9f; /* surrogates */
    else if (lead == 0xf0)
        low = 0x90; /* overlong */
    else if (lead == 0xf4)
        high = 0x8f; /* above U+10FFFF */
    for (int i = 1; i <= more; i++) {
        if (p + i >= end || p[i] < low || p[i] > high)
            return -i;
        low = 0x80;
        high = 0xbf;
    }
    return more + 1;
}

/* How many bytes can be copied as they are: plain ones and well-formed sequences. */
static size_t copied_run(const unsigned char *p, const unsigned char *end)
{
    const unsigned char *start = p;
    for (;;) {
        while (end - p >= 8 && plain8(p))
            p += 8;
        while (p < end && plain(*p))
            p++;
        int n = p < end && *p >= 0x80 ? utf8_sequence(p, end) : 0;
        if (n <= 0)
            return (size_t)(p - start);
        p += n;
    }
}

static void put_escape(struct buf *b, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char shorts[0x20] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    char esc[] = {'\\', (char)c, '0', '0', hex[c >> 4 & 15], hex[c & 15]};
    size_t len = 2;

    if (c < 0x20 && shorts[c]) {
        esc[1] = shorts[c];
    } else if (c < 0x20) {
        esc[1] = 'u';
        len = sizeof esc;
    }
    buf_put(b, esc, len);
}

void json_put_string(struct buf *b, const char *s, size_t len)
{
    const unsigned char *p = (const unsigned char *)s, *end = p + len;

    buf_reserve(b, len + 2);
    PUT(b, "\"");
    while (p < end) {
        size_t run = copied_run(p, end);
        buf_put(b, p, run);
        p += run;
        if (p == end)
            break;
        if (*p < 0x80) {
            put_escape(b, *p++);
        } else {
            PUT(b, "\xef\xbf\xbd");
            p += -utf8_sequence(p, end);
        }
    }
    PUT(b, "\"");
}
