#include "job/skip.h"

#include <stdlib.h>

#define UNREAD_MIN 8    /* that there is room for from the first one on */
#define UNREAD_MAX 1024 /* rows of a host that are left alone; behind them it is not looked */

/* There is room for a power of two, and for more once so many are there. */
static bool make_room(struct host *host)
{
    size_t n = host->unread_count;
    if (n > 0 && (n < UNREAD_MIN || (n & (n - 1)) != 0))
        return true;
    uint64_t *more = realloc(host->unread, (n ? 2 * n : UNREAD_MIN) * sizeof *more);
    if (more)
        host->unread = more;
    return more;
}

bool skip_add(struct host *host, uint64_t id)
{
    bool full = host->unread_count == UNREAD_MAX, room = !full && make_room(host);
    if (room)
        host->unread[host->unread_count++] = id;
    if (!room || host->unread_count == UNREAD_MAX)
        host->more = host->stale = false; /* the next ones would be the same */
    return room || full;
}

bool skip_remove(struct host *host, uint64_t id)
{
    bool full = host->unread_count == UNREAD_MAX;
    for (size_t i = 0; i < host->unread_count; i++)
        if (host->unread[i] == id)
            host->unread[i--] = host->unread[--host->unread_count];
    return full && host->unread_count < UNREAD_MAX;
}

void skip_clear(struct host *host)
{
    free(host->unread);
    host->unread = NULL;
    host->unread_count = 0;
    host->unread_again = false;
}
