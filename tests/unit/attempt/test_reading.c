/* The reading of a body by a worker: the body's pipe is the test's, the sink writes to nowhere. */
#include "unit/attempt/request_spec.h"

#include "attempt/reading.h"

#include "base/clock.h"
#include "base/list.h"
#include "record/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <unistd.h>

#define PATIENCE (60 * NS_PER_SEC)

static char spool_dir[] = "/tmp/penstock-reading.XXXXXX";
static struct attempt_env env = {.max_record = 1 << 20};
static struct body *body;

struct trial {
    struct first_cause cause;
    struct progress progress;
    struct reading reading;
    struct encoding encoding;
    struct spec *spec;
    int write_fd;
    bool abandoned;
    sem_t done, batches;
};
static struct trial *trial;

static void on_done(struct reading *r, bool abandoned)
{
    struct trial *t = container_of(r, struct trial, reading);
    t->abandoned = abandoned;
    sem_post(&t->done);
}

static void on_batch(struct reading *r)
{
    sem_post(&container_of(r, struct trial, reading)->batches);
}

static const struct reading_ops ops = {.done = on_done, .batch = on_batch};

static void prepare(const char *job)
{
    static struct transfer_header header = {"X-One", "1"};
    struct transfer_response response = {.status = 200, .headers = &header, .header_count = 1};
    struct error err;
    trial = aligned_alloc(PROGRESS_LINE,
                          (sizeof *trial + PROGRESS_LINE - 1) / PROGRESS_LINE * PROGRESS_LINE);
    memset(trial, 0, sizeof *trial);
    sem_init(&trial->done, 0, 0);
    sem_init(&trial->batches, 0, 0);
    trial->spec = request_spec(job);
    reading_init(&trial->reading, &env, &ops, trial->spec, &trial->cause, &trial->progress, 7, 3);
    assert_int_equal(encoding_plan(&trial->encoding, trial->spec, 0, 0, &response, &err), 0);
    assert_int_equal(reading_head(&trial->reading, NULL, &response, &trial->encoding), 0);
}

static int engage(bool drain)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    trial->write_fd = fds[1];
    body = body_new();
    return reading_engage(&trial->reading, body, fds[0], fds[1], drain);
}

static void send_text(const char *text)
{
    assert_int_equal(write(trial->write_fd, text, strlen(text)), strlen(text));
}

static void end_body(enum body_state how)
{
    body_settle(body, how);
    close(trial->write_fd);
}

static void wait_sem(sem_t *sem)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE / NS_PER_SEC;
    assert_int_equal(sem_timedwait(sem, &until), 0);
}

static void wait_done(void)
{
    wait_sem(&trial->done);
}

static struct attempt_report report(void)
{
    struct attempt_report r = {0};
    reading_report(&trial->reading, clock_now(), &r);
    return r;
}

static void wait_records(uint64_t count)
{
    uint64_t until = clock_now() + PATIENCE;
    while (report().records < count && clock_now() < until)
        sched_yield();
    assert_int_equal(report().records, count);
}

static void clean(void)
{
    body_unref(body);
    reading_deinit(&trial->reading);
    encoding_deinit(&trial->encoding);
    spec_free(trial->spec);
    sem_destroy(&trial->done);
    sem_destroy(&trial->batches);
    free(trial);
}

#define LINES "{\"url\":\"http://a.test/\",\"parser\":\"lines\",\"labels\":{\"l\":\"v\"}}"

static void a_whole_body_is_read(void **state)
{
    prepare(LINES);
    assert_false(report().engaged);
    assert_int_equal(engage(false), 0);
    assert_true(report().engaged);
    send_text("one\ntwo\n");
    end_body(BODY_COMPLETE);
    wait_done();
    assert_false(trial->abandoned);
    assert_int_equal(reading_state(&trial->reading), READING_RETURNED);
    reading_conclude(&trial->reading);
    assert_null(cause_of(&trial->cause));
    assert_int_equal(report().records, 2);
    assert_false(report().held);
    assert_int_equal(reading_verified(&trial->reading), VERIFIED_NONE);
    const struct parse_facts *facts = &trial->reading.task.facts;
    assert_string_equal(facts->url, "http://a.test/");
    assert_string_equal(facts->headers[0].name, "X-One");
    assert_string_equal(facts->labels[0].value, "v");
    clean();
}

static void after_a_cut_no_record_is_taken(void **state)
{
    prepare(LINES);
    assert_int_equal(engage(false), 0);
    send_text("one\n");
    wait_records(1);
    reading_stop(&trial->reading);
    send_text("two\n");
    end_body(BODY_COMPLETE);
    wait_done();
    assert_int_equal(report().records, 1);
    clean();
}

static void send_lines(int count)
{
    static char line[1025];
    memset(line, 'x', 1023);
    line[1023] = '\n';
    for (int i = 0; i < count; i++)
        send_text(line);
}

static void expect_batch(uint64_t after)
{
    struct spool batch = reading_batch(&trial->reading);
    char last;
    assert_true(batch.size > after);
    assert_int_equal(pread(batch.fd, &last, 1, (off_t)batch.size - 1), 1);
    assert_int_equal(last, '\n');
}

/* The store may have them before the end: batches of whole records, one at a time. */
static void batches_come_one_at_a_time(void **state)
{
    int more;
    prepare(LINES);
    reading_store_records(&trial->reading, true);
    assert_int_equal(engage(false), 0);
    send_lines(1100);
    wait_sem(&trial->batches);
    expect_batch(0);
    uint64_t first = reading_batch(&trial->reading).size;
    send_lines(1100);
    wait_records(2200);
    assert_int_equal(sem_getvalue(&trial->batches, &more), 0);
    assert_int_equal(more, 0);
    reading_batch_over(&trial->reading);
    send_lines(1);
    wait_sem(&trial->batches);
    expect_batch(first);
    end_body(BODY_COMPLETE);
    wait_done();
    assert_int_equal(trial->reading.spool.lines, 2201);
    clean();
}

static void too_few_records_are_a_failure(void **state)
{
    prepare("{\"url\":\"http://a.test/\",\"parser\":\"lines\",\"min_records\":3}");
    assert_int_equal(engage(false), 0);
    send_text("one\ntwo\n");
    end_body(BODY_COMPLETE);
    wait_done();
    reading_conclude(&trial->reading);
    assert_int_equal(cause_of(&trial->cause)->kind, KIND_UNEXPECTED);
    assert_string_equal(cause_of(&trial->cause)->message,
                        "min_records: 2 records, at least 3 were expected");
    clean();
}

/* Somebody says `done`, and no parser has ever run. */
static void without_a_reader_nothing_is_well(void **state)
{
    prepare(LINES);
    reading_conclude(&trial->reading);
    assert_int_equal(cause_of(&trial->cause)->kind, KIND_INTERNAL);
    body = NULL;
    clean();
}

static void what_the_parser_says_is_the_cause(void **state)
{
    prepare("{\"url\":\"http://a.test/\",\"parser\":\"ndjson\"}");
    assert_int_equal(engage(false), 0);
    send_text("1\n{\n");
    end_body(BODY_COMPLETE);
    wait_done();
    assert_int_equal(cause_of(&trial->cause)->kind, KIND_PARSER_FAILED);
    assert_int_equal(strncmp(cause_of(&trial->cause)->message, "line 2: ", 8), 0);
    clean();
}

static void what_it_says_after_an_abort_is_not(void **state)
{
    prepare(LINES);
    assert_int_equal(engage(false), 0);
    send_text("one\n");
    wait_records(1);
    cause_fail(&trial->cause, KIND_TRUNCATED, "cut");
    end_body(BODY_ABORTED);
    wait_done();
    assert_string_equal(cause_of(&trial->cause)->message, "cut");
    clean();
}

static void one_that_does_not_return_is_given_up(void **state)
{
    prepare(LINES);
    assert_int_equal(engage(false), 0);
    send_text("one\n");
    wait_records(1);
    reading_stop(&trial->reading);
    assert_true(reading_abandon(&trial->reading));
    assert_false(reading_abandon(&trial->reading));
    assert_int_equal(reading_state(&trial->reading), READING_ABANDONED);
    assert_false(reading_untouched(&trial->reading));
    end_body(BODY_ABORTED); /* it returns after all */
    wait_done();
    assert_true(trial->abandoned);
    assert_int_equal(reading_verified(&trial->reading), VERIFIED_NONE);
    clean();
}

static void one_that_has_returned_is_not_given_up(void **state)
{
    prepare(LINES);
    assert_int_equal(engage(false), 0);
    end_body(BODY_COMPLETE);
    wait_done();
    assert_false(reading_abandon(&trial->reading));
    assert_int_equal(reading_state(&trial->reading), READING_RETURNED);
    clean();
}

static void records_are_held_back(void **state)
{
    prepare("{\"url\":\"http://a.test/\",\"parser\":\"lines\",\"deliver\":\"commit\"}");
    assert_int_equal(engage(false), 0);
    send_text("one\ntwo\n");
    end_body(BODY_COMPLETE);
    wait_done();
    assert_true(report().held);
    assert_int_equal(report().records, 2);
    assert_int_equal(trial->reading.spool.lines, 2);
    clean();
    prepare("{\"url\":\"http://a.test/\",\"parser\":\"ndjson\",\"deliver\":\"commit\"}");
    assert_int_equal(engage(false), 0);
    send_text("1\n{\n");
    end_body(BODY_COMPLETE);
    wait_done();
    assert_int_equal(trial->reading.spool.fd, -1); /* gone with the failure */
    clean();
}

static void more_than_may_be_held_is_a_failure(void **state)
{
    prepare("{\"url\":\"http://a.test/\",\"parser\":\"lines\",\"deliver\":\"commit\","
            "\"commit_max\":\"1K\"}");
    assert_int_equal(engage(false), 0);
    char text[2048]; /* in one piece: the parser may leave before a second one */
    for (size_t i = 0; i < sizeof text - 1; i++)
        text[i] = i % 16 == 15 ? '\n' : 'x';
    text[sizeof text - 1] = '\0';
    send_text(text);
    end_body(BODY_COMPLETE);
    wait_done();
    assert_int_equal(cause_of(&trial->cause)->kind, KIND_LIMIT_EXCEEDED);
    assert_string_equal(cause_of(&trial->cause)->message,
                        "commit_max: the records are over 1024 bytes");
    clean();
}

static void lines_name_the_schedule(void **state)
{
    prepare(LINES);
    assert_int_equal(reading_name_schedule(&trial->reading, "a \"b\""), 0);
    assert_int_equal(engage(false), 0);
    assert_string_equal(trial->reading.task.source.extra, ",\"schedule\":\"a \\\"b\\\"\"");
    end_body(BODY_COMPLETE);
    wait_done();
    clean();
}

/* A worker that is stuck takes up the pool's only place. */
static void without_a_thread_it_fails_and_closes_what_it_was_given(void **state)
{
    struct pool *before = env.pool;
    assert_int_equal(pool_new(1, 0, &env.pool), 0);
    prepare(LINES);
    struct trial *stuck = trial;
    assert_int_equal(engage(false), 0);
    struct body *stuck_body = body;
    assert_true(reading_abandon(&stuck->reading));
    prepare(LINES);
    assert_int_equal(engage(false), -EAGAIN);
    assert_int_equal(cause_of(&trial->cause)->kind, KIND_RESOURCES);
    assert_int_equal(reading_state(&trial->reading), READING_IDLE);
    assert_false(report().engaged);
    assert_int_equal(trial->reading.task.read_fd, -1);
    close(trial->write_fd);
    clean();
    trial = stuck;
    body = stuck_body;
    end_body(BODY_ABORTED);
    wait_done();
    clean();
    pool_free(env.pool); /* the thread that was given up may be in its last instructions */
    env.pool = before;
}

static int begin(void **state)
{
    const struct sink_target target = {
        .name = "nowhere", .type = SINK_FILE, .path = "/dev/null", .events = EVENT_ALL};
    const struct sink_config config = {.targets = &target, .target_count = 1};
    struct error err = {""};
    int r = request_spec_begin("");
    if (r == 0)
        r = sink_new(&config, &env.sink, &err);
    if (r < 0)
        print_error("%s\n", err.text);
    env.spool_dir = mkdtemp(spool_dir);
    return r ? r : pool_new(4, 4, &env.pool);
}

static int end(void **state)
{
    pool_free(env.pool);
    size_t lost = sink_free(env.sink, UINT64_MAX);
    rmdir(spool_dir);
    return request_spec_end(state) || lost > 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_body_is_read),
        cmocka_unit_test(after_a_cut_no_record_is_taken),
        cmocka_unit_test(batches_come_one_at_a_time),
        cmocka_unit_test(too_few_records_are_a_failure),
        cmocka_unit_test(without_a_reader_nothing_is_well),
        cmocka_unit_test(what_the_parser_says_is_the_cause),
        cmocka_unit_test(what_it_says_after_an_abort_is_not),
        cmocka_unit_test(one_that_does_not_return_is_given_up),
        cmocka_unit_test(one_that_has_returned_is_not_given_up),
        cmocka_unit_test(records_are_held_back),
        cmocka_unit_test(more_than_may_be_held_is_a_failure),
        cmocka_unit_test(lines_name_the_schedule),
        cmocka_unit_test(without_a_thread_it_fails_and_closes_what_it_was_given),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
