/* The sink where things go wrong: writes come short and fail as a dice says; what then counts is
 * that every line stands in the file once. */
#include "record/spool.h"
#include "sink_faults.h"

#include <pty.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <termios.h>

/* --- a file that fails ------------------------------------------------------------------------ */

static void no_line_is_torn_lost_or_doubled_by_short_writes(void **state)
{
    enum { RECORDS = 3000 };
    for (unsigned round = 1; round <= 10; round++) {
        struct scratch dir;
        struct told told;
        struct sink_source source;
        struct judge judge = {0}, tapped = {0};
        scratch_make(&dir);
        told_init(&told);
        atomic_store(&dice, round);
        struct sink *sink = sink_for_file(&told, scratch_path(&dir, "log"));
        sink_tap(sink, true);
        source_init(&source, 1);
        atomic_store(&faults_left, 200);
        emit_some(sink, &source, RECORDS);
        assert_int_equal(sink_end(sink, 30 * NS_PER_SEC), 0);
        judge_file(&judge, dir.path[0]);
        judge_text(&tapped, told.tapped.data, told.tapped.len);
        assert_int_equal(judge.records, RECORDS);
        assert_int_equal(tapped.records, RECORDS);
        assert_true(atomic_load(&told.failed) > 0);
        assert_int_equal(atomic_load(&told.failed), atomic_load(&told.works));
        scratch_remove(&dir);
        told_deinit(&told);
    }
    assert_true(atomic_load(&truncations) > 0);
}

/* The same for records that were held back: they resume at the line that was torn. */
static void held_records_come_out_whole(void **state)
{
    enum { RECORDS = 8000 };
    for (unsigned round = 1; round <= 10; round++) {
        struct scratch dir;
        struct told told;
        struct sink_source source;
        struct spool spool;
        struct post held, verdict;
        struct judge judge = {0}, tapped = {0};
        struct error err;
        scratch_make(&dir);
        told_init(&told);
        atomic_store(&dice, round);
        struct sink *sink = sink_for_file(&told, scratch_path(&dir, "log"));
        sink_tap(sink, true);
        source_init(&source, 1);
        assert_int_equal(spool_open(&spool, dir.dir, 1 << 30, &err), 0);
        for (uint64_t seq = 1; seq <= RECORDS; seq++)
            assert_int_equal(spool_record(&spool, &source, seq, "{\"n\":1}", 7), 0);
        assert_int_equal(spool_flush(&spool), 0);
        post_init(&held, &told, EVENT_RECORD, 1);
        held.line.spool = &spool;
        post_init(&verdict, &told, EVENT_VERDICT, 1);
        atomic_store(&faults_left, 200);
        struct sink_line *lines[] = {&held.line, &verdict.line};
        sink_post_all(sink, lines, 2);
        assert_int_equal(sink_end(sink, 30 * NS_PER_SEC), 0);
        judge_file(&judge, dir.path[0]);
        judge_text(&tapped, told.tapped.data, told.tapped.len);
        assert_int_equal(judge.records, RECORDS);
        assert_int_equal(tapped.records, RECORDS);
        assert_int_equal(judge.verdicts[1], 1);
        assert_true(atomic_load(&told.failed) > 0);
        assert_int_equal(atomic_load(&told.failed), atomic_load(&told.works));
        spool_close(&spool);
        buf_deinit(&held.line.text);
        buf_deinit(&verdict.line.text);
        scratch_remove(&dir);
        told_deinit(&told);
    }
}

/* The disk is full (here: the process may not write further), then it has room again. */
static void a_full_disk_is_waited_for(void **state)
{
    struct scratch dir;
    struct told told;
    struct sink_source source;
    struct sink_status status;
    struct rlimit before, small;
    struct judge judge = {0};
    struct stat st;
    scratch_make(&dir);
    told_init(&told);
    struct sink *sink = sink_for_file(&told, scratch_path(&dir, "log"));
    source_init(&source, 1);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 1000; /* in the middle of a line */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    emit_some(sink, &source, 50);
    WAIT_UNTIL(sink_failing(sink));
    WAIT_UNTIL(atomic_load(&truncations) >= 3); /* it tries again and again */
    setrlimit(RLIMIT_FSIZE, &before);
    WAIT_UNTIL(!sink_failing(sink));
    WAIT_UNTIL(sink_queued(sink) == 0);
    assert_int_equal(atomic_load(&told.failed), 1); /* told once, however often it failed */
    assert_int_equal(atomic_load(&told.works), 1);
    assert_int_equal(atomic_load(&told.last_error), EFBIG);
    sink_statuses(sink, &status, 1);
    assert_int_equal(status.error, 0);
    assert_int_equal(status.lines, 50);
    assert_int_equal(stat(dir.path[0], &st), 0);
    assert_int_equal(status.bytes, st.st_size);
    assert_int_equal(sink_end(sink, 0), 0);
    judge_file(&judge, dir.path[0]);
    assert_int_equal(judge.records, 50);
    scratch_remove(&dir);
    told_deinit(&told);
}

/* One target fails: the other has its lines, the queue fills, nothing is given back too early; the
 * end gives all back and says how many are lost. */
static void a_target_that_fails_for_good(void **state)
{
    struct scratch dir;
    struct told told;
    struct sink_source source;
    struct sink_status status[2];
    struct post verdict;
    struct judge judge = {0};
    scratch_make(&dir);
    told_init(&told);
    const struct sink_target targets[] = {
        {.name = "good", .type = SINK_FILE, .path = scratch_path(&dir, "log"), .events = EVENT_ALL},
        {.name = "full", .type = SINK_FILE, .path = "/dev/full", .events = EVENT_VERDICT}};
    const struct sink_config config = sink_config_for(&told, targets, 2);
    struct sink *sink = sink_start(&config);
    source_init(&source, 1);
    emit_some(sink, &source, 5); /* not for the one that is full */
    WAIT_UNTIL(sink_queued(sink) == 0);
    assert_false(sink_failing(sink));
    post_init(&verdict, &told, EVENT_VERDICT, 1);
    int64_t before = clock_real_us();
    sink_post(sink, &verdict.line);
    WAIT_UNTIL(atomic_load(&told.failed) == 1); /* which is told once the status shows it */
    assert_true(sink_failing(sink));
    assert_int_equal(sink_statuses(sink, status, 2), 2);
    assert_string_equal(status[1].target, "full");
    assert_int_equal(status[1].error, ENOSPC);
    assert_in_range(status[1].since_us, before, clock_real_us());
    assert_int_equal(status[0].error, 0);
    assert_int_equal(status[0].lines, 6);
    assert_false(atomic_load(&verdict.taken));
    assert_int_equal(sink_end(sink, 5 * NS_PER_MS), 1);
    assert_true(atomic_load(&verdict.taken));
    assert_int_equal(atomic_load(&told.failed), 1);
    assert_int_equal(atomic_load(&told.works), 0);
    judge_file(&judge, dir.path[0]);
    assert_int_equal(judge.lines, 6);
    buf_deinit(&verdict.line.text);
    scratch_remove(&dir);
    told_deinit(&told);
}

static void a_failed_sync_writes_the_batch_again(void **state)
{
    struct scratch dir;
    struct told told;
    struct sink_source source;
    struct post verdict;
    struct judge judge = {0};
    scratch_make(&dir);
    told_init(&told);
    const struct sink_target target = {
        .name = "f", .type = SINK_FILE, .path = scratch_path(&dir, "log"), .events = EVENT_ALL};
    struct sink_config config = sink_config_for(&told, &target, 1);
    config.sync = true;
    struct sink *sink = sink_start(&config);
    source_init(&source, 1);
    emit_some(sink, &source, 3);
    WAIT_UNTIL(sink_queued(sink) == 0);
    assert_int_equal(atomic_load(&syncs), 0); /* records alone are not synced */
    atomic_store(&fail_syncs, 3);
    post_init(&verdict, &told, EVENT_VERDICT, 1);
    sink_post(sink, &verdict.line);
    WAIT_UNTIL(atomic_load(&verdict.taken));
    assert_int_equal(atomic_load(&syncs), 4);
    assert_int_equal(atomic_load(&truncations), 3);
    assert_int_equal(atomic_load(&told.last_error), EIO);
    assert_int_equal(sink_end(sink, 0), 0);
    judge_file(&judge, dir.path[0]);
    assert_int_equal(judge.lines, 4);
    assert_int_equal(judge.verdicts[1], 1);
    buf_deinit(&verdict.line.text);
    scratch_remove(&dir);
    told_deinit(&told);
}

/* --- what stands in the file before ----------------------------------------------------------- */

static void expect_mended(const char *before, const char *after)
{
    struct scratch dir;
    struct told told;
    struct sink_source source;
    scratch_make(&dir);
    told_init(&told);
    const char *path = scratch_path(&dir, "log");
    put_file(path, before);
    struct sink *sink = sink_for_file(&told, path);
    source_init(&source, 1);
    emit_some(sink, &source, 1);
    assert_int_equal(sink_end(sink, 0), 0);
    char *text = get_file(path, NULL);
    size_t len = strlen(after);
    assert_memory_equal(text, after, len);
    assert_memory_equal(text + len, "{\"ts\":\"", 7);
    assert_int_equal(number_after(text + len, "\"seq\":"), 1);
    free(text);
    scratch_remove(&dir);
    told_deinit(&told);
}

static void a_torn_last_line_is_cut_off_at_the_start(void **state)
{
    static char big[100000];
    expect_mended("", "");
    expect_mended("{\"ts\":\"1\"}\n", "{\"ts\":\"1\"}\n");
    expect_mended("{\"ts\":\"1\"}\n{\"ts\":\"2026-01", "{\"ts\":\"1\"}\n");
    expect_mended("{\"ts\":\"1\"}\n{", "{\"ts\":\"1\"}\n");
    expect_mended("{\"t", "");
    expect_mended("not ours, without an end", "not ours, without an end\n");
    expect_mended("x\n{\"tz\"", "x\n{\"tz\"\n");
    memset(big, 'y', sizeof big - 1);
    memcpy(big, "first\n{\"ts\":\"", 13);
    expect_mended(big, "first\n");
}

static void expect_refused(const struct sink_target *targets, size_t count, int code,
                           const char *a_word, const char *another)
{
    struct told told;
    struct sink *sink = (struct sink *)&told; /* must stay as it is */
    struct error err = {{0}};
    told_init(&told);
    const struct sink_config config = sink_config_for(&told, targets, count);
    assert_int_equal(sink_new(&config, &sink, &err), code);
    assert_ptr_equal(sink, &told);
    assert_non_null(strstr(err.text, a_word));
    assert_non_null(strstr(err.text, another));
    told_deinit(&told);
}

static void what_cannot_be_opened_is_named(void **state)
{
    struct scratch dir;
    int ends[2];
    scratch_make(&dir);
    const char *path = scratch_path(&dir, "log"), *fifo = scratch_path(&dir, "fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct sink_target targets[] = {
        {.name = "out", .type = SINK_STDOUT, .fd = ends[1], .events = EVENT_ALL},
        {.name = "one", .type = SINK_FILE, .path = path, .events = EVENT_ALL},
        {.name = "two", .type = SINK_FILE, .path = path, .events = EVENT_ALL}};
    expect_refused(targets, 3, -EEXIST, "\"two\"", "\"one\"");
    targets[2].path = "/nowhere/at/all/log";
    expect_refused(targets, 3, -ENOENT, "/nowhere/at/all/log", "directory");
    targets[2].path = dir.dir;
    expect_refused(targets, 3, -EISDIR, "\"two\"", dir.dir);
    targets[2].path = fifo;
    expect_refused(targets, 3, -ENXIO, fifo, "nobody reads");
    targets[2].type = SINK_JOURNAL;
    targets[2].path = "/nowhere/at/all/socket";
    expect_refused(targets, 3, -ENOENT, "\"two\"", "journald");
    targets[0].fd = ends[0];
    expect_refused(targets, 1, -EBADF, "\"out\"", "writing");
    /* After a refusal the descriptor is still the caller's. */
    assert_int_equal(write(ends[1], "x", 1), 1);
    close(ends[0]);
    close(ends[1]);
    scratch_remove(&dir);
}

/* As into a file of a server that is gone. */
static void a_write_does_not_return(void **state)
{
    struct scratch dir;
    struct told told;
    struct post post;
    scratch_make(&dir);
    told_init(&told);
    const struct sink_target target = {.name = "file",
                                       .type = SINK_FILE,
                                       .path = scratch_path(&dir, "log"),
                                       .fd = -1,
                                       .events = EVENT_ALL};
    struct sink_config config = sink_config_for(&told, &target, 1);
    struct sink *sink = sink_start(&config);
    post_init(&post, &told, EVENT_VERDICT, 1);
    atomic_store(&writes_left, 1);
    sink_post(sink, &post.line);
    WAIT_UNTIL(atomic_load(&writes_held));
    assert_int_equal(sink_free(sink, NS_PER_MS), SINK_STUCK);
    atomic_store(&writes_held, false);
    assert_int_equal(sink_end(sink, 30 * NS_PER_SEC), 0);
    buf_deinit(&post.line.text);
    told_deinit(&told);
    scratch_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(no_line_is_torn_lost_or_doubled_by_short_writes, setup),
        cmocka_unit_test_setup(held_records_come_out_whole, setup),
        cmocka_unit_test_setup(a_write_does_not_return, setup),
        cmocka_unit_test_setup(a_full_disk_is_waited_for, setup),
        cmocka_unit_test_setup(a_target_that_fails_for_good, setup),
        cmocka_unit_test_setup(a_failed_sync_writes_the_batch_again, setup),
        cmocka_unit_test_setup(a_torn_last_line_is_cut_off_at_the_start, setup),
        cmocka_unit_test_setup(what_cannot_be_opened_is_named, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
