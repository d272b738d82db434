#include "store/postgresql/pg_hint.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_there(const struct hints *h, int64_t member, enum hint_kind kind, const char *text)
{
    for (size_t i = h->count; i-- > 0;) {
        const struct hint *hint = &h->list[i];
        bool same = hint->kind == kind && (!text || (hint->text && !strcmp(hint->text, text)));
        bool all = hint->kind == HINT_ALL && kind == HINT_HOST;
        if (hint->member == member && (same || all))
            return true;
    }
    return false;
}

void hints_add(struct hints *h, int64_t member, enum hint_kind kind, const char *text)
{
    if (h->count >= HINTS_MAX && kind == HINT_HOST) {
        kind = HINT_ALL;
        text = NULL;
    }
    if (is_there(h, member, kind, text))
        return;
    struct hint *more = realloc(h->list, (h->count + 1) * sizeof *more);
    if (!more)
        return;
    h->list = more;
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy)
        return;
    h->list[h->count++] = (struct hint){.member = member, .kind = kind, .text = copy};
}

void hints_clear(struct hints *h)
{
    for (size_t i = 0; i < h->count; i++)
        free(h->list[i].text);
    free(h->list);
    *h = (struct hints){.list = NULL};
}
