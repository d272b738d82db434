#include "outlet.h"

#include "base/fd.h"
#include "record/switch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int outlet_open(struct outlet *outlet, struct error *err)
{
    int fd = fd_dup(STDOUT_FILENO);
    if (fd < 0)
        return error_set(err, fd, "standard output is not usable: %s", strerror(-fd));
    if (dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        int r = -errno;
        close(fd);
        return error_set(err, r, "standard error is not usable: %s", strerror(-r));
    }
    outlet->out = fd;
    return 0;
}

void outlet_close(struct outlet *outlet)
{
    fd_close(&outlet->out);
}

/* --- targets ---------------------------------------------------------------------------------- */

/* The descriptor of the one target that is the standard output; -1: there is none. */
static int stdout_of(const struct sink_target *targets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (targets[i].type == SINK_STDOUT)
            return targets[i].fd;
    return -1;
}

static int get_stdout(const struct outlet *outlet, struct sink_target *targets, size_t count,
                      struct sink_target *mine, struct error *err)
{
    if (stdout_of(targets, count) >= 0)
        return error_set(err, -EINVAL, "sink \"%s\": standard output has a sink already",
                         mine->name);
    mine->fd = fd_dup(outlet->out);
    return mine->fd < 0 ? error_set(err, mine->fd, "sink \"%s\": standard output: %s", mine->name,
                                    strerror(-mine->fd))
                        : 0;
}

static bool has_same(const struct settings *settings, const struct settings_sink *sink)
{
    for (size_t i = 0; i < settings->sink_count; i++) {
        const struct settings_sink *other = &settings->sinks[i];
        if (other->type == sink->type &&
            (!sink->path || !other->path ? sink->path == other->path
                                         : strcmp(sink->path, other->path) == 0))
            return true;
    }
    return false;
}

/* `unused`: no sink has taken the standard output over. */
static void free_targets(struct sink_target *targets, size_t count, bool unused)
{
    int fd = stdout_of(targets, count);
    if (unused)
        fd_close(&fd);
    free(targets);
}

/* `now` may be NULL. */
static int make_targets(const struct outlet *outlet, const struct settings *settings,
                        const struct settings *now, struct sink_target **ret_targets,
                        size_t *ret_count, struct error *err)
{
    struct sink_target *targets = calloc(settings->sink_count, sizeof *targets);
    size_t count = 0;
    if (!targets)
        return error_set(err, -ENOMEM, "no memory for the sinks");
    for (size_t i = 0; i < settings->sink_count; i++) {
        const struct settings_sink *sink = &settings->sinks[i];
        if (sink->type == SINK_STORED) /* the store's */
            continue;
        targets[count] = (struct sink_target){.name = sink->name,
                                              .type = sink->type,
                                              .path = sink->path,
                                              .fd = -1,
                                              .events = sink->events,
                                              .as_text = sink->format == SINK_FORMAT_TEXT,
                                              .max_size = sink->max_size,
                                              .keep = (unsigned)sink->keep,
                                              .kept = now && has_same(now, sink)};
        int r = sink->type == SINK_STDOUT ? get_stdout(outlet, targets, count, &targets[count], err)
                                          : 0;
        if (r < 0) {
            free_targets(targets, count, true);
            return r;
        }
        count++;
    }
    *ret_targets = targets;
    *ret_count = count;
    return 0;
}

int outlet_sink(const struct outlet *outlet, const struct settings *settings,
                const struct sink_config *config, struct sink **ret_sink, struct error *err)
{
    struct sink_config full = *config;
    struct sink_target *targets;
    size_t count;
    int r = make_targets(outlet, settings, NULL, &targets, &count, err);
    if (r < 0)
        return r;
    full.targets = targets;
    full.target_count = count;
    r = sink_new(&full, ret_sink, err);
    free_targets(targets, count, r < 0);
    return r;
}

int outlet_targets(const struct outlet *outlet, const struct settings *settings,
                   const struct settings *now, struct sink_targets **ret_targets, struct error *err)
{
    struct sink_target *targets;
    size_t count;
    int r = make_targets(outlet, settings, now, &targets, &count, err);
    if (r < 0)
        return r;
    r = sink_targets_open(targets, count, ret_targets, err);
    free_targets(targets, count, r < 0);
    return r;
}
