/* The sink's file is moved away and another one begun: in mid-stream, within a group of records
 * that belong together, and where the new one cannot be made. */
#include "record/spool.h"
#include "sink_faults.h"

struct emitter {
    pthread_t thread;
    struct sink *sink;
    struct sink_source source;
};

static void *emit_many(void *arg)
{
    struct emitter *e = arg;
    int r = 0;
    while (r == 0)
        r = sink_emit(e->sink, &e->source, "{\"n\":1}", 7);
    return r == -ECANCELED ? NULL : arg;
}

static void lines_survive_rotation_in_mid_stream(void **state)
{
    enum { EMITTERS = 4, ROTATIONS = 6 };
    static struct emitter emitters[EMITTERS];
    struct scratch dir;
    struct told told;
    struct judge judge = {0};
    char name[16];
    scratch_make(&dir);
    told_init(&told);
    const char *path = scratch_path(&dir, "log");
    struct sink *sink = sink_for_file(&told, path);
    atomic_store(&faults_left, 100000); /* rotation must not care for these either */
    for (int i = 0; i < EMITTERS; i++) {
        emitters[i].sink = sink;
        source_init(&emitters[i].source, (uint64_t)i + 1);
        assert_int_equal(pthread_create(&emitters[i].thread, NULL, emit_many, &emitters[i]), 0);
    }
    for (int i = 0; i < ROTATIONS; i++) {
        struct stat st;
        WAIT_UNTIL(stat(path, &st) == 0 && st.st_size > 20000);
        snprintf(name, sizeof name, "log.%d", i);
        assert_int_equal(rename(path, scratch_path(&dir, name)), 0);
        sink_reopen(sink);
    }
    atomic_store(&faults_left, 0);
    uint64_t emitted = 0;
    for (int i = 0; i < EMITTERS; i++) {
        void *result;
        sink_shut(sink, &emitters[i].source);
        pthread_join(emitters[i].thread, &result);
        assert_null(result);
        emitted += emitters[i].source.seq;
    }
    assert_int_equal(sink_end(sink, 30 * NS_PER_SEC), 0);
    for (int i = 1; i <= ROTATIONS; i++)
        judge_file(&judge, dir.path[i]);
    judge_file(&judge, path);
    assert_int_equal(judge.records, emitted);
    scratch_remove(&dir);
    told_deinit(&told);
}

/* Two groups, a record's line before and after; the rotation comes in the middle of the first.
 * Returns what the old file has; the new one is path[1]. */
static void rotate_in_a_group(struct scratch *dir, uint64_t reopen_ns, struct judge *ret_old,
                              struct judge *ret_new)
{
    enum { RECORDS = 8000 };
    struct told told;
    struct sink_source source[2];
    struct spool spool[2] = {{0}};
    struct post held[2], verdict[2];
    struct error err;
    told_init(&told);
    const char *path = scratch_path(dir, "log"), *old = scratch_path(dir, "log.1");
    const struct sink_target target = {
        .name = "file", .type = SINK_FILE, .path = path, .fd = -1, .events = EVENT_ALL};
    struct sink_config config = sink_config_for(&told, &target, 1);
    config.reopen_ns = reopen_ns;
    struct sink *sink = sink_start(&config);
    for (int i = 0; i < 2; i++) {
        source_init(&source[i], (uint64_t)i + 1);
        assert_int_equal(spool_open(&spool[i], dir->dir, 1 << 30, &err), 0);
        for (uint64_t seq = 1; seq <= RECORDS; seq++)
            assert_int_equal(spool_record(&spool[i], &source[i], seq, "{\"n\":1}", 7), 0);
        assert_int_equal(spool_flush(&spool[i]), 0);
        post_init(&held[i], &told, EVENT_RECORD, (uint64_t)i + 1);
        held[i].line.spool = &spool[i];
        post_init(&verdict[i], &told, EVENT_VERDICT, (uint64_t)i + 1);
    }
    atomic_store(&writes_left, 2); /* a group takes three pieces */
    struct sink_line *lines[] = {&held[0].line, &verdict[0].line, &held[1].line, &verdict[1].line};
    sink_post_all(sink, lines, 4);
    WAIT_UNTIL(atomic_load(&writes_held));
    assert_int_equal(rename(path, old), 0);
    sink_reopen(sink);
    atomic_store(&writes_held, false);
    assert_int_equal(sink_end(sink, 30 * NS_PER_SEC), 0);
    judge_file(ret_old, old);
    *ret_new = *ret_old;
    ret_new->records = 0;
    judge_file(ret_new, path);
    assert_int_equal(ret_old->records + ret_new->records, 2 * RECORDS);
    for (int i = 0; i < 2; i++) {
        spool_close(&spool[i]);
        buf_deinit(&held[i].line.text);
        buf_deinit(&verdict[i].line.text);
    }
    told_deinit(&told);
}

static void a_group_stays_in_one_file(void **state)
{
    struct scratch dir;
    struct judge old = {0}, new;
    scratch_make(&dir);
    rotate_in_a_group(&dir, 0, &old, &new);
    assert_int_equal(old.records, new.records);
    assert_int_equal(old.verdicts[1], 1);
    assert_int_equal(old.verdicts[2], 0);
    assert_int_equal(new.verdicts[2], 1);
    scratch_remove(&dir);
}

static void a_reopening_does_not_wait_for_ever(void **state)
{
    struct scratch dir;
    struct judge old = {0}, new;
    scratch_make(&dir);
    rotate_in_a_group(&dir, 1, &old, &new);
    assert_true(old.records < new.records);
    assert_int_equal(old.verdicts[1], 0);
    assert_int_equal(new.verdicts[1], 1);
    scratch_remove(&dir);
}

/* The verdict of its records may come later, and syncs the new file. */
static void a_file_that_is_left_is_on_the_disk(void **state)
{
    struct scratch dir;
    struct told told;
    struct sink_source source;
    struct stat st;
    scratch_make(&dir);
    told_init(&told);
    const char *path = scratch_path(&dir, "log"), *old = scratch_path(&dir, "log.1");
    struct sink *sink = sink_for_file(&told, path);
    source_init(&source, 1);
    emit_some(sink, &source, 2);
    WAIT_UNTIL(sink_queued(sink) == 0);
    assert_int_equal(atomic_load(&syncs), 0);
    assert_int_equal(rename(path, old), 0);
    sink_reopen(sink);
    WAIT_UNTIL(stat(path, &st) == 0 && atomic_load(&syncs) == 1);
    assert_int_equal(sink_end(sink, 0), 0);
    scratch_remove(&dir);
    told_deinit(&told);
}

/* The new file can't be made: that is a failure, also while nothing is to be written. */
static void a_reopening_that_fails_is_tried_again(void **state)
{
    struct scratch dir;
    struct told told;
    struct sink_source source;
    struct judge judge = {0};
    scratch_make(&dir);
    told_init(&told);
    const char *inner = scratch_path(&dir, "in"), *path = scratch_path(&dir, "in/log");
    const char *away = scratch_path(&dir, "away"), *old = scratch_path(&dir, "away/log");
    assert_int_equal(mkdir(inner, 0700), 0);
    struct sink *sink = sink_for_file(&told, path);
    source_init(&source, 1);
    emit_some(sink, &source, 2);
    WAIT_UNTIL(sink_queued(sink) == 0);
    assert_int_equal(rename(inner, away), 0);
    sink_reopen(sink);
    WAIT_UNTIL(atomic_load(&told.failed) == 1);
    assert_true(sink_failing(sink));
    assert_int_equal(atomic_load(&told.last_error), ENOENT);
    assert_int_equal(mkdir(inner, 0700), 0);
    WAIT_UNTIL(!sink_failing(sink));
    WAIT_UNTIL(atomic_load(&told.works) == 1);
    emit_some(sink, &source, 3);
    assert_int_equal(sink_end(sink, 0), 0);
    judge_file(&judge, old);
    assert_int_equal(judge.records, 2);
    judge_file(&judge, path);
    assert_int_equal(judge.records, 5);
    scratch_remove(&dir);
    told_deinit(&told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(lines_survive_rotation_in_mid_stream, setup),
        cmocka_unit_test_setup(a_group_stays_in_one_file, setup),
        cmocka_unit_test_setup(a_reopening_does_not_wait_for_ever, setup),
        cmocka_unit_test_setup(a_file_that_is_left_is_on_the_disk, setup),
        cmocka_unit_test_setup(a_reopening_that_fails_is_tried_again, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
