/* What the thread sanitizer thinks of a loop that has ended: its descriptors' numbers are anybody's
 * again. libuv closes them by syscall(), which the sanitizer does not know; with
 * tests/support/tsan_close.c it does. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>
#include <uv.h>
#include <cmocka.h>

static atomic_bool ended;
static int number;

static void on_time(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, NULL);
}

static void *live(void *arg)
{
    uv_loop_t loop;
    uv_timer_t timer;
    uv_loop_init(&loop);
    uv_timer_init(&loop, &timer);
    uv_timer_start(&timer, on_time, 1, 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    atomic_store_explicit(&ended, true, memory_order_relaxed);
    return arg;
}

/* The threads agree on nothing but that the loop has ended, as those of a process do who never
 * speak. */
static void test_its_numbers_are_free(void **state)
{
    pthread_t thread;
    number = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(number);
    assert_int_equal(pthread_create(&thread, NULL, live, NULL), 0);
    while (!atomic_load_explicit(&ended, memory_order_relaxed))
        sched_yield();
    int fds[8];
    for (size_t i = 0; i < 8; i++)
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(fds[0], number);
    for (size_t i = 0; i < 8; i++)
        close(fds[i]);
    pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_its_numbers_are_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
