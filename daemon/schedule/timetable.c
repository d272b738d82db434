#include "schedule/timetable.h"

#include "base/list.h"
#include "base/log.h"
#include "store/schedule_row.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct schedule *of_node(struct tree_node *node)
{
    return node ? container_of(node, struct schedule, entry) : NULL;
}

static int compare(const struct tree_node *a, const struct tree_node *b)
{
    return strcmp(container_of(a, struct schedule, entry)->row->name,
                  container_of(b, struct schedule, entry)->row->name);
}

struct schedule *schedules_find(struct schedules *schedules, const char *name)
{
    struct store_schedule wanted = {.name = (char *)(uintptr_t)name};
    struct schedule key = {.row = &wanted};
    return of_node(tree_find(&schedules->tree, &key.entry));
}

struct schedule *schedules_after(struct schedules *schedules, const char *name)
{
    struct store_schedule wanted = {.name = (char *)(uintptr_t)name};
    struct schedule key = {.row = &wanted};
    return name ? of_node(tree_after(&schedules->tree, &key.entry)) : schedules_first(schedules);
}

struct schedule *schedules_first(const struct schedules *schedules)
{
    return of_node(tree_first(&schedules->tree));
}

struct schedule *schedule_next(const struct schedule *schedule)
{
    return of_node(tree_next(&schedule->entry));
}

static void schedule_free(struct schedule *s)
{
    store_schedule_free(s->row);
    schedule_spec_deinit(&s->spec);
    free(s->problem);
    free(s);
}

struct schedule *schedule_blank(void)
{
    return calloc(1, sizeof(struct schedule));
}

int schedules_add(struct schedules *schedules, struct schedule *blank, struct store_schedule *row,
                  struct schedule_spec *spec)
{
    struct schedule *s = blank ? blank : schedule_blank();
    if (!s) {
        store_schedule_free(row);
        schedule_spec_deinit(spec);
        return -ENOMEM;
    }
    s->row = row;
    s->spec = *spec;
    *spec = (struct schedule_spec){0};
    s->due = row->next_at;
    if (tree_insert(&schedules->tree, &s->entry)) {
        schedule_free(s);
        return -EEXIST;
    }
    schedules->count++;
    return 0;
}

void schedules_remove(struct schedules *schedules, struct schedule *s)
{
    tree_remove(&schedules->tree, &s->entry);
    schedules->count--;
    schedule_free(s);
}

bool schedule_failing(const struct schedule *s)
{
    return s->problem || s->row->last_state == JOB_FAILED;
}

void schedule_set_problem(struct schedule *s, const char *text)
{
    if (text && (!s->problem || strcmp(s->problem, text) != 0))
        log_warning("schedule %s: it cannot be run: %s", s->row->name, text);
    free(s->problem);
    s->problem = text ? strdup(text) : NULL;
}

void timetable_init(struct schedules *schedules)
{
    tree_init(&schedules->tree, compare);
}

void timetable_deinit(struct schedules *schedules)
{
    for (struct schedule *s; (s = schedules_first(schedules));)
        schedules_remove(schedules, s);
}
