#include "ctl/slice.h"

#include <string.h>

static size_t skip_space(struct slice s, size_t i)
{
    while (i < s.len && (s.p[i] == ' ' || s.p[i] == '\t' || s.p[i] == '\n' || s.p[i] == '\r'))
        i++;
    return i;
}

/* The index behind the string that begins at i, or 0 if it does not end. */
static size_t skip_string(struct slice s, size_t i)
{
    for (i++; i < s.len; i++) {
        if (s.p[i] == '"')
            return i + 1;
        if (s.p[i] == '\\')
            i++;
    }
    return 0;
}

static size_t skip_container(struct slice s, size_t i)
{
    size_t depth = 0;
    while (i < s.len) {
        char c = s.p[i];
        if (c == '"') {
            i = skip_string(s, i);
            if (i == 0)
                return 0;
            continue;
        }
        if (c == '{' || c == '[')
            depth++;
        i++;
        if ((c == '}' || c == ']') && --depth == 0)
            return i;
    }
    return 0;
}

/* The index behind the value that begins at i, or 0 if there is none. */
static size_t skip_value(struct slice s, size_t i)
{
    if (i >= s.len)
        return 0;
    if (s.p[i] == '"')
        return skip_string(s, i);
    if (s.p[i] == '{' || s.p[i] == '[')
        return skip_container(s, i);
    size_t start = i;
    while (i < s.len && !memchr(",]} \t\r\n:", s.p[i], 9))
        i++;
    return i > start ? i : 0;
}

static struct slice cut(struct slice s, size_t start, size_t end)
{
    return (struct slice){.p = s.p + start, .len = end - start};
}

bool slice_member(struct slice object, const char *name, struct slice *ret_value)
{
    size_t i = skip_space(object, 0);
    if (i >= object.len || object.p[i] != '{')
        return false;
    for (i++;; i++) {
        i = skip_space(object, i);
        if (i >= object.len || object.p[i] != '"')
            return false;
        size_t key = i, key_end = skip_string(object, i);
        if (key_end == 0)
            return false;
        i = skip_space(object, key_end);
        if (i >= object.len || object.p[i] != ':')
            return false;
        i = skip_space(object, i + 1);
        size_t end = skip_value(object, i);
        if (end == 0)
            return false;
        if (slice_equals(cut(object, key, key_end), name)) {
            *ret_value = cut(object, i, end);
            return true;
        }
        i = skip_space(object, end);
        if (i >= object.len || object.p[i] != ',')
            return false;
    }
}

bool slice_item(struct slice array, size_t *pos, struct slice *ret_item)
{
    size_t i = skip_space(array, *pos);
    if (i >= array.len || array.p[i] != (*pos == 0 ? '[' : ','))
        return false;
    i = skip_space(array, i + 1);
    size_t end = skip_value(array, i);
    if (end == 0)
        return false;
    *ret_item = cut(array, i, end);
    *pos = end;
    return true;
}

bool slice_equals(struct slice value, const char *string)
{
    size_t len = strlen(string);
    return value.len == len + 2 && value.p[0] == '"' && value.p[len + 1] == '"' &&
           memcmp(value.p + 1, string, len) == 0;
}

bool slice_u64(struct slice value, uint64_t *ret)
{
    uint64_t n = 0;
    if (value.len == 0)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        unsigned digit = (unsigned)value.p[i] - '0';
        if (digit > 9 || n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *ret = n;
    return true;
}
