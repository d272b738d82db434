/* pause and resume: of everything, of a host, or of a parser. A restart forgets them. */
#include "job/pause.h"

#include "job/admission.h"
#include "job/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct paused_parser {
    struct tree_name entry; /* jobs->parsers */
    char name[];
};

static struct paused_parser *find_paused(const struct jobs *jobs, const char *name)
{
    return tree_entry(tree_find_name(&jobs->parsers, name), struct paused_parser, entry.node);
}

static int pause_parser(struct jobs *jobs, const char *name, bool paused)
{
    struct paused_parser *parser = find_paused(jobs, name);
    if (parser && !paused) {
        tree_remove(&jobs->parsers, &parser->entry.node);
        free(parser);
    } else if (!parser && paused) {
        parser = calloc(1, sizeof *parser + strlen(name) + 1);
        if (!parser)
            return -ENOMEM;
        strcpy(parser->name, name);
        parser->entry.name = parser->name;
        tree_insert(&jobs->parsers, &parser->entry.node);
    }
    return 0;
}

/* It need not be known: its jobs may come yet. Whoever makes names up is stopped at some number. */
static int pause_host(struct jobs *jobs, const char *name, bool paused)
{
    struct host *host = host_find(jobs, name);
    if (paused == (host && host->paused))
        return 0;
    if (paused && jobs->hosts_paused >= HOSTS_PAUSED_MAX)
        return -EDQUOT;
    if (!host)
        host = host_get(jobs, name);
    if (!host)
        return -ENOMEM;
    host->paused = paused;
    jobs->hosts_paused += paused ? 1 : -1u;
    return 0;
}

int admission_pause(struct jobs *jobs, const char *host_name, const char *parser, bool paused)
{
    int r = host_name ? pause_host(jobs, host_name, paused)
            : parser  ? pause_parser(jobs, parser, paused)
                      : 0;
    if (r < 0)
        return r;
    if (!host_name && !parser)
        jobs->paused = paused;
    admission_wake_all(jobs);
    return 0;
}

bool admission_paused(const struct jobs *jobs, const char *parser)
{
    return find_paused(jobs, parser);
}

void pause_free(struct jobs *jobs)
{
    tree_for_each(n, &jobs->parsers)
    {
        tree_remove(&jobs->parsers, n);
        free(container_of(n, struct paused_parser, entry.node));
    }
}
