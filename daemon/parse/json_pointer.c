#include "parse/json_pointer.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- the pointer ------------------------------------------------------------------------------ */

/* ~1 is / and ~0 is ~ (RFC 6901, 4). False: another ~. */
static bool unescape_step(const char *text, size_t len, char *to)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '~') {
            *to++ = text[i];
            continue;
        }
        i++;
        if (i == len || (text[i] != '0' && text[i] != '1'))
            return false;
        *to++ = text[i] == '0' ? '~' : '/';
    }
    *to = '\0';
    return true;
}

/* "0", "17", not "017". */
static uint64_t index_of(const char *name)
{
    char *end;
    size_t len = strlen(name);
    if (len == 0 || len > 18 || strspn(name, "0123456789") != len || (name[0] == '0' && len > 1))
        return UINT64_MAX;
    return strtoull(name, &end, 10);
}

int json_pointer_init(struct json_pointer *p, const char *text, struct error *err)
{
    *p = (struct json_pointer){0};
    if (*text && *text != '/')
        return error_set(err, -EINVAL,
                         "\"%.64s\" is no JSON Pointer; write /name/0/name, or "
                         "nothing for the whole document",
                         text);
    while (*text) {
        size_t len = strcspn(++text, "/");
        if (p->count == JSON_POINTER_STEPS)
            return error_set(err, -EINVAL, "it has more than %d steps", JSON_POINTER_STEPS);
        struct json_step *step = &p->steps[p->count++];
        step->name = malloc(len + 1);
        if (!step->name)
            return error_set(err, -ENOMEM, "out of memory");
        if (!unescape_step(text, len, step->name))
            return error_set(err, -EINVAL, "~ is written ~0, and / in a name ~1");
        step->index = index_of(step->name);
        text += len;
    }
    return 0;
}

void json_pointer_deinit(struct json_pointer *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->steps[i].name);
    buf_deinit(&p->name);
    p->count = 0;
}

/* --- names ------------------------------------------------------------------------------------ */

static unsigned hex4(const char *p)
{
    char digits[5];
    memcpy(digits, p, 4);
    digits[4] = '\0';
    return (unsigned)strtoul(digits, NULL, 16);
}

static void put_utf8(struct buf *b, unsigned c)
{
    char text[4];
    buf_put(b, text, utf8_encode(text, c));
}

/* \uXXXX, perhaps two of them, at text[at]; the scanner has seen that the digits are there. Returns
 * how many bytes it has. */
static size_t put_unicode(struct buf *b, const char *text, size_t at, size_t len)
{
    unsigned c = hex4(text + at + 2);
    if (c >= 0xd800 && c < 0xdc00 && at + 12 <= len && text[at + 6] == '\\' &&
        text[at + 7] == 'u') {
        unsigned low = hex4(text + at + 8);
        if (low >= 0xdc00 && low < 0xe000) {
            put_utf8(b, 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00));
            return 12;
        }
    }
    put_utf8(b, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
    return 6;
}

static void unescape_name(struct buf *b, const char *text, size_t len)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    buf_reset(b);
    for (size_t i = 0; i < len;) {
        if (text[i] != '\\') {
            buf_putc(b, text[i++]);
        } else if (text[i + 1] == 'u') {
            i += put_unicode(b, text, i, len);
        } else {
            buf_putc(b, to[strchr(from, text[i + 1]) - from]);
            i += 2;
        }
    }
}

bool json_pointer_is_member(struct json_pointer *p, size_t step, const char *text, size_t len)
{
    const char *name = p->steps[step].name;
    if (memchr(text, '\\', len)) {
        unescape_name(&p->name, text, len);
        if (p->name.failed)
            return false;
        text = p->name.data;
        len = p->name.len;
    }
    return strlen(name) == len && memcmp(name, text, len) == 0;
}

void json_pointer_enter(struct json_pointer *p, size_t step)
{
    p->steps[step].at = 0;
    p->steps[step].taken = false;
}

bool json_pointer_is_element(struct json_pointer *p, size_t step)
{
    return p->steps[step].at++ == p->steps[step].index;
}

bool json_pointer_take(struct json_pointer *p, size_t step)
{
    bool first = !p->steps[step].taken;
    p->steps[step].taken = true;
    return first;
}
