/* Records that are held back, and how they come out: together, whole, once, directly before what is
 * posted with them. This program's own pread stands before libc's, so that a spool can fail to be
 * read. */
#include "record/spool.h"
#include "sink_support.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static atomic_int fail_reads;

ssize_t pread(int fd, void *data, size_t len, off_t offset)
{
    if (atomic_fetch_sub(&fail_reads, 1) > 0) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_pread64, fd, data, len < 1000 ? len : len - len / 3, offset);
}

static int setup(void **state)
{
    atomic_store(&fail_reads, 0);
    return 0;
}

/* What a job posts at its end. */
struct end {
    struct spool spool;
    struct sink_source source;
    struct post records, verdict;
};

static void end_init(struct end *end, struct told *told, const char *dir, uint64_t job)
{
    struct error err;
    memset(end, 0, sizeof *end);
    source_init(&end->source, job);
    assert_int_equal(spool_open(&end->spool, dir, 1 << 30, &err), 0);
    post_init(&end->records, told, EVENT_RECORD, job);
    buf_deinit(&end->records.line.text);
    end->records.line.spool = &end->spool;
    post_init(&end->verdict, told, EVENT_VERDICT, job);
}

static void end_deinit(struct end *end)
{
    spool_close(&end->spool);
    buf_deinit(&end->verdict.line.text);
}

static void hold(struct sink *sink, struct end *end, const char *json, int count)
{
    for (int i = 0; i < count; i++) {
        assert_int_equal(
            spool_record(&end->spool, &end->source, end->source.seq + 1, json, strlen(json)), 0);
        assert_int_equal(sink_count(sink, &end->source), 0);
    }
    assert_int_equal(spool_flush(&end->spool), 0);
}

static void post_end(struct sink *sink, struct end *end)
{
    struct sink_line *lines[] = {&end->records.line, &end->verdict.line};
    sink_post_all(sink, lines, 2);
}

/* The records of `job` and then its verdict stand together. */
static void assert_together(const char *path, uint64_t job, size_t records)
{
    char mark[32];
    size_t len, at = 0, first = 0, count = 0;
    char *text = get_file(path, &len), *save = NULL;
    snprintf(mark, sizeof mark, "\"job\":%u,", (unsigned)job);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save), at++) {
        char *end = strstr(line, "}") ? strstr(line, mark) : NULL;
        bool verdict = strstr(line, "\"verdict\"") && number_after(line, "\"job\":") == job;
        if (!end && !verdict)
            continue;
        if (count == 0)
            first = at;
        assert_int_equal(at, first + count);
        count++;
        assert_int_equal(verdict, count == records + 1);
    }
    assert_int_equal(count, records + 1);
    free(text);
}

struct noise {
    struct sink *sink;
    struct sink_source source;
    atomic_bool stop;
};

static void *make_noise(void *arg)
{
    struct noise *noise = arg;
    while (!atomic_load(&noise->stop))
        assert_int_equal(sink_emit(noise->sink, &noise->source, "{\"noise\":1}", 11), 0);
    return NULL;
}

static void test_records_come_out_together(void **state)
{
    struct scratch s;
    struct told told;
    struct judge judge = {0};
    struct noise noise[2];
    pthread_t threads[2];
    struct end ends[8];
    char *big;

    scratch_make(&s);
    told_init(&told);
    const char *path = scratch_path(&s, "log");
    struct sink *sink = sink_for_file(&told, path);
    for (int i = 0; i < 2; i++) {
        noise[i].sink = sink;
        atomic_init(&noise[i].stop, false);
        source_init(&noise[i].source, (uint64_t)i + 1);
        assert_int_equal(pthread_create(&threads[i], NULL, make_noise, &noise[i]), 0);
    }
    /* A line that is longer than a piece among them. */
    big = malloc(700001);
    memset(big, '7', 700000);
    big[700000] = '\0';
    for (int i = 0; i < 8; i++) {
        end_init(&ends[i], &told, s.dir, (uint64_t)i + 3);
        hold(sink, &ends[i], "{\"n\":1}", i == 7 ? 0 : 20000 >> (2 * i));
        if (i == 1)
            hold(sink, &ends[i], big, 3);
        hold(sink, &ends[i], "[]", 1);
        post_end(sink, &ends[i]);
    }
    WAIT_UNTIL(atomic_load(&told.taken) == 16);
    for (int i = 0; i < 2; i++) {
        atomic_store(&noise[i].stop, true);
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(sink_end(sink, 30 * NS_PER_SEC), 0);
    judge_file(&judge, path);
    for (int i = 0; i < 8; i++) {
        assert_true(atomic_load(&ends[i].records.taken));
        assert_together(path, (uint64_t)i + 3, ends[i].source.seq);
        assert_int_equal(judge.seq[i + 3], ends[i].source.seq);
        assert_int_equal(judge.verdicts[i + 3], 1);
        end_deinit(&ends[i]);
    }
    free(big);
    told_deinit(&told);
    scratch_remove(&s);
}

static void test_followers_get_them(void **state)
{
    struct scratch s;
    struct told told;
    struct end end;
    size_t len;

    scratch_make(&s);
    told_init(&told);
    const char *path = scratch_path(&s, "log");
    struct sink *sink = sink_for_file(&told, path);
    sink_tap(sink, true);
    end_init(&end, &told, s.dir, 1);
    hold(sink, &end, "{\"n\":1}", 9000);
    post_end(sink, &end);
    WAIT_UNTIL(atomic_load(&told.taken) == 2);
    assert_int_equal(sink_end(sink, 30 * NS_PER_SEC), 0);
    char *text = get_file(path, &len);
    assert_int_equal(told.tapped_marks, 9001);
    assert_int_equal(told.tapped.len, len);
    assert_memory_equal(told.tapped.data, text, len);
    free(text);
    end_deinit(&end);
    told_deinit(&told);
    scratch_remove(&s);
}

static void test_a_spool_that_cannot_be_read_is_tried_again(void **state)
{
    struct scratch s;
    struct told told;
    struct judge judge = {0};
    struct end end;

    scratch_make(&s);
    told_init(&told);
    const char *path = scratch_path(&s, "log");
    struct sink *sink = sink_for_file(&told, path);
    end_init(&end, &told, s.dir, 1);
    hold(sink, &end, "{\"n\":1}", 20000);
    atomic_store(&fail_reads, 3);
    post_end(sink, &end);
    WAIT_UNTIL(atomic_load(&told.taken) == 2);
    assert_int_equal(atomic_load(&told.last_error), EIO);
    assert_int_equal(atomic_load(&told.failed), 1);
    assert_int_equal(atomic_load(&told.works), 1);
    assert_false(sink_failing(sink));
    assert_int_equal(sink_end(sink, 30 * NS_PER_SEC), 0);
    judge_file(&judge, path);
    assert_int_equal(judge.seq[1], 20000);
    assert_int_equal(judge.verdicts[1], 1);
    end_deinit(&end);
    told_deinit(&told);
    scratch_remove(&s);
}

/* One that can never be read: its verdict does not come without it, and the loss is counted. */
static void test_what_is_lost_is_counted(void **state)
{
    struct scratch s;
    struct told told;
    struct judge judge = {0};
    struct end end;

    scratch_make(&s);
    told_init(&told);
    const char *path = scratch_path(&s, "log");
    struct sink *sink = sink_for_file(&told, path);
    end_init(&end, &told, s.dir, 1);
    hold(sink, &end, "{\"n\":1}", 5);
    atomic_store(&fail_reads, INT32_MAX);
    post_end(sink, &end);
    WAIT_UNTIL(sink_failing(sink));
    assert_int_equal(sink_end(sink, NS_PER_MS), 6);
    assert_int_equal(atomic_load(&told.taken), 2);
    judge_file(&judge, path);
    assert_int_equal(judge.lines, 0);
    end_deinit(&end);
    told_deinit(&told);
    scratch_remove(&s);
}

static void test_a_shut_source_counts_no_more(void **state)
{
    struct scratch s;
    struct told told;
    struct sink_source source;

    scratch_make(&s);
    told_init(&told);
    struct sink *sink = sink_for_file(&told, scratch_path(&s, "log"));
    source_init(&source, 1);
    assert_int_equal(sink_count(sink, &source), 0);
    sink_shut(sink, &source);
    assert_int_equal(sink_count(sink, &source), -ECANCELED);
    assert_int_equal(sink_source_seq(sink, &source), 1);
    assert_int_equal(sink_end(sink, NS_PER_SEC), 0);
    told_deinit(&told);
    scratch_remove(&s);
}

static void test_limits_and_errors_of_a_spool(void **state)
{
    struct scratch s;
    struct spool spool = {0};
    struct sink_source source;
    struct error err;
    int r = 0;

    spool_close(&spool); /* zeroed: closes nothing */
    scratch_make(&s);
    source_init(&source, 1);
    assert_int_equal(spool_open(&spool, "/nowhere/at/all", 1000, &err), -ENOENT);
    assert_non_null(strstr(err.text, "/nowhere/at/all"));
    assert_non_null(strstr(err.text, "flow.spool_dir"));
    /* The last part of the path is made. */
    const char *dir = scratch_path(&s, "made");
    assert_int_equal(spool_open(&spool, dir, 1000, &err), 0);
    for (source.seq = 0; r == 0; source.seq++)
        r = spool_record(&spool, &source, source.seq + 1, "{}", 2);
    assert_int_equal(r, -EOVERFLOW);
    assert_in_range(spool.size, 850, 1000);
    assert_int_equal(spool.lines, source.seq - 1);
    assert_int_equal(spool_flush(&spool), -EOVERFLOW);
    assert_int_equal(spool_record(&spool, &source, 1, "{}", 2), -EOVERFLOW);
    spool_close(&spool);
    spool_close(&spool);

    /* A disk that is full, by a limit that stands in for it. */
    struct rlimit before, small = {.rlim_cur = 100000, .rlim_max = RLIM_INFINITY};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(spool_open(&spool, dir, 1 << 30, &err), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (r = 0, source.seq = 0; r == 0 && source.seq < 100000; source.seq++)
        r = spool_record(&spool, &source, source.seq + 1, "{}", 2);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(r, -EFBIG);
    assert_int_equal(spool_flush(&spool), r);
    spool_close(&spool);
    scratch_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_records_come_out_together, setup),
        cmocka_unit_test_setup(test_followers_get_them, setup),
        cmocka_unit_test_setup(test_a_spool_that_cannot_be_read_is_tried_again, setup),
        cmocka_unit_test_setup(test_what_is_lost_is_counted, setup),
        cmocka_unit_test_setup(test_a_shut_source_counts_no_more, setup),
        cmocka_unit_test_setup(test_limits_and_errors_of_a_spool, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
