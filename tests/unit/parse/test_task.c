/* A run of a parser: what it may call, and what comes of every way to end. */
#include "harness.h"

#include "base/clock.h"

#include <stdio.h>

#undef fail /* cmocka's macro would take run->fail for itself */

/* The parser of a test: what it does is a function. */
static int (*play)(FILE *body, struct penstock_run *run);

static int parse(FILE *body, struct penstock_run *run)
{
    return play(body, run);
}

static const struct penstock_option parser_options[] = {
    {"color", "green", "one"}, {"shape", NULL, "another"}, {NULL, NULL, NULL}};

static const struct penstock_parser parser = {
    .abi = PENSTOCK_PARSER_ABI,
    .size = sizeof(struct penstock_parser),
    .name = "test",
    .summary = "does what the test says",
    .options = parser_options,
    .parse = parse,
};

static void run(struct harness *h, int (*what)(FILE *body, struct penstock_run *run),
                enum body_state ending)
{
    play = what;
    harness_init(h, &parser, NULL);
    h->ending = ending;
    harness_run(h, "hello\n", 6);
}

static void assert_result(const struct harness *h, enum penstock_result result,
                          enum error_kind kind, const char *message)
{
    assert_int_equal(h->task.result, result);
    assert_int_equal(h->task.kind, kind);
    if (message)
        assert_non_null(strstr(h->task.message, message));
    else
        assert_string_equal(h->task.message, "");
}

static int emit(struct penstock_run *r, const char *json)
{
    return r->emit(r, json, strlen(json));
}

/* --- endings of a whole body ------------------------------------------------------------------ */

static int read_all(FILE *body, struct penstock_run *r)
{
    while (getc(body) != EOF)
        ;
    return PENSTOCK_OK;
}

static int read_nothing(FILE *body, struct penstock_run *r)
{
    return PENSTOCK_OK;
}

static int close_early(FILE *body, struct penstock_run *r)
{
    getc(body);
    fclose(body);
    return PENSTOCK_OK;
}

static int read_all_and_close(FILE *body, struct penstock_run *r)
{
    read_all(body, r);
    fclose(body);
    return PENSTOCK_OK;
}

/* Content with the body: it must be whole, whether or not the parser looked at the rest. */
static void test_ok(void **state)
{
    static int (*const whats[])(FILE *, struct penstock_run *) = {read_all, read_nothing,
                                                                  close_early, read_all_and_close};
    for (size_t i = 0; i < sizeof whats / sizeof whats[0]; i++) {
        struct harness h;
        run(&h, whats[i], BODY_COMPLETE);
        assert_result(&h, PENSTOCK_OK, KIND_NONE, NULL);
        assert_true(h.task.body_ended);
        assert_int_equal(atomic_load(&h.task.body->bytes_read), 6);
        harness_deinit(&h);
    }
}

/* None of them noticed, and none is a success. */
static void test_overlooked_abort(void **state)
{
    static int (*const whats[])(FILE *, struct penstock_run *) = {read_all, read_nothing,
                                                                  close_early, read_all_and_close};
    for (size_t i = 0; i < sizeof whats / sizeof whats[0]; i++)
        for (int ending = 0; ending < 2; ending++) {
            struct harness h;
            run(&h, whats[i], ending ? BODY_ABORTED : BODY_OPEN);
            assert_result(&h, PENSTOCK_FAILED, KIND_TRUNCATED, "did not arrive whole");
            assert_false(h.task.body_ended);
            harness_deinit(&h);
        }
}

static int say_enough(FILE *body, struct penstock_run *r)
{
    emit(r, "1");
    return PENSTOCK_ENOUGH;
}

static void test_enough(void **state)
{
    struct harness h;
    run(&h, say_enough, BODY_COMPLETE);
    assert_result(&h, PENSTOCK_ENOUGH, KIND_NONE, NULL);
    assert_false(h.task.body_ended);
    assert_int_equal(atomic_load(&h.task.body->bytes_read), 0);
    assert_string_equal(h.records.data, "1\n");
    harness_deinit(&h);
}

static void test_enough_with_a_digest(void **state)
{
    for (int ending = 0; ending < 2; ending++) {
        struct harness h;
        play = say_enough;
        harness_init(&h, &parser, NULL);
        h.task.drain_after_enough = true;
        h.ending = ending ? BODY_COMPLETE : BODY_OPEN;
        harness_run(&h, "hello", 5);
        assert_int_equal(h.task.result, ending ? PENSTOCK_ENOUGH : PENSTOCK_FAILED);
        assert_int_equal(h.task.body_ended, ending);
        harness_deinit(&h);
    }
}

static int read_all_then_enough(FILE *body, struct penstock_run *r)
{
    read_all(body, r);
    return PENSTOCK_ENOUGH;
}

static void test_enough_of_an_aborted_body(void **state)
{
    struct harness h;
    run(&h, read_all_then_enough, BODY_OPEN);
    assert_result(&h, PENSTOCK_FAILED, KIND_TRUNCATED, "did not arrive whole");
    harness_deinit(&h);
}

/* --- failing ---------------------------------------------------------------------------------- */

static int fail_silently(FILE *body, struct penstock_run *r)
{
    return PENSTOCK_FAILED;
}

static int fail_with_reason(FILE *body, struct penstock_run *r)
{
    int said = r->fail(r, 7, 42, "bad\nthing \xff here");
    r->fail(r, 8, 43, "a second one");
    return said;
}

static int fail_but_say_ok(FILE *body, struct penstock_run *r)
{
    r->fail(r, 0, PENSTOCK_NO_OFFSET, "no");
    return PENSTOCK_OK;
}

static int fail_without_text(FILE *body, struct penstock_run *r)
{
    return r->fail(r, 3, 4, NULL);
}

static int return_nonsense(FILE *body, struct penstock_run *r)
{
    return 7;
}

static int fail_at_length(FILE *body, struct penstock_run *r)
{
    char text[2000];
    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "é", 3);
    return r->fail(r, 0, 0, text);
}

static void test_failures(void **state)
{
    struct harness h;
    run(&h, fail_silently, BODY_COMPLETE);
    assert_result(&h, PENSTOCK_FAILED, KIND_PARSER_FAILED, "gave no reason");
    assert_int_equal(h.task.line, 0);
    assert_true(h.task.offset == PENSTOCK_NO_OFFSET);
    harness_deinit(&h);

    run(&h, fail_with_reason, BODY_COMPLETE);
    assert_result(&h, PENSTOCK_FAILED, KIND_PARSER_FAILED, "bad thing ? here");
    assert_int_equal(h.task.line, 7);
    assert_int_equal(h.task.offset, 42);
    harness_deinit(&h);

    run(&h, fail_but_say_ok, BODY_COMPLETE);
    assert_result(&h, PENSTOCK_FAILED, KIND_PARSER_FAILED, "no");
    harness_deinit(&h);

    run(&h, fail_without_text, BODY_COMPLETE);
    assert_result(&h, PENSTOCK_FAILED, KIND_PARSER_FAILED, "gave no reason");
    assert_int_equal(h.task.line, 3);
    harness_deinit(&h);

    run(&h, return_nonsense, BODY_COMPLETE);
    assert_result(&h, PENSTOCK_FAILED, KIND_PARSER_FAILED, "returned 7");
    harness_deinit(&h);

    run(&h, fail_at_length, BODY_COMPLETE);
    assert_int_equal(strlen(h.task.message), sizeof h.task.message - 2); /* whole characters */
    harness_deinit(&h);
}

/* What a parser says about a body that was cut is a consequence. */
static int read_all_and_complain(FILE *body, struct penstock_run *r)
{
    read_all(body, r);
    return r->fail(r, 1, 6, "unexpected end of input");
}

static void test_complaint_after_the_abort(void **state)
{
    struct harness h;
    run(&h, read_all_and_complain, BODY_OPEN);
    assert_result(&h, PENSTOCK_FAILED, KIND_TRUNCATED, "unexpected end of input");
    harness_deinit(&h);
    run(&h, read_all_and_complain, BODY_COMPLETE);
    assert_result(&h, PENSTOCK_FAILED, KIND_PARSER_FAILED, "unexpected end of input");
    harness_deinit(&h);
}

static atomic_int partial_lines;

/* The classic: getline gives the torn last line, and the caller takes it for one. */
static int emit_lines_by_getline(FILE *body, struct penstock_run *r)
{
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, body) > 0) {
        if (!strchr(line, '\n'))
            atomic_fetch_add(&partial_lines, 1);
        emit(r, "true");
    }
    free(line);
    return PENSTOCK_OK;
}

static void test_getline_of_a_torn_line(void **state)
{
    struct harness h;
    play = emit_lines_by_getline;
    harness_init(&h, &parser, NULL);
    h.ending = BODY_OPEN;
    harness_run(&h, "whole\npart", 10);
    assert_int_equal(atomic_load(&partial_lines), 1);
    assert_string_equal(h.records.data, "true\ntrue\n");
    assert_result(&h, PENSTOCK_FAILED, KIND_TRUNCATED, "did not arrive whole");
    harness_deinit(&h);
}

/* --- emitting --------------------------------------------------------------------------------- */

static int emit_odd_values(FILE *body, struct penstock_run *r)
{
    assert_int_equal(emit(r, "{\n \"a\" : [1.50,\r\n\t2]\n}\n"), 0);
    assert_int_equal(emit(r, " \"x\\n\" "), 0);
    assert_int_equal(emit(r, "1e400"), 0);
    return PENSTOCK_OK;
}

static void test_emit(void **state)
{
    struct harness h;
    run(&h, emit_odd_values, BODY_COMPLETE);
    assert_result(&h, PENSTOCK_OK, KIND_NONE, NULL);
    assert_string_equal(h.records.data, "{\"a\" : [1.50,2]}\n\"x\\n\"\n1e400\n");
    assert_int_equal(h.task.source.seq, 3);
    harness_deinit(&h);
}

static const char *bad_record;

static int emit_bad_value(FILE *body, struct penstock_run *r)
{
    assert_int_equal(emit(r, "1"), 0);
    assert_int_equal(emit(r, bad_record), -EINVAL);
    assert_int_equal(emit(r, "2"), -ECANCELED); /* no gap in the records */
    return PENSTOCK_OK;
}

static void test_emit_bad_values(void **state)
{
    static const char *const bads[] = {"",     " ",   "{",        "1 2",
                                       "[1,]", "nul", "\"\xff\"", "{\"a\":1}}"};
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        struct harness h;
        bad_record = bads[i];
        run(&h, emit_bad_value, BODY_COMPLETE);
        assert_result(&h, PENSTOCK_FAILED, KIND_PARSER_FAILED, "not one JSON value");
        assert_string_equal(h.records.data, "1\n");
        harness_deinit(&h);
    }
}

static int emit_large(FILE *body, struct penstock_run *r)
{
    assert_int_equal(emit(r, "\"12345678\""), 0);
    assert_int_equal(emit(r, "\"123456789\""), -EMSGSIZE);
    return PENSTOCK_OK;
}

static void test_emit_too_large(void **state)
{
    struct harness h;
    play = emit_large;
    harness_init(&h, &parser, NULL);
    h.task.record_bytes = 10;
    harness_run(&h, "", 0);
    assert_result(&h, PENSTOCK_FAILED, KIND_LIMIT_EXCEEDED, "11 bytes");
    harness_deinit(&h);
}

static int emit_until_refused(FILE *body, struct penstock_run *r)
{
    int code = 0;
    for (int i = 0; i < 5 && code == 0; i++)
        code = emit(r, "0");
    assert_int_not_equal(code, 0);
    return PENSTOCK_OK;
}

static void test_sink_refuses(void **state)
{
    static const struct {
        int code;
        enum error_kind kind;
        const char *message;
    } refusals[] = {
        {-ECANCELED, KIND_INTERNAL, "the job had ended"},
        {-EMSGSIZE, KIND_LIMIT_EXCEEDED, "over the limit"},
        {-ENOMEM, KIND_RESOURCES, "Cannot allocate memory"},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct harness h;
        play = emit_until_refused;
        harness_init(&h, &parser, NULL);
        h.emit_result = refusals[i].code;
        h.emit_from = 2;
        harness_run(&h, "hello", 5);
        assert_result(&h, PENSTOCK_FAILED, refusals[i].kind, refusals[i].message);
        assert_string_equal(h.records.data, "0\n0\n");
        harness_deinit(&h);
    }
}

/* --- asking ----------------------------------------------------------------------------------- */

static int ask(FILE *body, struct penstock_run *r)
{
    assert_int_equal(r->abi, PENSTOCK_PARSER_ABI);
    assert_int_equal(r->size, sizeof(struct penstock_run));
    assert_string_equal(r->url(r), "http://example.org/");
    assert_int_equal(r->status(r), 203);
    assert_string_equal(r->header(r, "content-TYPE"), "text/css");
    assert_null(r->header(r, "Content"));
    assert_string_equal(r->option(r, "color"), "green");
    assert_string_equal(r->option(r, "shape"), "round");
    assert_null(r->option(r, "size"));
    assert_string_equal(r->label(r, "team"), "a");
    assert_null(r->label(r, "Team"));
    assert_int_equal(r->cancelled(r), 0);
    return PENSTOCK_OK;
}

static void test_facts(void **state)
{
    static const struct parse_pair headers[] = {{"Content-Type", "text/html"},
                                                {"Content-Type", "text/css"}};
    static const struct parse_pair labels[] = {{"team", "a"}};
    struct harness h;
    play = ask;
    harness_init(&h, &parser, "shape=round");
    h.task.facts.status = 203;
    h.task.facts.headers = headers;
    h.task.facts.header_count = 2;
    h.task.facts.labels = labels;
    h.task.facts.label_count = 1;
    harness_run(&h, "", 0);
    assert_result(&h, PENSTOCK_OK, KIND_NONE, NULL);
    harness_deinit(&h);
}

static int ask_default(FILE *body, struct penstock_run *r)
{
    assert_null(r->option(r, "shape"));
    return PENSTOCK_OK;
}

static void test_option_without_default(void **state)
{
    struct harness h;
    run(&h, ask_default, BODY_COMPLETE);
    assert_result(&h, PENSTOCK_OK, KIND_NONE, NULL);
    harness_deinit(&h);
}

static int wait_for_cancel(FILE *body, struct penstock_run *r)
{
    TEST_WAIT(r->cancelled(r), 60000 * test_patience()); /* the body's abort */
    return PENSTOCK_OK;
}

static int shut_and_ask(FILE *body, struct penstock_run *r)
{
    struct harness *h = container_of(r, struct harness, task.run);
    assert_int_equal(r->cancelled(r), 0);
    atomic_store(&h->task.source.shut, true);
    assert_int_not_equal(r->cancelled(r), 0);
    return PENSTOCK_OK;
}

static void test_cancelled(void **state)
{
    struct harness h;
    play = wait_for_cancel;
    harness_init(&h, &parser, NULL);
    h.ending = BODY_ABORTED;
    harness_run(&h, "", 0);
    assert_int_equal(h.task.result, PENSTOCK_FAILED);
    harness_deinit(&h);

    play = shut_and_ask;
    harness_init(&h, &parser, NULL);
    harness_run(&h, "", 0);
    assert_int_equal(h.task.result, PENSTOCK_OK);
    harness_deinit(&h);
}

/* --- clocks ----------------------------------------------------------------------------------- */

static void test_busy_arithmetic(void **state)
{
    struct parse_task task = {.body = body_new()};
    assert_int_equal(parse_task_busy(&task, 1000), 0);
    atomic_store(&task.started, 100);
    assert_int_equal(parse_task_busy(&task, 1000), 900);
    atomic_store(&task.body->read_wait, 200);
    atomic_store(&task.source.wait, 300);
    assert_int_equal(parse_task_busy(&task, 1000), 400);
    atomic_store(&task.body->read_wait_since, 900);
    assert_int_equal(parse_task_busy(&task, 1000), 300);
    atomic_store(&task.body->read_wait_since, 0);
    atomic_store(&task.source.wait_since, 950);
    assert_int_equal(parse_task_busy(&task, 1000), 350);
    atomic_store(&task.source.wait, 5000); /* a race with the sums: never below 0 */
    assert_int_equal(parse_task_busy(&task, 1000), 0);
    atomic_store(&task.source.wait, 300);
    atomic_store(&task.source.wait_since, 0);
    atomic_store(&task.ended, 800);
    assert_int_equal(parse_task_busy(&task, 1000), 200);
    assert_int_equal(parse_task_busy(&task, 50), 200);
    body_unref(task.body);
}

static void *run_task(void *arg)
{
    struct parse_task *task = arg;
    parse_task_run(task);
    return NULL;
}

/* A parser that waits for its origin is not busy, however long. */
static void test_waiting_is_not_busy(void **state)
{
    struct harness h;
    pthread_t thread;
    int ends[2];
    play = read_all;
    harness_init(&h, &parser, NULL);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    h.task.read_fd = ends[0];
    assert_int_equal(pthread_create(&thread, NULL, run_task, &h.task), 0);
    TEST_WAIT(atomic_load(&h.task.body->read_wait_since) > 0, 60000 * test_patience());
    uint64_t hour = 3600 * NS_PER_SEC;
    uint64_t began = atomic_load(&h.task.started), now = clock_now();
    assert_true(parse_task_busy(&h.task, now + hour) <= now - began);
    body_settle(h.task.body, BODY_COMPLETE);
    fd_close(&ends[1]);
    pthread_join(thread, NULL);
    assert_result(&h, PENSTOCK_OK, KIND_NONE, NULL);
    uint64_t busy = parse_task_busy(&h.task, clock_now());
    assert_int_equal(parse_task_busy(&h.task, clock_now() + hour), busy);
    harness_deinit(&h);
}

/* --- the end of a run ------------------------------------------------------------------------- */

static int peer_fd;

/* When `done` is called, the read end is closed and the results stand. */
static void check_at_done(struct parse_task *task)
{
    assert_int_equal(write(peer_fd, "x", 1), -1);
    assert_int_equal(errno, EPIPE);
    assert_int_equal(task->result, PENSTOCK_ENOUGH);
    assert_int_equal(task->source.seq, 1);
    assert_true(atomic_load(&task->ended) >= atomic_load(&task->started));
}

static void test_done_is_last(void **state)
{
    struct harness h;
    int ends[2];
    play = say_enough;
    harness_init(&h, &parser, NULL);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    peer_fd = ends[1];
    h.task.read_fd = ends[0];
    h.task.done = check_at_done;
    parse_task_run(&h.task);
    fd_close(&ends[1]);
    harness_deinit(&h);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ok),
        cmocka_unit_test(test_overlooked_abort),
        cmocka_unit_test(test_enough),
        cmocka_unit_test(test_enough_with_a_digest),
        cmocka_unit_test(test_enough_of_an_aborted_body),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_complaint_after_the_abort),
        cmocka_unit_test(test_getline_of_a_torn_line),
        cmocka_unit_test(test_emit),
        cmocka_unit_test(test_emit_bad_values),
        cmocka_unit_test(test_emit_too_large),
        cmocka_unit_test(test_sink_refuses),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_option_without_default),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_busy_arithmetic),
        cmocka_unit_test(test_waiting_is_not_busy),
        cmocka_unit_test(test_done_is_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
