#include "job/park.h"

#include "base/buf.h"
#include "base/log.h"
#include "job/fleet.h"
#include "job/needs.h"
#include "job/skip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN_US 1000000

struct parking {
    struct store_park park;
    struct jobs *jobs;
    char *host, *needs;
};

/* Memory, or the store, failed: all that is left alone there is read again, in a second. */
static void read_again(struct host *host)
{
    host->unread_again = true;
    host_due(host->jobs, host->name, jobs_now(host->jobs) + AGAIN_US);
}

static void leave_alone(struct host *host, uint64_t id)
{
    if (!skip_add(host, id))
        read_again(host);
}

static void parking_free(struct parking *p)
{
    free(p->host);
    free(p->needs);
    free(p);
}

static bool is_known(const struct fleet *fleet, const char *needs)
{
    for (size_t i = 0; i < fleet->parked_count; i++)
        if (strcmp(fleet->parked[i].needs, needs) == 0)
            return true;
    return false;
}

/* Once for all that need the same, as far as is known. */
static void tell(struct fleet *fleet, const struct parking *p)
{
    struct buf b = BUF_INIT;
    if (is_known(fleet, p->needs) || (fleet->parking && strcmp(fleet->parking, p->needs) == 0))
        return;
    needs_put(&b, p->needs);
    if (!b.failed)
        log_info("job %llu of host %s, and others like it, waits for a member with %s",
                 (unsigned long long)p->park.id, p->host, b.data);
    buf_deinit(&b);
    free(fleet->parking);
    fleet->parking = strdup(p->needs);
}

static void on_parked(struct mail *mail)
{
    struct parking *p = container_of(mail, struct parking, park.call.mail);
    struct fleet *fleet = p->jobs->fleet;
    struct host *host = host_find(p->jobs, p->host);
    int r = p->park.call.result;
    if (r == 0)
        tell(fleet, p);
    else if (r != -ESTALE)
        log_error("job %llu cannot be parked, tried again in 1 s: %s",
                  (unsigned long long)p->park.id, p->park.call.error.text);
    if (host && r < 0 && r != -ESTALE)
        read_again(host);
    else if (host && skip_remove(host, p->park.id))
        host_has_more(host);
    if (host)
        host_put_if_idle(host);
    fleet->orphans--;
    wake_drained(&p->jobs->wake);
    parking_free(p);
}

/* Takes ownership of `needs` (NULL: there was no memory). Without memory the row is read again
 * later. */
static void park(struct host *host, const struct store_job *row, char *needs)
{
    struct jobs *jobs = host->jobs;
    struct fleet *fleet = jobs->fleet;
    struct parking *p = needs ? calloc(1, sizeof *p) : NULL;
    if (!p) {
        free(needs);
        read_again(host);
        return;
    }
    p->jobs = jobs;
    p->needs = needs;
    p->host = strdup(host->name);
    p->park = (struct store_park){.id = row->id, .attempt = row->attempt, .needs = needs};
    if (!p->host) {
        parking_free(p);
        read_again(host);
        return;
    }
    fleet->orphans++;
    mail_init(&p->park.call.mail, on_parked);
    fleet->shared->park(fleet->store, &p->park);
}

void park_not(struct host *host, uint64_t id, const char *why)
{
    if (host->unread_count == 0)
        log_warning("host %s: job %llu is left in the store, as are others like it: %s", host->name,
                    (unsigned long long)id, why);
    leave_alone(host, id);
}

void park_row(struct host *host, const struct store_job *row, const char *why)
{
    struct jobs *jobs = host->jobs;
    bool parks = host->ours && !jobs->draining;
    char *needs = parks ? needs_of(row) : NULL;
    if (parks && (!needs || !needs_met(jobs, needs))) {
        leave_alone(host, row->id);
        park(host, row, needs);
        return;
    }
    park_not(host, row->id, why);
    free(needs);
}

void park_take(struct jobs *jobs, struct store_event *event)
{
    struct fleet *fleet = jobs->fleet;
    struct store_parked *old = fleet->parked;
    size_t old_count = fleet->parked_count;
    fleet->parked = event->parked;
    fleet->parked_count = event->parked_count;
    event->parked = old;
    event->parked_count = old_count;
    park_look(jobs);
}

void park_look(struct jobs *jobs)
{
    struct fleet *fleet = jobs->fleet;
    if (!fleet)
        return;
    const char **able = calloc(fleet->parked_count + 1, sizeof *able);
    size_t count = 0;
    for (size_t i = 0; able && i < fleet->parked_count; i++)
        if (needs_met(jobs, fleet->parked[i].needs))
            able[count++] = fleet->parked[i].needs;
    if (able)
        fleet->shared->able(fleet->store, able, count);
    free(able);
}

uint64_t park_count(const struct jobs *jobs)
{
    uint64_t n = 0;
    for (size_t i = 0; jobs->fleet && i < jobs->fleet->parked_count; i++)
        n += jobs->fleet->parked[i].ours;
    return n;
}
