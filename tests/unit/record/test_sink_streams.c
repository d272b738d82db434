/* The sink at outputs that are no files: pipes, sockets, terminals, FIFOs. */
#include "sink_support.h"

#include <pty.h>
#include <sys/socket.h>
#include <termios.h>

static struct sink *sink_for_out(struct told *told, int fd, const char *path)
{
    const struct sink_target targets[] = {
        {.name = "out", .type = SINK_STDOUT, .fd = fd, .events = EVENT_ALL},
        {.name = "file", .type = SINK_FILE, .path = path, .events = EVENT_ALL}};
    const struct sink_config config = sink_config_for(told, targets, path ? 2 : 1);
    return sink_start(&config);
}

static void expect_gone(int reader, int writer)
{
    struct scratch dir;
    struct told told;
    struct sink_source source;
    struct sink_status status[2];
    struct post verdict;
    struct judge judge = {0};
    scratch_make(&dir);
    told_init(&told);
    struct sink *sink = sink_for_out(&told, writer, scratch_path(&dir, "log"));
    source_init(&source, 1);
    emit_some(sink, &source, 10);
    WAIT_UNTIL(sink_queued(sink) == 0);
    assert_int_equal(atomic_load(&told.gone), 0);
    close(reader);
    emit_some(sink, &source, 10);
    WAIT_UNTIL(atomic_load(&told.gone) == 1);
    emit_some(sink, &source, 20000);
    post_init(&verdict, &told, EVENT_VERDICT, 1);
    sink_post(sink, &verdict.line);
    WAIT_UNTIL(atomic_load(&verdict.taken));
    assert_int_equal(sink_statuses(sink, status, 2), 2);
    assert_int_not_equal(status[0].error, 0);
    assert_int_equal(status[1].error, 0);
    assert_false(sink_failing(sink));
    assert_int_equal(sink_end(sink, 0), 0);
    assert_int_equal(atomic_load(&told.gone), 1);
    assert_int_equal(atomic_load(&told.failed), 0);
    judge_file(&judge, dir.path[0]);
    assert_int_equal(judge.records, 20020);
    buf_deinit(&verdict.line.text);
    scratch_remove(&dir);
    told_deinit(&told);
}

static void an_output_that_nobody_reads_swallows(void **state)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    expect_gone(ends[0], ends[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    expect_gone(ends[0], ends[1]);
}

struct slow_reader {
    pthread_t thread;
    int fd;
    struct buf text;
};

/* In odd small pieces; the end is EOF, or EIO of a terminal. */
static void *read_slowly(void *arg)
{
    struct slow_reader *r = arg;
    char block[777];
    ssize_t n;
    while ((n = read(r->fd, block, sizeof block)) > 0)
        buf_put(&r->text, block, (size_t)n);
    return NULL;
}

static void expect_whole(int reader, int writer, bool nonblocking)
{
    enum { RECORDS = 20000 };
    struct told told;
    struct sink_source source;
    struct slow_reader r = {.fd = reader};
    struct judge judge = {0};
    told_init(&told);
    int flags = fcntl(writer, F_GETFL) | (nonblocking ? O_NONBLOCK : 0);
    fcntl(writer, F_SETFL, flags);
    int kept = fcntl(writer, F_DUPFD_CLOEXEC, 3);
    struct sink *sink = sink_for_out(&told, writer, NULL);
    assert_int_equal(pthread_create(&r.thread, NULL, read_slowly, &r), 0);
    source_init(&source, 1);
    emit_some(sink, &source, RECORDS);
    /* What others share with us stays as they have set it. */
    assert_int_equal(fcntl(kept, F_GETFL), flags);
    close(kept);
    assert_int_equal(sink_end(sink, 60 * NS_PER_SEC), 0);
    pthread_join(r.thread, NULL);
    judge_text(&judge, r.text.data, r.text.len);
    assert_int_equal(judge.records, RECORDS);
    close(reader);
    buf_deinit(&r.text);
    told_deinit(&told);
}

static void a_slow_reader_gets_every_byte(void **state)
{
    int ends[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        expect_whole(ends[0], ends[1], i);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        expect_whole(ends[0], ends[1], i);
    }
}

/* Ctrl-S: the terminal takes nothing, and the daemon ends all the same. */
static void a_stopped_terminal_holds_no_end_up(void **state)
{
    int master, slave;
    struct termios raw;
    struct told told;
    struct sink_source source;
    if (openpty(&master, &slave, NULL, NULL, NULL) < 0)
        skip();
    assert_int_equal(tcgetattr(slave, &raw), 0);
    cfmakeraw(&raw);
    assert_int_equal(tcsetattr(slave, TCSANOW, &raw), 0);
    assert_int_equal(tcflow(slave, TCOOFF), 0);
    told_init(&told);
    struct sink *sink = sink_for_out(&told, slave, NULL);
    source_init(&source, 1);
    emit_some(sink, &source, 1000);
    assert_true(sink_end(sink, 10 * NS_PER_MS) > 0);
    close(master);
    told_deinit(&told);
}

static void a_fifo_has_whole_lines_for_each_reader(void **state)
{
    struct scratch dir;
    struct told told;
    struct sink_source source;
    char block[65536];
    scratch_make(&dir);
    told_init(&told);
    const char *path = scratch_path(&dir, "fifo");
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    struct sink *sink = sink_for_file(&told, path);
    source_init(&source, 1);
    emit_some(sink, &source, 1);
    WAIT_UNTIL(sink_queued(sink) == 0);
    close(reader);
    emit_some(sink, &source, 1);
    WAIT_UNTIL(sink_failing(sink));
    reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    WAIT_UNTIL(!sink_failing(sink));
    WAIT_UNTIL(sink_queued(sink) == 0);
    ssize_t n = read(reader, block, sizeof block);
    assert_true(n > 0);
    assert_memory_equal(block, "{\"ts\":\"", 7);
    block[n - 1] = '\0';
    assert_int_equal(number_after(block, "\"seq\":"), 2);
    assert_int_equal(sink_end(sink, 0), 0);
    close(reader);
    scratch_remove(&dir);
    told_deinit(&told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_output_that_nobody_reads_swallows),
        cmocka_unit_test(a_slow_reader_gets_every_byte),
        cmocka_unit_test(a_stopped_terminal_holds_no_end_up),
        cmocka_unit_test(a_fifo_has_whole_lines_for_each_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
