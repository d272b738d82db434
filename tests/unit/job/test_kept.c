/* What is kept of an attempt beyond its lines: the body that broke a parser, and records. */
#include "job/kept.h"

#include "jobs_world.h"

#define HOST "127.0.0.1"

static struct world *w;

static uint64_t submit(const char *path, const char *members)
{
    char text[1024];
    snprintf(text, sizeof text, "{\"url\":\"http://" HOST ":%u%s\",\"max_attempts\":1%s}",
             (unsigned)origin_port(w->origin), path, members);
    return world_submit_json(w, text);
}

static struct world *keeping_world(void)
{
    char settings[512];
    static unsigned number;
    snprintf(settings, sizeof settings, "[flow]\nspool_dir = %s\n", test_path("spool%u", ++number));
    return world_new(settings, false);
}

/* Of a verdict's line: the path after "kept"; "" if there is none. */
static const char *kept_path(void)
{
    static char path[512];
    struct buf log = BUF_INIT;
    path[0] = '\0';
    assert_true(test_read_file(w->log, &log));
    buf_putc(&log, '\0');
    const char *at = strstr(log.data, "\"kept\":\"");
    if (at)
        snprintf(path, sizeof path, "%.*s", (int)strcspn(at + 8, "\""), at + 8);
    buf_deinit(&log);
    return path;
}

#define BAD_JSON "/text?text=%7B%22a%22%3A%5B1%2C"

static void test_a_body_that_broke_a_parser(void **state)
{
    struct buf body = BUF_INIT;
    (void)state;
    w = keeping_world();
    uint64_t id = submit(BAD_JSON, ",\"parser\":\"json\",\"keep_body\":\"failed\"");
    world_wait_end(w, id, JOB_FAILED);
    assert_int_equal(world_end_of(w, id)->error, KIND_PARSER_FAILED);
    assert_true(test_read_file(kept_path(), &body));
    assert_int_equal(body.len, strlen("{\"a\":[1,"));
    assert_memory_equal(body.data, "{\"a\":[1,", body.len);
    buf_deinit(&body);
    world_free(w);
}

/* Nobody asked; or it was no fault of the body. */
static void test_bodies_that_are_not_kept(void **state)
{
    (void)state;
    w = keeping_world();
    world_wait_end(w, submit(BAD_JSON, ",\"parser\":\"json\""), JOB_FAILED);
    world_wait_end(w, submit("/bytes?n=10", ",\"parser\":\"count\",\"keep_body\":\"failed\""),
                   JOB_DONE);
    world_wait_end(
        w, submit("/bytes?n=1&status=404", ",\"parser\":\"count\",\"keep_body\":\"failed\""),
        JOB_FAILED);
    assert_string_equal(kept_path(), "");
    world_free(w);
}

/* --- records ---------------------------------------------------------------------------------- */

struct got {
    struct results_get get;
    bool done;
};

static void on_got(struct mail *mail)
{
    container_of(mail, struct got, get.mail)->done = true;
}

/* So many lines are kept under its id; or a negative errno. */
static int64_t lines_kept(uint64_t id)
{
    struct got g = {.get = {.job = id, .attempt = 1}};
    mail_init(&g.get.mail, on_got);
    results_get(w->jobs->results, &g.get);
    WORLD_WAIT(w, g.done);
    free(g.get.text);
    return g.get.result < 0 ? g.get.result : (int64_t)g.get.lines;
}

/* They are there for whoever knows the verdict. */
static void test_records_are_kept_before_the_verdict(void **state)
{
    (void)state;
    w = keeping_world();
    w->gate.hold[GATE_FINISH] = true;
    uint64_t id = submit("/lines?n=5", ",\"parser\":\"lines\",\"keep_records\":\"yes\"");
    WORLD_WAIT(w, w->gate.held_count == 1);
    assert_int_equal(lines_kept(id), 5);
    assert_int_equal(world_logged(w, "\"records_kept\":true"), 1);
    gate_release(&w->gate);
    world_wait_end(w, id, JOB_DONE);
    assert_int_equal(lines_kept(id), 5);
    world_free(w);
}

static void test_records_that_are_not_kept(void **state)
{
    (void)state;
    w = keeping_world();
    uint64_t id = submit("/lines?n=5", ",\"parser\":\"lines\"");
    world_wait_end(w, id, JOB_DONE);
    assert_int_equal(lines_kept(id), -ENOENT);
    id = submit(BAD_JSON, ",\"parser\":\"json\",\"keep_records\":\"yes\"");
    world_wait_end(w, id, JOB_FAILED);
    assert_int_equal(lines_kept(id), -ENOENT); /* of no attempt that failed */
    assert_int_equal(world_logged(w, "\"records_kept\""), 0);
    world_free(w);
}

/* The job is done all the same, and says what is missing. */
static void test_records_that_cannot_be_kept(void **state)
{
    char settings[512];
    (void)state;
    snprintf(settings, sizeof settings, "[flow]\nspool_dir = %s\n[results]\nmax_size = 1K\n",
             test_path("spoolx"));
    w = world_new(settings, false);
    uint64_t id = submit("/lines?n=1000", ",\"parser\":\"lines\",\"keep_records\":\"yes\"");
    world_wait_end(w, id, JOB_DONE);
    assert_int_equal(lines_kept(id), -ENOENT);
    assert_int_equal(world_logged(w, "\"records_kept\":false,\"records_lost\":\""), 1);
    assert_int_equal(world_logged(w, "\"event\":\"record\""), 1000);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_body_that_broke_a_parser),
        cmocka_unit_test(test_bodies_that_are_not_kept),
        cmocka_unit_test(test_records_are_kept_before_the_verdict),
        cmocka_unit_test(test_records_that_are_not_kept),
        cmocka_unit_test(test_records_that_cannot_be_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
