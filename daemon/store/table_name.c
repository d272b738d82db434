#include "store/table_name.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Bytes beyond ASCII are letters, as PostgreSQL has it. */
static bool is_letter(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool is_plain(unsigned char c, bool first)
{
    return is_letter(c) || (!first && ((c >= '0' && c <= '9') || c == '$'));
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

/* Where the quoted part ends; NULL: nowhere, or it is empty or too long. */
static const char *take_quoted(const char *at, char *part)
{
    size_t len = 0;
    for (at++; *at; at++) {
        if (*at == '"' && *++at != '"') {
            part[len] = '\0';
            return len > 0 ? at : NULL;
        }
        if (len + 1 == TABLE_NAME_PART)
            return NULL;
        part[len++] = *at;
    }
    return NULL;
}

/* The same of one without quotes. */
static const char *take_plain(const char *at, char *part)
{
    size_t len = 0;
    for (; is_plain((unsigned char)*at, len == 0); at++) {
        if (len + 1 == TABLE_NAME_PART)
            return NULL;
        part[len++] = lower(*at);
    }
    part[len] = '\0';
    return len > 0 ? at : NULL;
}

static const char *take_part(const char *at, char *part)
{
    return *at == '"' ? take_quoted(at, part) : take_plain(at, part);
}

int table_name_parse(const char *text, struct table_name *ret_name, struct error *err)
{
    struct table_name name = {.schema = ""};
    const char *at = take_part(text, name.name);
    if (at && *at == '.') {
        memcpy(name.schema, name.name, sizeof name.schema);
        at = take_part(at + 1, name.name);
    }
    if (!at || *at)
        return error_set(err, -EINVAL,
                         "'%.140s' is no table's name: write items, feeds.items, or "
                         "\"Feeds\".\"Items\", each part of at most %d bytes",
                         text, TABLE_NAME_PART - 1);
    *ret_name = name;
    return 0;
}
