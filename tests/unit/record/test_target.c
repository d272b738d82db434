/* A target by itself: the way to write where a descriptor is shared, blocking, and can't be opened
 * anew. */
#include "record/target.h"

#include "sink_support.h"

static void a_shared_blocking_pipe_never_blocks_us(void **state)
{
    enum { LINES = 3000 };
    static struct post posts[LINES];
    static char text[1 << 20];
    struct told told;
    struct queue queue;
    struct batch batch;
    struct target t;
    size_t len = 0;
    int ends[2], r;
    told_init(&told);
    queue_init(&queue);
    assert_int_equal(batch_init(&batch), 0);
    for (int i = 0; i < LINES; i++) {
        post_init(&posts[i], &told, EVENT_ATTEMPT, 1);
        queue_post(&queue, &posts[i].line);
    }
    queue_take(&queue, &batch);
    assert_int_equal(batch.count, LINES);
    batch_index(&batch);

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const struct sink_target out = {
        .name = "out", .type = SINK_STDOUT, .fd = ends[1], .events = EVENT_ALL};
    assert_int_equal(target_init(&t, &out, NULL), 0);
    assert_int_not_equal(t.file.fd, ends[1]); /* it has a description of its own */
    close(t.file.fd);
    t.file.fd = ends[1]; /* as if that had failed */
    t.way = TARGET_SMALL;

    target_begin(&t);
    while ((r = target_push(&t, &batch, false)) == 0) {
        assert_true(t.blocked);
        ssize_t n = read(ends[0], text + len, 5000);
        assert_true(n > 0);
        len += (size_t)n;
    }
    assert_int_equal(r, 1);
    assert_true(t.done);
    assert_int_equal(t.lines, LINES);
    target_deinit(&t, true);
    for (ssize_t n; (n = read(ends[0], text + len, sizeof text - len)) > 0;)
        len += (size_t)n;
    assert_int_equal(len, batch.bytes);
    struct judge judge = {0};
    judge_text(&judge, text, len);
    assert_int_equal(judge.lines, LINES);

    while (!list_empty(&batch.posted))
        buf_deinit(&container_of(list_pop(&batch.posted), struct sink_line, link)->text);
    queue_release(&queue, &batch);
    assert_int_equal(queue.bytes, 0);
    batch_deinit(&batch);
    queue_deinit(&queue);
    close(ends[0]);
    told_deinit(&told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shared_blocking_pipe_never_blocks_us),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
