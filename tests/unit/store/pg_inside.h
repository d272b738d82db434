/* The inside of the PostgreSQL engine without a server: one member of a fleet, what its control
 * loop is told, and results as a server would give them. */
#ifndef TESTS_UNIT_STORE_PG_INSIDE_H
#define TESTS_UNIT_STORE_PG_INSIDE_H

#include "base/clock.h"
#include "base/log.h"
#include "store/postgresql/pg_answer.h"
#include "store/postgresql/pg_fleet.h"
#include "store/postgresql/pg_lease.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#define ME         7 /* the member's id */
#define NOW        INT64_C(1700000000000000)
#define LEASE_NS   (UINT64_C(3600) * NS_PER_SEC) /* no test outlasts it */
#define EVENTS_MAX 64

struct inside {
    uv_loop_t loop;
    struct mailbox mailbox;
    struct pg pg;
    struct pulse pulse;
    struct store_event *events[EVENTS_MAX]; /* that the loop was told, in order */
    size_t event_count;
    char told[512]; /* what `trouble` was called with: "why;" or "works;" */
};

static inline void inside_on_event(struct mail *mail)
{
    struct store_event *event = container_of(mail, struct store_event, mail);
    struct inside *in = event->arg;
    assert_true(in->event_count < EVENTS_MAX);
    in->events[in->event_count++] = event;
}

static inline void inside_on_trouble(void *arg, const char *why)
{
    struct inside *in = arg;
    size_t len = strlen(in->told);
    snprintf(in->told + len, sizeof in->told - len, "%s;", why ? why : "works");
}

/* Delivers what was posted. */
static inline size_t inside_deliver(struct inside *in)
{
    mailbox_deliver(&in->mailbox);
    return in->event_count;
}

static inline void inside_forget(struct inside *in)
{
    for (size_t i = 0; i < in->event_count; i++)
        store_event_free(in->events[i]);
    in->event_count = 0;
}

/* A member of a fleet, or one that is alone. */
static inline struct inside *inside_new(bool fleet)
{
    struct inside *in = calloc(1, sizeof *in);
    assert_non_null(in);
    struct pg *pg = &in->pg;
    assert_int_equal(uv_loop_init(&in->loop), 0);
    assert_int_equal(mailbox_init(&in->mailbox, &in->loop), 0);
    pg->store.mailbox = &in->mailbox;
    pg->config = (struct store_config){.lease_ns = LEASE_NS,
                                       .retry_ns = NS_PER_SEC,
                                       .workers = 8,
                                       .keep_finished_us = 1000000,
                                       .keep_finished_count = 10,
                                       .on_event = inside_on_event,
                                       .trouble = inside_on_trouble,
                                       .arg = in};
    pg->member = ME;
    pg->instance = 1;
    pg->name = pg->schema = (char *)(uintptr_t) "me";
    pg->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_true(pg->wake_fd >= 0);
    pthread_mutex_init(&pg->lock, NULL);
    list_init(&pg->queue);
    list_init(&pg->waiting);
    list_init(&pg->reading);
    list_init(&pg->batch.calls);
    pg->batch.channel = &pg->w;
    channel_init(&pg->w, &pg->target, &pg->sqls);
    channel_init(&pg->r, &pg->target, &pg->sqls);
    if (fleet) {
        assert_int_equal(fleet_init(pg), 0);
        fleet_joined(pg->fleet, ME, lease_clock(), NOW);
        in->pulse = (struct pulse){.pg = pg, .f = pg->fleet, .member = ME, .version = -1};
    }
    return in;
}

static inline void inside_free(struct inside *in)
{
    answer_clear(&in->pulse.answer);
    elsewhere_clear(&in->pulse.elsewhere);
    free(in->pulse.cancels);
    free(in->pulse.guests_host);
    fleet_deinit(&in->pg);
    args_deinit(&in->pg.args);
    mailbox_close(&in->mailbox, NULL, NULL); /* an event that is still there finds no store */
    uv_run(&in->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&in->loop), 0);
    inside_forget(in);
    close(in->pg.wake_fd);
    pthread_mutex_destroy(&in->pg.lock);
    free(in);
}

static inline int inside_setup(void **state)
{
    *state = inside_new(true);
    return 0;
}

static inline int inside_setup_alone(void **state)
{
    *state = inside_new(false);
    return 0;
}

static inline int inside_teardown(void **state)
{
    inside_free(*state);
    return 0;
}

#define FLEET(name) cmocka_unit_test_setup_teardown(name, inside_setup, inside_teardown)
#define ALONE(name) cmocka_unit_test_setup_teardown(name, inside_setup_alone, inside_teardown)

/* Has somebody woken who polls this since it was asked the last time? */
static inline bool was_woken(int fd)
{
    uint64_t n;
    return read(fd, &n, sizeof n) == sizeof n;
}

/* --- results ---------------------------------------------------------------------------------- */

/* Rows of so many columns, from their values in order; NULL is one. */
static inline PGresult *rows_make(int columns, const char *const *values, size_t count)
{
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc *names = calloc((size_t)columns, sizeof *names);
    assert_non_null(result);
    assert_non_null(names);
    assert_int_equal(count % (size_t)columns, 0);
    for (int i = 0; i < columns; i++)
        names[i].name = (char *)(uintptr_t) "c";
    assert_true(PQsetResultAttrs(result, columns, names));
    free(names);
    for (size_t i = 0; i < count; i++) {
        char *value = (char *)(uintptr_t)values[i];
        int row = (int)(i / (size_t)columns), column = (int)(i % (size_t)columns);
        assert_true(PQsetvalue(result, row, column, value, value ? (int)strlen(value) : -1));
    }
    return result;
}

#define ROWS(columns, ...)                                   \
    rows_make((columns), (const char *const[]){__VA_ARGS__}, \
              sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))
#define NO_ROWS rows_make(1, NULL, 0)

/* The taker gets the result, which is freed. */
static inline void give(step_taker *take, void *arg, PGresult *result)
{
    take(arg, result);
    PQclear(result);
}

#endif
