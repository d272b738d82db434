#include "attempt/cause.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void the_first_cause_stays(void **state)
{
    struct first_cause first = {0};
    assert_null(cause_of(&first));
    assert_true(cause_fail(&first, KIND_TRUNCATED, "after %d bytes", 7));
    assert_false(cause_fail(&first, KIND_PARSER_FAILED, "it complained"));
    assert_false(cause_cancel(&first, false, "somebody said so"));
    assert_int_equal(cause_fail_errno(&first, "a pipe", -EMFILE), -EMFILE);
    const struct cause *cause = cause_of(&first);
    assert_int_equal(cause->kind, KIND_TRUNCATED);
    assert_string_equal(cause->message, "after 7 bytes");
    assert_false(cause->cancelled || cause->interrupted);
}

static void a_cancel_is_no_failure(void **state)
{
    struct first_cause cancelled = {0}, interrupted = {0};
    assert_true(cause_cancel(&cancelled, false, "by uid 7"));
    assert_true(cause_of(&cancelled)->cancelled);
    assert_false(cause_of(&cancelled)->interrupted);
    assert_int_equal(cause_of(&cancelled)->kind, KIND_NONE);
    assert_string_equal(cause_of(&cancelled)->message, "by uid 7");
    assert_true(cause_cancel(&interrupted, true, "the daemon stops"));
    assert_false(cause_of(&interrupted)->cancelled);
    assert_true(cause_of(&interrupted)->interrupted);
    assert_false(cause_fail(&interrupted, KIND_TRUNCATED, "late"));
}

static void an_errno_is_named(void **state)
{
    struct first_cause first = {0};
    assert_int_equal(cause_fail_errno(&first, "no pipe could be made", -EMFILE), -EMFILE);
    assert_int_equal(cause_of(&first)->kind, KIND_RESOURCES);
    assert_string_equal(cause_of(&first)->message, "no pipe could be made: Too many open files");
}

/* --- many at once ----------------------------------------------------------------------------- */

#define THREADS 4
#define ROUNDS  500

static struct first_cause rounds[ROUNDS];
static pthread_barrier_t barrier;

struct racer {
    pthread_t thread;
    int number;
    bool won[ROUNDS];
};

static void *race(void *arg)
{
    struct racer *racer = arg;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&barrier);
        racer->won[i] = cause_fail(&rounds[i], KIND_TRUNCATED, "by %d", racer->number);
        /* Whoever sees a cause sees all of it. */
        const struct cause *cause = cause_of(&rounds[i]);
        if (cause && strncmp(cause->message, "by ", 3) != 0)
            racer->won[i] = false;
    }
    return NULL;
}

static void of_many_threads_one_is_first(void **state)
{
    struct racer racers[THREADS] = {0};
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        racers[i].number = i;
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(racers[i].thread, NULL);
    pthread_barrier_destroy(&barrier);
    for (int i = 0; i < ROUNDS; i++) {
        int winners = 0, winner = -1;
        for (int k = 0; k < THREADS; k++)
            if (racers[k].won[i]) {
                winners++;
                winner = k;
            }
        assert_int_equal(winners, 1);
        char text[16];
        snprintf(text, sizeof text, "by %d", winner);
        assert_string_equal(cause_of(&rounds[i])->message, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_cause_stays),
        cmocka_unit_test(a_cancel_is_no_failure),
        cmocka_unit_test(an_errno_is_named),
        cmocka_unit_test(of_many_threads_one_is_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
