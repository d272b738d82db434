#include "job/hold.h"

#include "job/host.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct holds {
    unsigned hosts;
    struct tree parsers; /* struct held_parser, by name */
};

struct held_parser {
    struct tree_name entry; /* holds->parsers */
    char name[];
};

int holds_new(struct holds **ret_holds)
{
    struct holds *holds = calloc(1, sizeof *holds);
    if (!holds)
        return -ENOMEM;
    tree_init(&holds->parsers, tree_by_name);
    *ret_holds = holds;
    return 0;
}

void holds_free(struct holds *holds)
{
    if (!holds)
        return;
    tree_for_each(n, &holds->parsers)
    {
        tree_remove(&holds->parsers, n);
        free(container_of(n, struct held_parser, entry.node));
    }
    free(holds);
}

static struct held_parser *parser_find(const struct holds *holds, const char *name)
{
    return tree_entry(tree_find_name(&holds->parsers, name), struct held_parser, entry.node);
}

static int parser_hold(struct holds *holds, const char *name, bool held)
{
    struct held_parser *parser = parser_find(holds, name);
    if (parser && !held) {
        tree_remove(&holds->parsers, &parser->entry.node);
        free(parser);
    } else if (!parser && held) {
        parser = calloc(1, sizeof *parser + strlen(name) + 1);
        if (!parser)
            return -ENOMEM;
        strcpy(parser->name, name);
        parser->entry.name = parser->name;
        tree_insert(&holds->parsers, &parser->entry.node);
    }
    return 0;
}

/* It need not be known: its jobs may come yet. Whoever makes names up is stopped at some number. */
static int host_hold(struct jobs *jobs, const char *name, bool held)
{
    struct holds *holds = jobs->holds;
    struct host *host = host_find(jobs, name);
    if (held == (host && host->held))
        return 0;
    if (held && holds->hosts >= HOLD_HOSTS_MAX)
        return -EDQUOT;
    if (!host)
        host = host_get(jobs, name);
    if (!host)
        return -ENOMEM;
    host->held = held;
    holds->hosts += held ? 1 : -1u;
    host_make_ready(host);
    return 0;
}

int hold_set(struct jobs *jobs, const char *host, const char *parser, bool held)
{
    int r = host     ? host_hold(jobs, host, held)
            : parser ? parser_hold(jobs->holds, parser, held)
                     : 0;
    assert(jobs_are_current(jobs));
    if (r < 0)
        return r;
    if (!host && !parser)
        jobs->held = held;
    if (parser && !held)
        hosts_wake(jobs);
    wake_admit(&jobs->wake);
    return 0;
}

bool hold_on_all(const struct jobs *jobs)
{
    return jobs->held;
}

bool hold_on_parser(const struct jobs *jobs, const char *parser)
{
    return parser_find(jobs->holds, parser);
}
