#include "ctl/text.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Decodes one code point (RFC 3629). Returns its bytes, or 0 if they are not well-formed. */
static size_t decode(const char *s, size_t len, uint32_t *ret_code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char c = (unsigned char)s[0];
    size_t n = c < 0x80 ? 1 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC2 ? 2 : 0;
    if (n == 0 || n > len || c > 0xF4)
        return 0;
    uint32_t code = n == 1 ? c : c & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)s[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | ((unsigned char)s[i] & 0x3F);
    }
    if (code < least[n] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return 0;
    *ret_code = code;
    return n;
}

/* Characters that move the cursor, start a command to the terminal, or turn the text's
 * direction. */
static bool steers(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x061C || code == 0x200E ||
           code == 0x200F || (code >= 0x2028 && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0xFEFF;
}

void text_put_safe(struct buf *b, const char *s, size_t len)
{
    for (size_t i = 0, n; i < len; i += n) {
        uint32_t code = 0;
        n = decode(s + i, len - i, &code);
        if (n == 0) {
            n = 1;
            buf_printf(b, "\\x%02x", (unsigned)(unsigned char)s[i]);
        } else if (steers(code)) {
            buf_printf(b, "\\u%04x", (unsigned)code);
        } else {
            buf_put(b, s + i, n);
        }
    }
}

void text_put_json(struct buf *b, const char *json, size_t len)
{
    for (size_t i = 0, n; i < len; i += n) {
        uint32_t code = 0;
        n = decode(json + i, len - i, &code);
        if (n == 0) {
            n = 1;
            buf_puts(b, "\\ufffd");
        } else if (code < 0x20) {
            buf_putc(b, ' ');
        } else if (steers(code)) {
            buf_printf(b, "\\u%04x", (unsigned)code);
        } else {
            buf_put(b, json + i, n);
        }
    }
}

void text_put_bytes(struct buf *b, double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    if (!(bytes > 0))
        bytes = 0;
    for (; bytes >= 1023.95 && unit + 1 < sizeof units / sizeof *units; unit++)
        bytes /= 1024;
    buf_printf(b, "%.*f %s", unit > 0 && bytes < 99.95 ? 1 : 0, bytes, units[unit]);
}

void text_put_seconds(struct buf *b, double seconds)
{
    if (!(seconds > 0))
        seconds = 0;
    if (seconds < 9.9995) {
        buf_printf(b, "%.3f s", seconds);
    } else if (seconds < 59.95) {
        buf_printf(b, "%.1f s", seconds);
    } else {
        double n = round(seconds);
        if (n < 3600)
            buf_printf(b, "%.0f min %02.0f s", floor(n / 60), fmod(n, 60));
        else if (n < 86400)
            buf_printf(b, "%.0f h %02.0f min", floor(n / 3600), floor(fmod(n, 3600) / 60));
        else
            buf_printf(b, "%.0f d %02.0f h", floor(n / 86400), floor(fmod(n, 86400) / 3600));
    }
}

void text_put_age(struct buf *b, double seconds)
{
    static const struct {
        double seconds;
        char unit;
    } units[] = {{31557600, 'y'}, {86400, 'd'}, {3600, 'h'}, {60, 'm'}};
    if (!(seconds > 0))
        seconds = 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (seconds >= units[i].seconds) {
            buf_printf(b, "%.0f%c", floor(seconds / units[i].seconds), units[i].unit);
            return;
        }
    }
    buf_printf(b, "%.0fs", floor(seconds));
}

const char *text_colour_of(const char *state)
{
    static const char *const colours[][2] = {{"done", "\033[32m"},     {"failed", "\033[31m"},
                                             {"running", "\033[36m"},  {"waiting", "\033[33m"},
                                             {"cancelled", "\033[2m"}, {"cannot run", "\033[31m"},
                                             {"paused", "\033[33m"}};
    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++)
        if (strncmp(colours[i][0], state, strlen(colours[i][0])) == 0)
            return colours[i][1];
    return "";
}

/* --- columns ---------------------------------------------------------------------------------- */

struct range {
    uint32_t first, last;
};

static bool within(const struct range *ranges, size_t count, uint32_t code)
{
    for (size_t i = 0; i < count; i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    return false;
}

/* Unicode's East_Asian_Width (W and F) and marks that combine, by blocks: not by wcwidth(3), which
 * goes by the locale. */
static size_t columns_of(uint32_t code)
{
    static const struct range none[] = {
        {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x0610, 0x061A}, {0x064B, 0x065F},
        {0x093C, 0x093C}, {0x0E34, 0x0E3A}, {0x0E47, 0x0E4E}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF},
        {0x200B, 0x200F}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xE0100, 0xE01EF}};
    static const struct range two[] = {
        {0x1100, 0x115F},   {0x231A, 0x231B},   {0x2614, 0x2615},   {0x2E80, 0x303E},
        {0x3041, 0x33FF},   {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},
        {0xA960, 0xA97F},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},
        {0xFF01, 0xFF60},   {0xFFE0, 0xFFE6},   {0x17000, 0x18CFF}, {0x1F300, 0x1F64F},
        {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
    if (code < 0x300)
        return 1;
    return within(none, sizeof none / sizeof *none, code) ? 0
           : within(two, sizeof two / sizeof *two, code)  ? 2
                                                          : 1;
}

/* The character that begins here: its bytes, and its columns. What is not UTF-8 takes one. */
static size_t step(const char *s, size_t len, size_t *ret_columns)
{
    uint32_t code = 0;
    size_t n = decode(s, len, &code);
    *ret_columns = n ? columns_of(code) : 1;
    return n ? n : 1;
}

size_t text_width(const char *s, size_t len)
{
    size_t width = 0, columns;
    for (size_t i = 0; i < len; width += columns)
        i += step(s + i, len - i, &columns);
    return width;
}

size_t text_fit(const char *s, size_t len, size_t columns)
{
    size_t i = 0, own;
    while (i < len) {
        size_t n = step(s + i, len - i, &own);
        if (own > columns)
            break;
        columns -= own;
        i += n;
    }
    return i;
}

void text_put_url(struct buf *b, const char *url, size_t columns)
{
    const char *scheme = strstr(url, "://");
    size_t len = strlen(url);
    if (text_width(url, len) > columns && scheme) {
        url = scheme + 3;
        len = strlen(url);
    }
    size_t width = text_width(url, len);
    if (width <= columns || columns < 5) {
        buf_put(b, url, text_fit(url, len, columns));
        return;
    }
    /* A little more of its end than of its beginning. */
    size_t head = text_fit(url, len, (columns - 2) * 2 / 5), skip = width - columns + 2;
    size_t tail = head + text_fit(url + head, len - head, skip);
    while (text_width(url + tail, len - tail) > columns - 2 - text_width(url, head)) {
        size_t own;
        tail += step(url + tail, len - tail, &own);
    }
    buf_put(b, url, head);
    buf_puts(b, "..");
    buf_put(b, url + tail, len - tail);
}
