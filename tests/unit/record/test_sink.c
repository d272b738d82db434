/* The sink where all goes well: order, masks, pressure, the tap, the end. */
#include "sink_support.h"

#include "record/credit.h"

static void a_record_has_its_line(void **state)
{
    struct scratch dir;
    struct told told;
    struct sink_source source;
    scratch_make(&dir);
    told_init(&told);
    const char *path = scratch_path(&dir, "log");
    struct sink *sink = sink_for_file(&told, path);
    source_init(&source, 42);
    source.attempt = 3;
    source.extra = ",\"schedule\":\"x\"";
    assert_int_equal(sink_emit(sink, &source, "[1,2]", 5), 0);
    assert_int_equal(source.seq, 1);
    assert_int_equal(sink_source_seq(sink, &source), 1);
    assert_int_equal(sink_end(sink, 0), 0);

    char *text = get_file(path, NULL);
    assert_string_equal(text + 35, /* behind the time */
                        ",\"event\":\"record\",\"job\":42,\"attempt\":3,\"seq\":1"
                        ",\"schedule\":\"x\",\"data\":[1,2]}\n");
    free(text);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07027, 0); /* 0640 less the umask */
    scratch_remove(&dir);
    told_deinit(&told);
}

static void an_idle_sink_writes_at_once(void **state)
{
    struct scratch dir;
    struct told told;
    struct sink_source source;
    struct sink_status status;
    scratch_make(&dir);
    told_init(&told);
    struct sink *sink = sink_for_file(&told, scratch_path(&dir, "log"));
    source_init(&source, 1);
    for (uint64_t i = 1; i <= 20; i++) {
        emit_some(sink, &source, 1);
        WAIT_UNTIL(sink_statuses(sink, &status, 1) == 1 && status.lines == i);
        WAIT_UNTIL(sink_queued(sink) == 0);
    }
    assert_string_equal(status.target, "file");
    assert_int_equal(status.error, 0);
    struct stat st;
    assert_int_equal(stat(dir.path[0], &st), 0);
    assert_int_equal(status.bytes, st.st_size);
    assert_false(sink_failing(sink));
    assert_int_equal(sink_end(sink, 0), 0);
    scratch_remove(&dir);
    told_deinit(&told);
}

static void a_record_that_is_too_long_is_refused(void **state)
{
    struct scratch dir;
    struct told told;
    struct sink_source source;
    scratch_make(&dir);
    told_init(&told);
    const struct sink_target target = {
        .name = "f", .type = SINK_FILE, .path = scratch_path(&dir, "log"), .events = EVENT_ALL};
    struct sink_config config = sink_config_for(&told, &target, 1);
    config.record_bytes = 300000; /* more than a chunk */
    config.queue_bytes = 1000;    /* less than the record */
    struct sink *sink = sink_start(&config);
    char *json = malloc(300001);
    memset(json, '1', 300001);
    source_init(&source, 1);
    assert_int_equal(sink_emit(sink, &source, json, 300001), -EMSGSIZE);
    assert_int_equal(source.seq, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(sink_emit(sink, &source, json, 300000), 0);
    assert_int_equal(sink_end(sink, 0), 0);
    struct judge judge = {0};
    judge_file(&judge, dir.path[0]);
    assert_int_equal(judge.records, 5);
    free(json);
    scratch_remove(&dir);
    told_deinit(&told);
}

/* --- eight workers, verdicts between, two files and a tap ------------------------------------ */

struct worker {
    pthread_t thread;
    struct sink *sink;
    struct sink_source source;
    struct post verdict;
    int records;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    for (int i = 0; i < w->records; i++) {
        char json[64];
        int len = snprintf(json, sizeof json, "\"%.*s\"", i % 50,
                           "--------------------------------------------------");
        if (sink_emit(w->sink, &w->source, json, (size_t)len) != 0)
            return arg;
    }
    return NULL;
}

static void workers_start(struct worker *workers, int count, struct sink *sink, struct told *told,
                          int records)
{
    for (int i = 0; i < count; i++) {
        struct worker *w = &workers[i];
        w->sink = sink;
        w->records = records;
        source_init(&w->source, (uint64_t)i + 1);
        post_init(&w->verdict, told, EVENT_VERDICT, (uint64_t)i + 1);
        assert_int_equal(pthread_create(&w->thread, NULL, work, w), 0);
    }
}

static void workers_end(struct worker *workers, int count)
{
    for (int i = 0; i < count; i++) {
        void *result;
        assert_int_equal(pthread_join(workers[i].thread, &result), 0);
        assert_null(result);
        sink_shut(workers[i].sink, &workers[i].source);
        sink_post(workers[i].sink, &workers[i].verdict.line);
    }
}

static void every_line_comes_once_and_in_order_to_all(void **state)
{
    enum { WORKERS = 8, RECORDS = 5000 };
    static struct worker workers[WORKERS];
    struct scratch dir;
    struct told told;
    scratch_make(&dir);
    told_init(&told);
    const struct sink_target targets[] = {
        {.name = "all", .type = SINK_FILE, .path = scratch_path(&dir, "a"), .events = EVENT_ALL},
        {.name = "verdicts",
         .type = SINK_FILE,
         .path = scratch_path(&dir, "v"),
         .events = EVENT_VERDICT | EVENT_STOP}};
    struct sink_config config = sink_config_for(&told, targets, 2);
    config.queue_bytes = 100000; /* workers block now and then */
    config.sync = true;
    struct sink *sink = sink_start(&config);
    sink_tap(sink, true);
    workers_start(workers, WORKERS, sink, &told, RECORDS);
    workers_end(workers, WORKERS);
    WAIT_UNTIL(atomic_load(&told.taken) == WORKERS);
    assert_int_equal(sink_end(sink, 0), 0);

    struct judge all = {0}, verdicts = {0}, tapped = {0};
    size_t len;
    char *text = get_file(targets[0].path, &len);
    assert_int_equal(len, told.tapped.len);
    assert_memory_equal(text, told.tapped.data, len);
    judge_text(&all, text, len);
    judge_text(&tapped, told.tapped.data, told.tapped.len);
    judge_file(&verdicts, targets[1].path);
    assert_int_equal(all.records, WORKERS * RECORDS);
    assert_int_equal(all.lines, WORKERS * (RECORDS + 1));
    assert_int_equal(told.tapped_marks, all.lines);
    assert_int_equal(verdicts.lines, WORKERS);
    for (int i = 1; i <= WORKERS; i++) {
        assert_int_equal(all.seq[i], RECORDS);
        assert_int_equal(all.verdicts[i], 1);
        assert_int_equal(verdicts.verdicts[i], 1);
        buf_deinit(&workers[i - 1].verdict.line.text);
    }
    free(text);
    scratch_remove(&dir);
    told_deinit(&told);
}

/* Many posted lines between records: more than fit into a batch, and into a chunk's share of it. */
static void posted_lines_keep_their_place(void **state)
{
    enum { ROUNDS = 40, POSTS = 300 };
    static struct post posts[ROUNDS * POSTS];
    struct scratch dir;
    struct told told;
    struct sink_source source;
    scratch_make(&dir);
    told_init(&told);
    struct sink *sink = sink_for_file(&told, scratch_path(&dir, "log"));
    source_init(&source, 1);
    for (int i = 0; i < ROUNDS; i++) {
        emit_some(sink, &source, 2);
        for (int k = 0; k < POSTS; k++) {
            struct post *post = &posts[i * POSTS + k];
            post_init(post, &told, EVENT_ATTEMPT, source.seq);
            sink_post(sink, &post->line);
        }
    }
    assert_int_equal(sink_end(sink, 0), 0);
    assert_int_equal(atomic_load(&told.taken), ROUNDS * POSTS);

    char *text = get_file(dir.path[0], NULL), *p = text;
    uint64_t seq = 0;
    int run = 0, lines = 0;
    for (char *end; (end = strchr(p, '\n')); p = end + 1, lines++) {
        *end = '\0';
        if (strstr(p, "\"record\"")) {
            assert_int_equal(run, seq % 2 == 0 && seq > 0 ? POSTS : 0);
            assert_int_equal(number_after(p, "\"seq\":"), ++seq);
            run = 0;
        } else {
            assert_int_equal(number_after(p, "\"job\":"), seq); /* as it was when posted */
            run++;
        }
    }
    assert_int_equal(lines, ROUNDS * (POSTS + 2));
    free(text);
    for (int i = 0; i < ROUNDS * POSTS; i++)
        buf_deinit(&posts[i].line.text);
    scratch_remove(&dir);
    told_deinit(&told);
}

/* --- pressure: a standard output that nobody reads for a while ------------------------------- */

static void *emit_until_refused(void *arg)
{
    struct worker *w = arg;
    int r;
    do {
        r = sink_emit(w->sink, &w->source, "{\"n\":1}", 7);
    } while (r == 0);
    return (void *)(intptr_t)r;
}

static struct sink *sink_for_fd(struct told *told, int fd)
{
    const struct sink_target target = {
        .name = "out", .type = SINK_STDOUT, .fd = fd, .events = EVENT_ALL};
    struct sink_config config = sink_config_for(told, &target, 1);
    config.queue_bytes = 50000;
    return sink_start(&config);
}

static char *drain(int fd, size_t *ret_len)
{
    struct buf b = BUF_INIT;
    char block[4096];
    ssize_t n;
    while ((n = read(fd, block, sizeof block)) > 0)
        buf_put(&b, block, (size_t)n);
    *ret_len = b.len;
    return buf_steal(&b);
}

static void *drain_thread(void *arg)
{
    struct buf *b = arg;
    int fd = (int)b->size;
    b->size = 0;
    b->data = drain(fd, &b->len);
    return NULL;
}

static void a_blocked_emit_is_released_by_shut(void **state)
{
    int ends[2];
    struct told told;
    struct worker w = {0};
    void *result;
    pthread_t reader;
    told_init(&told);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct sink *sink = sink_for_fd(&told, ends[1]);
    w.sink = sink;
    source_init(&w.source, 1);
    assert_int_equal(pthread_create(&w.thread, NULL, emit_until_refused, &w), 0);
    /* Once the output takes nothing more. */
    WAIT_UNTIL(atomic_load(&w.source.wait_since) != 0 && sink_queued(sink) >= 50000);
    assert_in_range(sink_queued(sink), 0, 50200);
    uint64_t now = clock_now();
    WAIT_UNTIL(sink_waited(&w.source, clock_now()) > 0);
    assert_in_range(sink_waited(&w.source, now), 0, 60 * NS_PER_SEC);
    sink_shut(sink, &w.source);
    assert_int_equal(pthread_join(w.thread, &result), 0);
    assert_int_equal((int)(intptr_t)result, -ECANCELED);
    assert_int_equal(atomic_load(&w.source.wait_since), 0);
    assert_true(atomic_load(&w.source.wait) > 0);
    assert_false(sink_failing(sink)); /* a reader that is slow is no failure */

    /* All that was taken arrives when the reader comes back. */
    uint64_t taken = w.source.seq;
    struct buf read_back = {.size = (size_t)ends[0]};
    assert_int_equal(pthread_create(&reader, NULL, drain_thread, &read_back), 0);
    assert_int_equal(sink_end(sink, 30 * NS_PER_SEC), 0);
    pthread_join(reader, NULL);
    struct judge judge = {0};
    judge_text(&judge, read_back.data, read_back.len);
    assert_int_equal(judge.seq[1], taken);
    free(read_back.data);
    close(ends[0]);
    told_deinit(&told);
}

static void an_end_gets_through_to_a_stalled_output(void **state)
{
    int ends[2];
    struct told told;
    struct sink_source source;
    static struct post posts[200];
    told_init(&told);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 0);
    struct sink *sink = sink_for_fd(&told, ends[1]);
    source_init(&source, 1);
    emit_some(sink, &source, 10);
    for (int i = 0; i < 200; i++) {
        post_init(&posts[i], &told, EVENT_ATTEMPT, 2);
        sink_post(sink, &posts[i].line);
    }
    sink_reopen(sink); /* must not hold it up either */
    size_t lost = sink_end(sink, 20 * NS_PER_MS);
    assert_in_range(lost, 100, 209);
    assert_int_equal(atomic_load(&told.taken), 200);
    size_t len;
    char *text = drain(ends[0], &len);
    assert_in_range(len, 1, 4096);
    size_t whole = 0;
    for (size_t i = 0; i < len; i++)
        whole += text[i] == '\n';
    assert_int_equal(whole + lost, 210);
    free(text);
    for (int i = 0; i < 200; i++)
        buf_deinit(&posts[i].line.text);
    close(ends[0]);
    told_deinit(&told);
}

static void a_tap_that_is_off_sees_nothing(void **state)
{
    struct scratch dir;
    struct told told;
    struct sink_source source;
    scratch_make(&dir);
    told_init(&told);
    struct sink *sink = sink_for_file(&told, scratch_path(&dir, "log"));
    source_init(&source, 1);
    emit_some(sink, &source, 3);
    WAIT_UNTIL(sink_queued(sink) == 0);
    sink_tap(sink, true);
    emit_some(sink, &source, 4);
    WAIT_UNTIL(sink_queued(sink) == 0);
    sink_tap(sink, false);
    emit_some(sink, &source, 5);
    assert_int_equal(sink_end(sink, 0), 0);
    assert_int_equal(told.tapped_marks, 4);
    scratch_remove(&dir);
    told_deinit(&told);
}

/* --- pressure: a reader who must miss none ---------------------------------------------------- */

static void a_used_up_credit_blocks(void **state)
{
    const size_t max = 1000;
    struct told told;
    struct worker w = {0};
    struct sink_source other;
    void *result;
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    told_init(&told);
    assert_true(fd >= 0);
    struct sink *sink = sink_for_fd(&told, fd);
    struct sink_credit *credit = sink_credit_new(max);
    assert_non_null(credit);
    w.sink = sink;
    source_init(&w.source, 1);
    w.source.credit = sink_credit_ref(credit);
    source_init(&other, 2);
    assert_int_equal(pthread_create(&w.thread, NULL, emit_until_refused, &w), 0);

    WAIT_UNTIL(atomic_load(&w.source.wait_since) != 0);
    WAIT_UNTIL(sink_queued(sink) == 0); /* the sink has taken all: it is the reader who has not */
    assert_true(atomic_load(&w.source.waits_for_reader));
    uint64_t seq = sink_source_seq(sink, &w.source);
    assert_in_range(credit->used, max, max + 200); /* by the last record beyond it */
    emit_some(sink, &other, 1000);                 /* nobody else waits */
    assert_int_equal(sink_source_seq(sink, &w.source), seq);

    sink_credit_return(sink, credit, credit->used / 2, 0);
    WAIT_UNTIL(sink_source_seq(sink, &w.source) > seq && atomic_load(&w.source.wait_since) != 0);
    assert_true(sink_source_seq(sink, &w.source) < 2 * seq);
    sink_credit_close(sink, credit); /* the reader has gone: it goes on */
    seq = 10 * seq;
    WAIT_UNTIL(sink_source_seq(sink, &w.source) > seq);
    sink_shut(sink, &w.source);
    assert_int_equal(pthread_join(w.thread, &result), 0);
    assert_int_equal((int)(intptr_t)result, -ECANCELED);
    sink_credit_unref(w.source.credit);
    sink_credit_unref(credit);
    assert_int_equal(sink_end(sink, 30 * NS_PER_SEC), 0);
    told_deinit(&told);
}

/* How often this thread has given up its processor by itself. */
static long switches(pid_t thread)
{
    static const char head[] = "voluntary_ctxt_switches:";
    char path[64], line[256];
    long n = -1;
    snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)thread);
    FILE *status = fopen(path, "re");
    assert_non_null(status);
    while (fgets(line, sizeof line, status))
        if (strncmp(line, head, sizeof head - 1) == 0)
            n = atol(line + sizeof head - 1);
    fclose(status);
    assert_true(n >= 0);
    return n;
}

struct napper {
    struct worker worker;
    atomic_int thread; /* its id */
};

static void *emit_and_nap(void *arg)
{
    struct napper *n = arg;
    atomic_store(&n->thread, gettid());
    return emit_until_refused(&n->worker);
}

/* Who waits for one reader is not woken for what another has read. */
static void a_credit_wakes_its_own(void **state)
{
    struct told told;
    struct napper n = {0};
    void *result;
    (void)state;
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    told_init(&told);
    assert_true(fd >= 0);
    struct sink *sink = sink_for_fd(&told, fd);
    struct sink_credit *other = sink_credit_new(1);
    n.worker.sink = sink;
    source_init(&n.worker.source, 1);
    n.worker.source.credit = sink_credit_new(1);
    assert_int_equal(pthread_create(&n.worker.thread, NULL, emit_and_nap, &n), 0);
    WAIT_UNTIL(atomic_load(&n.worker.source.wait_since) != 0);
    WAIT_UNTIL(sink_queued(sink) == 0);
    long before = switches(atomic_load(&n.thread));
    for (int i = 0; i < 5000; i++) {
        sink_credit_return(sink, other, 0, 0);
        if (i % 10 == 0)
            (void)switches(atomic_load(&n.thread)); /* which gives it time to wake */
    }
    assert_in_range(switches(atomic_load(&n.thread)) - before, 0, 4);
    sink_shut(sink, &n.worker.source);
    assert_int_equal(pthread_join(n.worker.thread, &result), 0);
    sink_credit_unref(n.worker.source.credit);
    sink_credit_unref(other);
    assert_int_equal(sink_end(sink, 30 * NS_PER_SEC), 0);
    told_deinit(&told);
}

static void a_used_up_credit_is_released_by_shut(void **state)
{
    struct told told;
    struct worker w = {0};
    void *result;
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    told_init(&told);
    assert_true(fd >= 0);
    w.sink = sink_for_fd(&told, fd);
    source_init(&w.source, 1);
    w.source.credit = sink_credit_new(1);
    assert_int_equal(pthread_create(&w.thread, NULL, emit_until_refused, &w), 0);
    WAIT_UNTIL(atomic_load(&w.source.wait_since) != 0);
    assert_int_equal(sink_source_seq(w.sink, &w.source), 1);
    sink_shut(w.sink, &w.source);
    assert_int_equal(pthread_join(w.thread, &result), 0);
    assert_int_equal((int)(intptr_t)result, -ECANCELED);
    sink_credit_unref(w.source.credit);
    assert_int_equal(sink_end(w.sink, 30 * NS_PER_SEC), 0);
    told_deinit(&told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_has_its_line),
        cmocka_unit_test(an_idle_sink_writes_at_once),
        cmocka_unit_test(a_record_that_is_too_long_is_refused),
        cmocka_unit_test(every_line_comes_once_and_in_order_to_all),
        cmocka_unit_test(posted_lines_keep_their_place),
        cmocka_unit_test(a_blocked_emit_is_released_by_shut),
        cmocka_unit_test(a_used_up_credit_blocks),
        cmocka_unit_test(a_used_up_credit_is_released_by_shut),
        cmocka_unit_test(a_credit_wakes_its_own),
        cmocka_unit_test(an_end_gets_through_to_a_stalled_output),
        cmocka_unit_test(a_tap_that_is_off_sees_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
