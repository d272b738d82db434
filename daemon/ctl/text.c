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

/* Characters that move the cursor, start a command to the terminal, or turn the text's direction. */
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

size_t text_width(const char *s, size_t len)
{
    size_t width = 0;
    for (size_t i = 0; i < len; i++)
        width += ((unsigned char)s[i] & 0xC0) != 0x80;
    return width;
}

size_t text_fit(const char *s, size_t len, size_t columns)
{
    size_t i = 0;
    for (; i < len; i++)
        if (((unsigned char)s[i] & 0xC0) != 0x80 && columns-- == 0)
            break;
    return i;
}
