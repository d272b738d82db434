#include "job/skip.h"

#include "base/log.h"

#include <stdlib.h>

#define UNREAD_MAX 1024 /* rows of a host that are left alone; behind them it is not looked */

void skip_add(struct host *host, uint64_t id)
{
    if (!host->unread)
        host->unread = malloc(UNREAD_MAX * sizeof *host->unread);
    if (host->unread && host->unread_count < UNREAD_MAX)
        host->unread[host->unread_count++] = id;
    if (!host->unread || host->unread_count == UNREAD_MAX)
        host->more = host->stale = false; /* the next ones would be the same */
}

void skip_remove(struct host *host, uint64_t id)
{
    for (size_t i = 0; i < host->unread_count; i++)
        if (host->unread[i] == id)
            host->unread[i--] = host->unread[--host->unread_count];
}

void skip_tell(struct host *host, uint64_t id, const char *why)
{
    if (host->unread_count == 0)
        log_warning("host %s: job %llu is left in the store, as are others like it: %s", host->name,
                    (unsigned long long)id, why);
    skip_add(host, id);
}

void skip_clear(struct host *host)
{
    free(host->unread);
    host->unread = NULL;
    host->unread_count = 0;
}
