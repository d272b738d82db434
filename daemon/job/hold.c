#include "job/hold.h"

#include "job/host.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* In the order of hold_next. */
enum hold_kind { HOLD_ALL, HOLD_PARSER, HOLD_HOST, HOLD_KIND_COUNT_ };

struct holds {
    struct tree kinds[HOLD_KIND_COUNT_]; /* struct hold, by name; "" of HOLD_ALL */
    unsigned hosts;
    unsigned round;
};

int holds_new(struct holds **ret_holds)
{
    struct holds *holds = calloc(1, sizeof *holds);
    if (!holds)
        return -ENOMEM;
    for (int i = 0; i < HOLD_KIND_COUNT_; i++)
        tree_init(&holds->kinds[i], tree_by_name);
    *ret_holds = holds;
    return 0;
}

static void hold_free(struct tree *kind, struct hold *hold)
{
    tree_remove(kind, &hold->entry.node);
    free(hold->member);
    free(hold);
}

void holds_free(struct holds *holds)
{
    if (!holds)
        return;
    for (int i = 0; i < HOLD_KIND_COUNT_; i++)
        tree_for_each(n, &holds->kinds[i])
            hold_free(&holds->kinds[i], container_of(n, struct hold, entry.node));
    free(holds);
}

static enum hold_kind kind_of(const char *host, const char *parser)
{
    return host ? HOLD_HOST : parser ? HOLD_PARSER : HOLD_ALL;
}

static struct hold *find(const struct holds *holds, enum hold_kind kind, const char *name)
{
    return tree_entry(tree_find_name(&holds->kinds[kind], name), struct hold, entry.node);
}

static struct hold *hold_new(struct holds *holds, enum hold_kind kind, const char *name)
{
    size_t size = strlen(name) + 1;
    struct hold *hold = calloc(1, sizeof *hold + size);
    if (!hold)
        return NULL;
    memcpy(hold->name, name, size);
    hold->host = kind == HOLD_HOST ? hold->name : NULL;
    hold->parser = kind == HOLD_PARSER ? hold->name : NULL;
    hold->round = holds->round;
    hold->entry.name = hold->name;
    tree_insert(&holds->kinds[kind], &hold->entry.node);
    return hold;
}

/* --- setting ---------------------------------------------------------------------------------- */

/* It need not be known: its jobs may come yet. Whoever makes names up is stopped at some number. */
static int host_hold(struct jobs *jobs, const char *name, bool held)
{
    struct host *host = host_find(jobs, name);
    if (!host && held)
        host = host_get(jobs, name);
    if (!host)
        return held ? -ENOMEM : 0;
    host->held = held;
    host_make_ready(host);
    return 0;
}

/* What has just been let go may start, or be held by what is wider. */
static void let_go(struct jobs *jobs, enum hold_kind kind, struct hold *hold)
{
    if (kind == HOLD_HOST)
        (void)host_hold(jobs, hold->name, false);
    jobs->holds->hosts -= kind == HOLD_HOST;
    jobs->held &= kind != HOLD_ALL;
    hold_free(&jobs->holds->kinds[kind], hold);
    if (kind == HOLD_PARSER)
        hosts_wake(jobs);
}

static int hold_add(struct jobs *jobs, enum hold_kind kind, const char *name)
{
    struct holds *holds = jobs->holds;
    if (kind == HOLD_HOST && !jobs->fleet && hold_is_full(jobs, name))
        return -EDQUOT;
    struct hold *hold = hold_new(holds, kind, name);
    int r = !hold ? -ENOMEM : kind == HOLD_HOST ? host_hold(jobs, name, true) : 0;
    if (r < 0 && hold)
        hold_free(&holds->kinds[kind], hold);
    if (r < 0)
        return r;
    holds->hosts += kind == HOLD_HOST;
    jobs->held |= kind == HOLD_ALL;
    return 0;
}

int hold_set(struct jobs *jobs, const char *host, const char *parser, bool held)
{
    enum hold_kind kind = kind_of(host, parser);
    const char *name = host ? host : parser ? parser : "";
    struct hold *hold = find(jobs->holds, kind, name);
    int r = 0;
    assert(jobs_are_current(jobs));
    if (hold && held)
        hold->round = jobs->holds->round;
    else if (hold)
        let_go(jobs, kind, hold);
    else if (held)
        r = hold_add(jobs, kind, name);
    wake_admit(&jobs->wake);
    return r;
}

void hold_sign(struct jobs *jobs, const char *host, const char *parser, uint32_t uid, int64_t at,
               const char *member)
{
    struct hold *hold = find(jobs->holds, kind_of(host, parser),
                             host     ? host
                             : parser ? parser
                                      : "");
    assert(jobs_are_current(jobs) && hold);
    free(hold->member);
    hold->uid = uid;
    hold->at = at;
    hold->member = member ? strdup(member) : NULL;
}

bool hold_is_full(const struct jobs *jobs, const char *host)
{
    return jobs->holds->hosts >= HOLD_HOSTS_MAX && !find(jobs->holds, HOLD_HOST, host);
}

/* --- all of them ------------------------------------------------------------------------------ */

void holds_begin_round(struct jobs *jobs)
{
    jobs->holds->round++;
}

void holds_end_round(struct jobs *jobs)
{
    struct holds *holds = jobs->holds;
    for (int i = 0; i < HOLD_KIND_COUNT_; i++)
        tree_for_each(n, &holds->kinds[i])
        {
            struct hold *hold = container_of(n, struct hold, entry.node);
            if (hold->round != holds->round)
                let_go(jobs, (enum hold_kind)i, hold);
        }
    wake_admit(&jobs->wake);
}

/* --- asking ----------------------------------------------------------------------------------- */

bool hold_on_all(const struct jobs *jobs)
{
    return jobs->held;
}

bool hold_on_parser(const struct jobs *jobs, const char *parser)
{
    return find(jobs->holds, HOLD_PARSER, parser);
}

const struct hold *hold_find(const struct jobs *jobs, const char *host, const char *parser)
{
    return find(jobs->holds, kind_of(host, parser), host ? host : parser ? parser : "");
}

const struct hold *hold_on_job(const struct jobs *jobs, const char *host, const char *parser)
{
    const struct hold *hold = find(jobs->holds, HOLD_ALL, "");
    if (!hold)
        hold = find(jobs->holds, HOLD_PARSER, parser);
    return hold ? hold : find(jobs->holds, HOLD_HOST, host);
}

const struct hold *hold_next(const struct jobs *jobs, const struct hold *after)
{
    struct tree_node *node = after ? tree_next(&after->entry.node) : NULL;
    int kind = after ? (int)kind_of(after->host, after->parser) + 1 : 0;
    for (; !node && kind < HOLD_KIND_COUNT_; kind++)
        node = tree_first(&jobs->holds->kinds[kind]);
    return tree_entry(node, struct hold, entry.node);
}
