/* Other targets while lines flow: each line is in the files of before or in those of after, whole,
 * once, in order. */
#include "sink_support.h"
#include "record/switch.h"

static struct sink_targets *open_fresh(const struct sink_target *targets, size_t count)
{
    struct sink_targets *fresh = NULL;
    struct error err = {{0}};
    if (sink_targets_open(targets, count, &fresh, &err) < 0)
        fail_msg("sink_targets_open: %s", err.text);
    return fresh;
}

static struct sink_target file_target(const char *path, unsigned events)
{
    return (struct sink_target){
        .name = path, .type = SINK_FILE, .path = path, .fd = -1, .events = events};
}

/* Waits until it has taken effect: until these are the names. */
static bool runs(struct sink *sink, const char *first, size_t count)
{
    struct sink_status status;
    return sink_statuses(sink, &status, 1) == count &&
           strncmp(status.target, first, sizeof status.target - 1) == 0;
}

static void begin(struct scratch *dir, struct told *told)
{
    scratch_make(dir);
    told_init(told);
}

static void end(struct scratch *dir, struct told *told)
{
    scratch_remove(dir);
    told_deinit(told);
}

/* --- many switches ---------------------------------------------------------------------------- */

enum { WORKERS = 4, RECORDS = 20000, FILES = 3, SWITCHES = 150 };

struct worker {
    pthread_t thread;
    struct sink *sink;
    struct sink_source source;
    struct post verdict;
    atomic_bool *go_on;
    atomic_int emitted;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    while (atomic_load(w->go_on) || atomic_load(&w->emitted) < RECORDS) {
        if (sink_emit(w->sink, &w->source, "\"--------------------\"", 22) != 0)
            return arg;
        atomic_fetch_add(&w->emitted, 1);
    }
    return NULL;
}

/* Which records of each job are in a file: their count, in ascending order without a gap inside a
 * line. */
static void tally(const char *path, unsigned char *seen[WORKERS + 1],
                  unsigned verdicts[WORKERS + 1])
{
    size_t len;
    uint64_t last[WORKERS + 1] = {0};
    char *text = get_file(path, &len);
    assert_true(len == 0 || text[len - 1] == '\n');
    for (char *p = text, *nl; p < text + len; p = nl + 1) {
        nl = strchr(p, '\n');
        *nl = '\0';
        assert_int_equal(strncmp(p, "{\"ts\":\"", 7), 0);
        assert_int_equal(nl[-1], '}');
        assert_null(strstr(p + 1, "{\"ts\":\""));
        uint64_t job = number_after(p, "\"job\":"), seq = number_after(p, "\"seq\":");
        assert_in_range(job, 1, WORKERS);
        if (strstr(p, "\"event\":\"verdict\"")) {
            verdicts[job]++;
            continue;
        }
        assert_true(seq > last[job]);
        last[job] = seq;
        seen[job][seq]++;
    }
    free(text);
}

/* A file takes all lines throughout, under ever new names; records go to one of three others by
 * turns, of which the first is also the records' second place now and then. */
static void each_line_is_in_exactly_the_right_files(void **state)
{
    static struct worker workers[WORKERS];
    struct scratch dir;
    struct told told;
    atomic_bool go_on = true;
    const char *path[FILES];
    begin(&dir, &told);
    const char *all = scratch_path(&dir, "all");
    for (int i = 0; i < FILES; i++)
        path[i] = scratch_path(&dir, (const char *[]){"0", "1", "2"}[i]);
    const struct sink_target first[] = {file_target(all, EVENT_ALL),
                                        file_target(path[0], EVENT_ALL & ~EVENT_VERDICT)};
    struct sink_config config = sink_config_for(&told, first, 2);
    config.sync = true;
    struct sink *sink = sink_start(&config);
    for (int i = 0; i < WORKERS; i++) {
        struct worker *w = &workers[i];
        *w = (struct worker){.sink = sink, .go_on = &go_on};
        source_init(&w->source, (uint64_t)i + 1);
        post_init(&w->verdict, &told, EVENT_VERDICT, (uint64_t)i + 1);
        assert_int_equal(pthread_create(&w->thread, NULL, work, w), 0);
    }
    for (int i = 1; i <= SWITCHES; i++) {
        char name[16];
        snprintf(name, sizeof name, "all-%d", i);
        struct sink_target next[] = {file_target(all, EVENT_ALL),
                                     file_target(path[i % FILES], EVENT_ALL & ~EVENT_VERDICT)};
        next[0].name = name;
        next[0].kept = i % 2; /* opened for nothing every other time */
        sink_switch(sink, open_fresh(next, 2));
        if (i % 4) /* else the next one may overtake it */
            WAIT_UNTIL(runs(sink, name, 2));
    }
    atomic_store(&go_on, false);
    unsigned char *seen[WORKERS + 1] = {0}, *in_all[WORKERS + 1] = {0};
    for (int i = 0; i < WORKERS; i++) {
        void *result;
        assert_int_equal(pthread_join(workers[i].thread, &result), 0);
        assert_null(result);
        sink_shut(sink, &workers[i].source);
        sink_post(sink, &workers[i].verdict.line);
        seen[i + 1] = calloc(workers[i].source.seq + 1, 1);
        in_all[i + 1] = calloc(workers[i].source.seq + 1, 1);
    }
    assert_int_equal(sink_end(sink, 30 * NS_PER_SEC), 0);
    unsigned verdicts[WORKERS + 1] = {0}, none[WORKERS + 1] = {0};
    tally(all, in_all, verdicts);
    for (int i = 0; i < FILES; i++)
        tally(path[i], seen, none);
    for (int job = 1; job <= WORKERS; job++) {
        for (uint64_t seq = 1; seq <= workers[job - 1].source.seq; seq++)
            if (seen[job][seq] != 1 || in_all[job][seq] != 1)
                fail_msg("job %d, seq %u: %d and %d times", job, (unsigned)seq, seen[job][seq],
                         in_all[job][seq]);
        assert_int_equal(verdicts[job], 1);
        assert_int_equal(none[job], 0);
        free(seen[job]);
        free(in_all[job]);
    }
    assert_int_equal(told.failed, 0);
    assert_int_equal(told.taken, WORKERS);
    end(&dir, &told);
}

/* --- targets that take nothing ---------------------------------------------------------------- */

/* A device that is always full; what it lacks goes to the one that is new. */
static void a_failing_one_that_leaves_holds_nothing_up(void **state)
{
    struct scratch dir;
    struct told told;
    struct sink_source source;
    begin(&dir, &told);
    const char *after = scratch_path(&dir, "after");
    struct sink_target target = file_target("/dev/full", EVENT_ALL);
    struct sink_config config = sink_config_for(&told, &target, 1);
    config.queue_bytes = 4000;
    struct sink *sink = sink_start(&config);
    source_init(&source, 1);
    emit_some(sink, &source, 10);
    WAIT_UNTIL(sink_failing(sink));
    target = file_target(after, EVENT_ALL);
    sink_switch(sink, open_fresh(&target, 1));
    WAIT_UNTIL(runs(sink, after, 1));
    assert_false(sink_failing(sink));
    emit_some(sink, &source, 500); /* more than the queue holds: it goes on */
    struct post verdict;
    post_init(&verdict, &told, EVENT_VERDICT, 1);
    sink_post(sink, &verdict.line);
    WAIT_UNTIL(atomic_load(&verdict.taken));
    buf_deinit(&verdict.line.text);
    assert_int_equal(sink_end(sink, 0), 0);
    struct judge judge = {0};
    judge_file(&judge, after);
    assert_int_equal(judge.records, 510);
    assert_int_equal(judge.verdicts[1], 1);
    end(&dir, &told);
}

/* The reader of a FIFO that reads no more. */
static void nor_does_one_whose_reader_stalls(void **state)
{
    struct scratch dir;
    struct told told;
    struct sink_source source;
    begin(&dir, &told);
    const char *fifo = scratch_path(&dir, "fifo"), *all = scratch_path(&dir, "all");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    int reader = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct sink_target targets[] = {file_target(all, EVENT_ALL), file_target(fifo, EVENT_ALL)};
    struct sink_config config = sink_config_for(&told, targets, 2);
    config.queue_bytes = 1 << 20;
    struct sink *sink = sink_start(&config);
    source_init(&source, 1);
    emit_some(sink, &source, 3000); /* more than a pipe holds */
    /* How many bytes fill it hangs on the sizes of the writes. */
    struct pollfd writer = {.fd = open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC), .events = POLLOUT};
    WAIT_UNTIL(poll(&writer, 1, 0) == 0);
    sink_switch(sink, open_fresh(targets, 1));
    WAIT_UNTIL(runs(sink, all, 1));
    WAIT_UNTIL(sink_queued(sink) == 0);
    assert_int_equal(sink_end(sink, 0), 0);
    struct judge judge = {0};
    judge_file(&judge, all);
    assert_int_equal(judge.records, 3000);
    close(writer.fd);
    close(reader);
    end(&dir, &told);
}

/* --- what stays, what is refused -------------------------------------------------------------- */

static void what_stays_keeps_its_counts_and_takes_its_new_events(void **state)
{
    struct scratch dir;
    struct told told;
    struct sink_source source;
    struct sink_status status;
    begin(&dir, &told);
    const char *path = scratch_path(&dir, "log");
    struct sink_target target = file_target(path, EVENT_ALL);
    struct sink_config config = sink_config_for(&told, &target, 1);
    struct sink *sink = sink_start(&config);
    source_init(&source, 1);
    emit_some(sink, &source, 7);
    WAIT_UNTIL(sink_queued(sink) == 0);
    target.events = EVENT_VERDICT;
    target.name = "verdicts";
    target.kept = true;
    sink_switch(sink, open_fresh(&target, 1));
    WAIT_UNTIL(runs(sink, "verdicts", 1));
    assert_int_equal(sink_statuses(sink, &status, 1), 1);
    assert_int_equal(status.lines, 7);
    emit_some(sink, &source, 5);
    struct post verdict;
    post_init(&verdict, &told, EVENT_VERDICT, 1);
    sink_post(sink, &verdict.line);
    WAIT_UNTIL(atomic_load(&verdict.taken));
    buf_deinit(&verdict.line.text);
    assert_int_equal(sink_end(sink, 0), 0);
    struct judge judge = {0};
    judge_file(&judge, path);
    assert_int_equal(judge.records, 7);
    assert_int_equal(judge.verdicts[1], 1);
    end(&dir, &told);
}

/* Another name for the file that is written to: opening must not cut off what the sink is
 * writing. */
static void the_same_file_by_another_name_goes_on(void **state)
{
    struct scratch dir;
    struct told told;
    struct sink_source source;
    begin(&dir, &told);
    const char *path = scratch_path(&dir, "log"), *link = scratch_path(&dir, "link");
    put_file(path, "");
    assert_int_equal(symlink(path, link), 0);
    struct sink_target target = file_target(path, EVENT_ALL);
    struct sink_config config = sink_config_for(&told, &target, 1);
    struct sink *sink = sink_start(&config);
    source_init(&source, 1);
    for (int i = 0; i < 20; i++) {
        target = file_target(i % 2 ? path : link, EVENT_ALL);
        emit_some(sink, &source, 100);
        sink_switch(sink, open_fresh(&target, 1));
        WAIT_UNTIL(runs(sink, target.path, 1));
    }
    assert_int_equal(sink_end(sink, NS_PER_SEC), 0);
    struct judge judge = {0};
    judge_file(&judge, path);
    assert_int_equal(judge.records, 2000);
    end(&dir, &told);
}

static void a_torn_end_is_mended_when_its_turn_comes(void **state)
{
    struct scratch dir;
    struct told told;
    struct sink_source source;
    begin(&dir, &told);
    const char *before = scratch_path(&dir, "before"), *after = scratch_path(&dir, "after");
    put_file(after, "{\"ts\":\"torn");
    struct sink *sink = sink_for_file(&told, before);
    struct sink_target target = file_target(after, EVENT_ALL);
    struct sink_targets *fresh = open_fresh(&target, 1);
    size_t len;
    free(get_file(after, &len));
    assert_int_equal(len, 11); /* not yet */
    sink_switch(sink, fresh);
    source_init(&source, 1);
    WAIT_UNTIL(runs(sink, after, 1));
    emit_some(sink, &source, 3);
    assert_int_equal(sink_end(sink, NS_PER_SEC), 0);
    struct judge judge = {0};
    judge_file(&judge, after);
    assert_int_equal(judge.records, 3);
    end(&dir, &told);
}

static void what_cannot_be_opened_is_refused(void **state)
{
    struct scratch dir;
    struct sink_targets *fresh = NULL;
    struct error err;
    scratch_make(&dir);
    const char *path = scratch_path(&dir, "log"), *link = scratch_path(&dir, "link");
    struct sink_target targets[] = {file_target(path, EVENT_ALL),
                                    file_target("/nowhere/at/all", EVENT_ALL)};
    assert_int_equal(sink_targets_open(targets, 2, &fresh, &err), -ENOENT);
    assert_non_null(strstr(err.text, "/nowhere/at/all"));
    assert_int_equal(symlink(path, link), 0);
    targets[1] = file_target(link, EVENT_ALL);
    assert_int_equal(sink_targets_open(targets, 2, &fresh, &err), -EEXIST);
    targets[0].kept = true;
    assert_int_equal(sink_targets_open(targets, 2, &fresh, &err), -EEXIST);
    assert_null(fresh);
    scratch_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_is_in_exactly_the_right_files),
        cmocka_unit_test(a_failing_one_that_leaves_holds_nothing_up),
        cmocka_unit_test(nor_does_one_whose_reader_stalls),
        cmocka_unit_test(what_stays_keeps_its_counts_and_takes_its_new_events),
        cmocka_unit_test(the_same_file_by_another_name_goes_on),
        cmocka_unit_test(a_torn_end_is_mended_when_its_turn_comes),
        cmocka_unit_test(what_cannot_be_opened_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
