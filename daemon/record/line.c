/* Lines are built on the emit path of every record, so nothing here goes through printf. */
#include "record/line.h"

#include "base/clock.h"
#include "base/json_string.h"
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
