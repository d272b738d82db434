/* Schedules to put into a store under test, and those that it has. */
#ifndef TESTS_UNIT_STORE_SCHEDULE_SUPPORT_H
#define TESTS_UNIT_STORE_SCHEDULE_SUPPORT_H

#include "store_support.h"

/* Its strings are literals, as those of job_for. */
static inline struct store_schedule schedule_for(const char *name)
{
    return (struct store_schedule){.name = (char *)(uintptr_t)name,
                                   .spec = (char *)(uintptr_t) "{\"every\":\"5min\"}",
                                   .uid = 1000,
                                   .gid = 100,
                                   .revision = 1,
                                   .created = 7,
                                   .next_at = 1000};
}

/* A copy to be freed, or NULL. */
static inline struct store_schedule *get_schedule(struct fixture *f, const char *name)
{
    struct store_schedule_get call = {.names = &name, .count = 1};
    assert_int_equal(CALL(f, schedule_get, &call), 0);
    struct store_schedule *found = call.rows[0];
    free(call.rows);
    return found;
}

/* As the caller has it, whatever there is: the version is that of the store. */
static inline int put_rows(struct fixture *f, struct store_schedule *const *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct store_schedule *old = get_schedule(f, rows[i]->name);
        rows[i]->version = old ? old->version : 0;
        store_schedule_free(old);
    }
    struct store_schedule_put call = {.rows = rows, .count = count};
    return CALL(f, schedule_put, &call);
}

static inline void put_schedule(struct fixture *f, struct store_schedule *schedule)
{
    assert_int_equal(put_rows(f, &schedule, 1), 0);
}

static inline void remove_schedule(struct fixture *f, const char *name)
{
    struct store_schedule_put call = {.removed = &name, .removed_count = 1};
    assert_int_equal(CALL(f, schedule_put, &call), 0);
}

/* "a b": the names of a page, which is freed; " …" if there is more. */
static inline const char *page_names(struct fixture *f, struct store_schedules *page)
{
    static char text[256];
    int len = 0;
    text[0] = '\0';
    assert_int_equal(CALL(f, schedules, page), 0);
    for (size_t i = 0; i < page->count; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, "%s%s", i ? " " : "",
                        page->rows[i]->name);
    if (page->more)
        snprintf(text + len, sizeof text - (size_t)len, " ...");
    store_schedules_free(page->rows, page->count);
    return text;
}

static inline const char *schedule_names(struct fixture *f)
{
    struct store_schedules page = {.limit = 100};
    return page_names(f, &page);
}

static inline struct store_counts schedule_counts(struct fixture *f)
{
    struct store_counts counts;
    f->store->engine->counts(f->store, &counts);
    return counts;
}

#endif
