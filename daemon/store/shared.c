#include "store/shared.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- which shard a host is of ----------------------------------------------------------------- */

struct name {
    const char *text;
    size_t len;
};

/* A dot at the end is the root's, which changes nothing; brackets are the URL's, not the
 * address's. */
static struct name bare_name(const char *host)
{
    struct name name = {.text = host, .len = strlen(host)};
    if (name.len > 1 && name.text[name.len - 1] == '.')
        name.len--;
    if (name.len > 2 && name.text[0] == '[' && name.text[name.len - 1] == ']') {
        name.text++;
        name.len -= 2;
    }
    return name;
}

/* The place behind the dot before `end`; 0: there is none. */
static size_t label_start(const struct name *name, size_t end)
{
    while (end > 0 && name->text[end - 1] != '.')
        end--;
    return end;
}

static bool is_number(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return len > 0;
}

/* No name ends with a label of digits alone (WHATWG URL, "ends in a number"). */
static bool is_address(const struct name *name, size_t last)
{
    return memchr(name->text, ':', name->len) || is_number(name->text + last, name->len - last);
}

/* Where those of its labels begin that count. */
static size_t site_start(const struct name *name)
{
    size_t last = label_start(name, name->len);
    if (last == 0 || is_address(name, last))
        return 0;
    size_t second = label_start(name, last - 1);
    bool country = name->len - last == 2 && last - 1 - second <= 3;
    return country && second > 0 ? label_start(name, second - 1) : second;
}

unsigned store_shard(const char *host)
{
    struct name name = bare_name(host);
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = site_start(&name); i < name.len; i++)
        hash = (hash ^ (unsigned char)name.text[i]) * UINT64_C(1099511628211);
    return (unsigned)(hash % STORE_SHARDS);
}

/* --- results ---------------------------------------------------------------------------------- */

void store_event_free(struct store_event *event)
{
    if (!event)
        return;
    for (size_t i = 0; i < event->elsewhere_count; i++)
        free(event->elsewhere[i].host);
    free(event->elsewhere);
    for (size_t i = 0; i < event->parked_count; i++)
        free(event->parked[i].needs);
    free(event->parked);
    free(event->host);
    free(event->why);
    free(event);
}

static char *copy_text(const char *text)
{
    return text ? strdup(text) : NULL;
}

static void pause_row_deinit(struct store_pause_row *row)
{
    free(row->host);
    free(row->parser);
    free(row->member);
}

int store_pauses_add(struct store_pauses *call, const struct store_pause_row *row)
{
    struct store_pause_row copy = *row;
    struct store_pause_row *more = realloc(call->rows, (call->count + 1) * sizeof *more);
    if (!more)
        return -ENOMEM;
    call->rows = more;
    copy.host = copy_text(row->host);
    copy.parser = copy_text(row->parser);
    copy.member = strdup(row->member);
    if (!copy.member || (row->host && !copy.host) || (row->parser && !copy.parser)) {
        pause_row_deinit(&copy);
        return -ENOMEM;
    }
    call->rows[call->count++] = copy;
    return 0;
}

void store_pauses_free(struct store_pauses *call)
{
    for (size_t i = 0; i < call->count; i++)
        pause_row_deinit(&call->rows[i]);
    free(call->rows);
    call->rows = NULL;
    call->count = 0;
}

void store_members_free(struct store_members *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->members[i].name);
        free(list->members[i].machine);
        free(list->members[i].version);
        free(list->members[i].config);
    }
    free(list->members);
    *list = (struct store_members){.members = NULL};
}
