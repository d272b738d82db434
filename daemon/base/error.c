#include "base/error.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A cut, by us or by a caller's precision, may have split a character; the sentence goes into JSON.
 */
static void clean(char *text)
{
    size_t len = strlen(text);
    for (size_t at = utf8_valid(text, len); at < len; at += utf8_valid(text + at, len - at))
        text[at] = '?';
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
}

int error_set(struct error *err, int code, const char *fmt, ...)
{
    if (!err)
        return code;
    va_list ap;
    va_start(ap, fmt);
    /* On the side first: an argument may be the old err->text. */
    char text[sizeof err->text];
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    clean(text);
    memcpy(err->text, text, sizeof text);
    return code;
}
