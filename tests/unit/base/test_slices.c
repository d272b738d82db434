/* Work in slices: side by side, a bounded part of it a turn, and others in between. */
#include "base/slices.h"

#include "base/clock.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

struct work {
    struct slice slice;
    struct slices *slices;
    unsigned steps, wanted;
    uint64_t step_ns;
};

static void work_step(struct slice *slice)
{
    struct work *work = container_of(slice, struct work, slice);
    uint64_t end = clock_now() + work->step_ns;
    while (clock_now() < end)
        ;
    if (++work->steps < work->wanted)
        slices_add(work->slices, slice);
}

struct fixture {
    uv_loop_t loop;
    struct mailbox box;
    struct slices slices;
};

static void begin(struct fixture *f)
{
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(mailbox_init(&f->box, &f->loop), 0);
    slices_init(&f->slices, &f->box);
}

static void end(struct fixture *f)
{
    mailbox_close(&f->box, NULL, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
}

static void test_all_get_on_side_by_side(void **state)
{
    struct fixture f;
    struct work works[3] = {{.wanted = 50}, {.wanted = 5}, {.wanted = 50}};
    (void)state;
    begin(&f);
    for (int i = 0; i < 3; i++) {
        works[i].slices = &f.slices;
        works[i].slice.step = work_step;
        works[i].step_ns = NS_PER_MS / 4;
        slices_add(&f.slices, &works[i].slice);
        assert_int_equal(works[i].steps, 0);
    }
    while (works[0].steps < 50 || works[2].steps < 50) {
        uv_run(&f.loop, UV_RUN_ONCE);
        assert_in_range(works[0].steps, works[2].steps, works[2].steps + 1);
        assert_true(works[1].steps == 5 || works[1].steps + 1 >= works[0].steps);
    }
    end(&f);
}

/* A step of a quarter of a turn's time: five at most in a turn, and a turn for each of the
 * others. */
static void test_a_turn_has_a_bound(void **state)
{
    struct fixture f;
    struct work work = {.wanted = 60, .step_ns = SLICES_NS / 4};
    unsigned turns = 0, before = 0;
    (void)state;
    begin(&f);
    work.slices = &f.slices;
    work.slice.step = work_step;
    slices_add(&f.slices, &work.slice);
    for (; work.steps < work.wanted; turns++, before = work.steps) {
        uv_run(&f.loop, UV_RUN_ONCE);
        assert_true(work.steps - before <= 5);
    }
    assert_true(turns >= 12);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_get_on_side_by_side),
        cmocka_unit_test(test_a_turn_has_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
