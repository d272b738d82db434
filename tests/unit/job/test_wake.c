/* Timers and mails: who is called, when and how often, and in which order. */
#include "job/wake.h"

#include "base/clock.h"
#include "base/list.h"
#include "support/testlib.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct world {
    uv_loop_t loop;
    struct mailbox mailbox;
    struct wake wake;
    struct wake_timer *rung[16];
    size_t rung_count;
    unsigned admitted, drained, recovered;
    int64_t day;              /* the day's clock, in µs */
    struct wake_timer *again; /* set again as it rings */
    bool closed;
};

static void on_ring(void *arg, struct wake_timer *timer)
{
    struct world *w = arg;
    assert_true(w->rung_count < sizeof w->rung / sizeof w->rung[0]);
    assert_int_equal(timer->at, 0);
    w->rung[w->rung_count++] = timer;
    if (timer == w->again) {
        w->again = NULL;
        wake_at(&w->wake, timer, clock_now() + 1);
    }
}

static int64_t on_now(void *arg)
{
    return ((struct world *)arg)->day;
}

static void on_admit(void *arg)
{
    ((struct world *)arg)->admitted++;
}

static void on_drained(void *arg)
{
    ((struct world *)arg)->drained++;
}

static void on_recover(void *arg)
{
    ((struct world *)arg)->recovered++;
}

static const struct wake_calls calls = {.ring = on_ring,
                                        .now = on_now,
                                        .admit = on_admit,
                                        .drained = on_drained,
                                        .recover = on_recover};

static void world_init(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->day = INT64_C(1700000000000000);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(mailbox_init(&w->mailbox, &w->loop), 0);
    assert_int_equal(wake_init(&w->wake, &w->loop, &w->mailbox, &calls, w), 0);
}

#define TURN_UNTIL(w, condition)                                      \
    do {                                                              \
        uint64_t deadline_ = test_now_ms() + 20000;                   \
        while (!(condition)) {                                        \
            uv_run(&(w)->loop, UV_RUN_NOWAIT);                        \
            if (!(condition))                                         \
                test_nap_(deadline_, #condition, __FILE__, __LINE__); \
        }                                                             \
    } while (0)

static void on_closed(void *arg)
{
    ((struct world *)arg)->closed = true;
}

static void world_deinit(struct world *w)
{
    wake_close(&w->wake, on_closed);
    TURN_UNTIL(w, w->closed);
    mailbox_close(&w->mailbox, NULL, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
}

/* By their times, whatever the order in which they were set; and not within the call. */
static void test_order(void **state)
{
    struct world w;
    struct wake_timer timers[5];
    static const uint64_t after[] = {3, 1, 5, 2, 4};
    world_init(&w);
    uint64_t now = clock_now() - NS_PER_SEC; /* all of them are due */
    for (size_t i = 0; i < 5; i++) {
        wake_timer_init(&timers[i], WAKE_JOB);
        wake_at(&w.wake, &timers[i], now + after[i]);
    }
    assert_int_equal(w.rung_count, 0);
    TURN_UNTIL(&w, w.rung_count == 5);
    for (size_t i = 0; i < 5; i++)
        assert_ptr_equal(w.rung[after[i] - 1], &timers[i]);
    world_deinit(&w);
}

static void test_never_too_early(void **state)
{
    struct world w;
    struct wake_timer timer;
    world_init(&w);
    wake_timer_init(&timer, WAKE_HOST);
    uint64_t at = clock_now() + 30 * NS_PER_MS;
    wake_at(&w.wake, &timer, at);
    TURN_UNTIL(&w, w.rung_count == 1);
    assert_true(clock_now() >= at);
    assert_int_equal(w.rung[0]->kind, WAKE_HOST);
    world_deinit(&w);
}

/* The last time that was set is the one, earlier or later than the one before. */
static void test_set_again(void **state)
{
    struct world w;
    struct wake_timer timer, last;
    world_init(&w);
    wake_timer_init(&timer, WAKE_JOB);
    wake_timer_init(&last, WAKE_JOB);
    wake_at(&w.wake, &timer, clock_now() + 3600 * NS_PER_SEC);
    wake_at(&w.wake, &timer, clock_now());
    TURN_UNTIL(&w, w.rung_count == 1);
    wake_at(&w.wake, &timer, clock_now());
    wake_at(&w.wake, &timer, clock_now() + 3600 * NS_PER_SEC);
    wake_at(&w.wake, &last, clock_now() + NS_PER_MS);
    TURN_UNTIL(&w, w.rung_count == 2);
    assert_ptr_equal(w.rung[1], &last);
    wake_stop(&w.wake, &timer);
    world_deinit(&w);
}

/* wake_by: only ever earlier. */
static void test_by(void **state)
{
    struct world w;
    struct wake_timer timer;
    world_init(&w);
    wake_timer_init(&timer, WAKE_JOB);
    wake_by(&w.wake, &timer, 5000 * NS_PER_SEC);
    assert_int_equal(timer.at, 5000 * NS_PER_SEC);
    wake_by(&w.wake, &timer, 6000 * NS_PER_SEC);
    assert_int_equal(timer.at, 5000 * NS_PER_SEC);
    wake_by(&w.wake, &timer, 4000 * NS_PER_SEC);
    assert_int_equal(timer.at, 4000 * NS_PER_SEC);
    wake_stop(&w.wake, &timer);
    assert_int_equal(timer.at, 0);
    world_deinit(&w);
}

static void test_stopped(void **state)
{
    struct world w;
    struct wake_timer stopped, other;
    world_init(&w);
    wake_timer_init(&stopped, WAKE_JOB);
    wake_timer_init(&other, WAKE_JOB);
    wake_at(&w.wake, &stopped, clock_now());
    wake_at(&w.wake, &other, clock_now() + NS_PER_MS);
    wake_stop(&w.wake, &stopped);
    wake_stop(&w.wake, &stopped); /* it need not be set */
    TURN_UNTIL(&w, w.rung_count == 1);
    assert_ptr_equal(w.rung[0], &other);
    world_deinit(&w);
}

/* One that sets itself as it rings does not hold the loop. */
static void test_from_within(void **state)
{
    struct world w;
    struct wake_timer timer;
    world_init(&w);
    wake_timer_init(&timer, WAKE_JOB);
    w.again = &timer;
    wake_at(&w.wake, &timer, clock_now());
    TURN_UNTIL(&w, w.rung_count == 2);
    assert_ptr_equal(w.rung[1], &timer);
    assert_int_equal(timer.at, 0);
    world_deinit(&w);
}

/* The day's clock decides, and time 0 is a moment like others. */
static void test_real(void **state)
{
    struct world w;
    struct wake_timer due, later, never;
    world_init(&w);
    wake_timer_init(&due, WAKE_HOST_DUE);
    wake_timer_init(&later, WAKE_HOST_DUE);
    wake_timer_init(&never, WAKE_HOST_DUE);
    wake_at_real(&w.wake, &never, w.day + 3600 * INT64_C(1000000));
    wake_at_real(&w.wake, &later, w.day + 20000);
    wake_at_real(&w.wake, &due, 0);
    TURN_UNTIL(&w, w.rung_count == 1);
    assert_ptr_equal(w.rung[0], &due);
    /* the clock has not moved, though the time is over: it is looked at again, and not rung */
    uint64_t since = clock_now();
    TURN_UNTIL(&w, clock_now() > since + 30 * NS_PER_MS);
    assert_int_equal(w.rung_count, 1);
    w.day += 20000;
    TURN_UNTIL(&w, w.rung_count == 2);
    assert_ptr_equal(w.rung[1], &later);
    wake_stop(&w.wake, &never);
    world_deinit(&w);
}

/* However often one is asked for, one is delivered, and not from within the call. */
static void test_mails(void **state)
{
    struct world w;
    world_init(&w);
    for (int i = 0; i < 3; i++) {
        wake_admit(&w.wake);
        wake_recover(&w.wake);
    }
    assert_int_equal(w.admitted + w.recovered, 0);
    TURN_UNTIL(&w, w.admitted == 1 && w.recovered == 1);
    wake_admit(&w.wake);
    TURN_UNTIL(&w, w.admitted == 2);
    assert_int_equal(w.recovered, 1);
    world_deinit(&w);
}

static void test_drained_is_asked_in_a_drain(void **state)
{
    struct world w;
    world_init(&w);
    wake_drained(&w.wake);
    wake_admit(&w.wake);
    TURN_UNTIL(&w, w.admitted == 1);
    assert_int_equal(w.drained, 0);
    w.wake.draining = true;
    wake_drained(&w.wake);
    TURN_UNTIL(&w, w.drained == 1);
    world_deinit(&w);
}

/* What is on its way comes before the end; a timer does not ring any more. */
static void test_close(void **state)
{
    struct world w;
    struct wake_timer timer;
    world_init(&w);
    wake_timer_init(&timer, WAKE_JOB);
    wake_at(&w.wake, &timer, clock_now());
    wake_admit(&w.wake);
    wake_close(&w.wake, on_closed);
    wake_stop(&w.wake, &timer);
    wake_at(&w.wake, &timer, clock_now()); /* one comes too late */
    TURN_UNTIL(&w, w.closed);
    assert_int_equal(w.admitted, 1);
    assert_int_equal(w.rung_count, 0);
    mailbox_close(&w.mailbox, NULL, NULL);
    uv_run(&w.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w.loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_never_too_early),
        cmocka_unit_test(test_set_again),
        cmocka_unit_test(test_by),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_from_within),
        cmocka_unit_test(test_real),
        cmocka_unit_test(test_mails),
        cmocka_unit_test(test_drained_is_asked_in_a_drain),
        cmocka_unit_test(test_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
