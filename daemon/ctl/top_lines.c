#include "ctl/top_lines.h"
#include "ctl/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool lay_is_full(const struct lay *l)
{
    size_t max = l->look->lines ? l->look->lines : TOP_LINES;
    return l->page->count >= max || l->page->count >= TOP_LINES;
}

/* Takes the text over. What is wider than a screen is cut. */
void lay_add(struct lay *l, enum top_style style, struct buf *line)
{
    struct top_page *page = l->page;
    const char *data = line->data ? line->data : "";
    if (!lay_is_full(l) && !line->failed) {
        size_t len = l->look->lines ? text_fit(data, line->len, l->look->columns) : line->len;
        while (len > 0 && data[len - 1] == ' ' && (style != TOP_HEAD || !l->look->lines))
            len--;
        page->offset[page->count] = page->text.len;
        page->style[page->count] = style;
        buf_put(&page->text, data, len);
        buf_putc(&page->text, '\0');
        page->count += !page->text.failed;
    }
    buf_deinit(line);
}

void lay_add_text(struct lay *l, enum top_style style, const char *fmt, ...)
{
    struct buf line = BUF_INIT, raw = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&raw, fmt, ap);
    va_end(ap);
    if (raw.data)
        text_put_safe(&line, raw.data, raw.len);
    buf_deinit(&raw);
    lay_add(l, style, &line);
}

/* --- bars and graphs -------------------------------------------------------------------------- */

static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
static const char *const heights[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char *const ascii_heights[] = {"_", ".", ":", "-", "=", "+", "*", "#"};

void top_put_bar(struct buf *b, double part, size_t width, bool utf8)
{
    size_t eighth = part > 0 ? (size_t)((part < 1 ? part : 1) * (double)width * 8 + 0.5) : 0;
    for (size_t i = 0; i < width; i++, eighth -= eighth < 8 ? eighth : 8) {
        size_t n = eighth < 8 ? eighth : 8;
        if (part < 0)
            buf_puts(b, utf8 ? "·" : ".");
        else if (utf8)
            buf_puts(b, n > 0 ? eighths[n] : " ");
        else
            buf_putc(b, n >= 4 ? '#' : '-');
    }
}

void top_put_graph(struct buf *b, const struct top_series *s, size_t width, bool utf8)
{
    double peak = top_series_peak(s, width);
    size_t shown = s->count < width ? s->count : width;
    for (size_t i = shown; i < width; i++)
        buf_putc(b, ' ');
    for (size_t i = s->count - shown; i < s->count; i++) {
        double part = peak > 0 ? s->values[i] / peak : 0;
        size_t n = (size_t)(part * 7 + 0.5);
        buf_puts(b, utf8 ? heights[n] : ascii_heights[n]);
    }
}

/* --- figures ---------------------------------------------------------------------------------- */

int64_t lay_number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? (int64_t)json_number_value(value) : 0;
}

const char *lay_text(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    return s ? s : "";
}

void lay_put_figure(struct buf *b, double value, bool bytes)
{
    struct buf figure = BUF_INIT;
    if (value < 0)
        buf_puts(&figure, "-");
    else if (bytes)
        text_put_bytes(&figure, value);
    else
        buf_printf(&figure, value < 99.95 ? "%.1f" : "%.0f", value);
    if (value >= 0)
        buf_puts(&figure, "/s");
    buf_printf(b, "%12s", figure.data ? figure.data : "");
    buf_deinit(&figure);
}
