/* pause and resume: of everything, of a host, or of a parser. A restart forgets them. */
#include "job/pause.h"

#include "job/admission.h"
#include "job/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct paused_parser {
    UT_hash_handle hh;
    char name[];
};

static struct paused_parser *find_paused(const struct jobs *jobs, const char *name)
{
    struct paused_parser *parser = NULL;
    HASH_FIND_STR(jobs->parsers, name, parser);
    return parser;
}

static int pause_parser(struct jobs *jobs, const char *name, bool paused)
{
    struct paused_parser *parser = find_paused(jobs, name);
    if (parser && !paused) {
        HASH_DELETE(hh, jobs->parsers, parser);
        free(parser);
    } else if (!parser && paused) {
        parser = calloc(1, sizeof *parser + strlen(name) + 1);
        if (!parser)
            return -ENOMEM;
        strcpy(parser->name, name);
        HASH_ADD_STR(jobs->parsers, name, parser);
    }
    return 0;
}

/* It need not be known: its jobs may come yet. Whoever makes names up is stopped at some number. */
static int pause_host(struct jobs *jobs, const char *name, bool paused)
{
    struct host *host = NULL;
    HASH_FIND_STR(jobs->hosts, name, host);
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
    return jobs->parsers && find_paused(jobs, parser);
}

void pause_free(struct jobs *jobs)
{
    struct paused_parser *parser, *tmp;
    HASH_ITER(hh, jobs->parsers, parser, tmp)
    {
        HASH_DELETE(hh, jobs->parsers, parser);
        free(parser);
    }
}
