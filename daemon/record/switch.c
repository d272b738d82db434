/* Other targets for a sink that runs. They are opened by whoever wants them and change places with
 * the old ones on the sink's thread: between two batches, when every target is at the end of a line
 * and has all lines before, and not within a spool's group, whose lines stay together.
 *
 * Only one that leaves and takes nothing is not waited for: it was perhaps removed for that. Then
 * the line where it stands is where the targets that are new begin, so that each line is in a file
 * of before or in one of after. */
#include "record/switch.h"

#include "base/clock.h"
#include "base/log.h"
#include "record/sink_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NOWHERE SIZE_MAX

/* --- opening ---------------------------------------------------------------------------------- */

static bool identity(const struct target *t, struct stat *ret_st)
{
    if (t->type != SINK_FILE)
        return false;
    /* One that is kept is not open here. */
    int r = t->file.fd >= 0 ? fstat(t->file.fd, ret_st) : stat(t->path, ret_st);
    return r == 0 && S_ISREG(ret_st->st_mode);
}

/* Two sinks on one file would take each other's lines for torn ones. */
static int refuse_same_file(const struct sink_targets *set, struct error *err)
{
    const struct target *last = &set->list[set->count - 1];
    struct stat st, other;
    if (!identity(last, &st))
        return 0;
    for (size_t i = 0; i + 1 < set->count; i++)
        if (identity(&set->list[i], &other) && st.st_dev == other.st_dev &&
            st.st_ino == other.st_ino)
            return error_set(err, -EEXIST,
                             "sink \"%s\": %s is the file of sink \"%s\", too: give each its own",
                             last->name, last->path, set->list[i].name);
    return 0;
}

static void free_set(struct sink_targets *set, bool given)
{
    for (size_t i = 0; i < set->count; i++)
        target_deinit(&set->list[i], given);
    free(set->list);
    free(set->polled);
}

int switch_open(const struct sink_target *targets, size_t count, target_opener *opener,
                struct sink_targets *ret_set, struct error *err)
{
    struct sink_targets set = {.list = calloc(count + 1, sizeof *set.list),
                               .polled = calloc(count + 1, sizeof *set.polled)};
    int r = set.list && set.polled ? 0 : error_set(err, -ENOMEM, "sinks: out of memory");
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = opener(&set.list[i], &targets[i], err);
        if (r < 0)
            break;
        set.count++;
        r = refuse_same_file(&set, err);
    }
    if (r < 0)
        free_set(&set, false);
    else
        *ret_set = set;
    return r;
}

int sink_targets_open(const struct sink_target *targets, size_t count,
                      struct sink_targets **ret_targets, struct error *err)
{
    struct sink_targets *set = calloc(1, sizeof *set);
    int r = set ? switch_open(targets, count, target_prepare, set, err)
                : error_set(err, -ENOMEM, "sinks: out of memory");
    if (r < 0)
        free(set);
    else
        *ret_targets = set;
    return r;
}

void sink_targets_free(struct sink_targets *targets)
{
    if (!targets)
        return;
    free_set(targets, true);
    free(targets);
}

void sink_switch(struct sink *sink, struct sink_targets *targets)
{
    pthread_mutex_lock(&sink->lock);
    struct sink_targets *before = sink->asked;
    sink->asked = targets;
    pthread_mutex_unlock(&sink->lock);
    sink_wake(sink);
    sink_targets_free(before);
}

/* --- the sink's thread ------------------------------------------------------------------------ */

void switch_heed(struct sink *s)
{
    pthread_mutex_lock(&s->lock);
    struct sink_targets *asked = s->asked;
    s->asked = NULL;
    pthread_mutex_unlock(&s->lock);
    if (!asked)
        return;
    sink_targets_free(s->coming);
    s->coming = asked;
    s->coming_since = clock_now();
}

static struct target *successor(const struct sink *s, const struct target *t)
{
    for (size_t i = 0; i < s->coming->count; i++)
        if (target_same(&s->coming->list[i], t))
            return &s->coming->list[i];
    return NULL;
}

/* It leaves and lacks lines of the batch. */
static bool leaves_late(const struct sink *s, const struct target *t)
{
    return s->batch.count > 0 && !t->done && !successor(s, t);
}

/* Standard output in the midst of a line is waited for all the same: it may be a target again, and
 * its reader would see the two lines as one. */
static bool stalls(const struct target *t)
{
    return t->blocked && (t->type != SINK_STDOUT || t->part == 0);
}

/* Until when the late ones are waited for. 0: they fail. UINT64_MAX: none is late, or one still
 * takes lines. */
static uint64_t late_until(const struct sink *s)
{
    uint64_t until = UINT64_MAX;
    for (size_t i = 0; i < s->target_count; i++) {
        const struct target *t = &s->targets[i];
        if (!leaves_late(s, t))
            continue;
        if (!t->error && !stalls(t))
            return UINT64_MAX;
        uint64_t its = t->error ? 0 : s->coming_since + s->config.retry_ns;
        if (until == UINT64_MAX || its > until)
            until = its;
    }
    return until;
}

uint64_t switch_by(const struct sink *s)
{
    return s->coming ? late_until(s) : UINT64_MAX;
}

/* The line of the batch that the first of the late ones lacks. */
static size_t leave(struct sink *s, struct target *t, bool late)
{
    int r = target_leave(t, late, s->config.sync);
    if (t->error && !t->gone)
        atomic_fetch_sub(&s->failing, 1);
    if (late)
        log_warning("sink %s: left while it took nothing: %s", t->name,
                    t->error ? strerror(-t->error) : "its reader stalls");
    else if (r < 0)
        log_error("sink %s: left, but its last lines may not be on the disk: %s", t->name,
                  strerror(-r));
    return late ? t->next : NOWHERE;
}

static size_t change_places(struct sink *s)
{
    size_t from = NOWHERE;
    for (size_t i = 0; i < s->target_count; i++) {
        struct target *t = &s->targets[i], *next = successor(s, t);
        size_t line = NOWHERE;
        if (next)
            target_succeed(next, t);
        else
            line = leave(s, t, leaves_late(s, t));
        if (line < from)
            from = line;
    }
    return from;
}

/* The others go on in the batch where they are. */
static void begin_fresh(const struct sink *s, size_t from)
{
    for (size_t i = 0; i < s->coming->count; i++) {
        struct target *t = &s->coming->list[i];
        if (t->fresh)
            target_begin_at(t, from);
    }
}

void switch_targets(struct sink *s)
{
    bool idle = s->batch.count == 0 && !s->grouped;
    if (!s->coming || !(idle || late_until(s) <= clock_now()))
        return;
    size_t from = change_places(s);
    if (s->batch.count > 0)
        begin_fresh(s, from);

    struct sink_targets old = {.list = s->targets, .polled = s->polled, .count = s->target_count};
    pthread_mutex_lock(&s->lock);
    s->targets = s->coming->list;
    s->polled = s->coming->polled;
    s->target_count = s->coming->count;
    pthread_mutex_unlock(&s->lock);
    free_set(&old, true);
    free(s->coming);
    s->coming = NULL;
    if (s->config.switched)
        s->config.switched(s->config.arg);
}
