/* The worker's side of a process: records out of its output, and runs by a real host. */
#include "parse/process.h"
#include "parse/process_records.h"

#include "base/clock.h"
#include "flow/pipeline_kill.h"
#include "harness.h"
#include "parse/process_host.h"

#include <dirent.h>
#include <sys/resource.h>

/* --- records ---------------------------------------------------------------------------------- */

static enum process_output output;
static size_t piece;
static uint64_t last_replaced;

/* A parser whose body is the output of a process. */
static int feed_records(FILE *body, struct penstock_run *run)
{
    struct records r;
    int e = 0;
    records_init(&r, container_of(run, struct parse_task, run), output);
    for (;;) {
        char *room = records_room(&r, piece);
        assert_non_null(room);
        size_t n = fread(room, 1, piece, body);
        if (n == 0)
            break;
        e = records_take(&r, n);
        if (e < 0)
            break;
        assert_true(r.data.size <= 2 * (r.max + piece) + 4096);
    }
    if (e == 0)
        e = records_end(&r);
    records_deinit(&r);
    return e < 0 ? PENSTOCK_FAILED : PENSTOCK_OK;
}

static const struct penstock_parser feeder = {.abi = PENSTOCK_PARSER_ABI,
                                              .size = sizeof(struct penstock_parser),
                                              .name = "feeder",
                                              .summary = "feeds records",
                                              .parse = feed_records};

/* Whatever its pieces, the text gives these records, and the job this kind (KIND_NONE: it is
 * well). */
static void expect(enum process_output how, const char *text, size_t len, size_t max,
                   const char *records, enum error_kind kind, const char *message)
{
    static const size_t pieces[] = {1, 2, 3, 7, 4096};
    output = how;
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct harness h;
        piece = pieces[i];
        harness_init(&h, &feeder, NULL);
        h.task.record_bytes = max;
        harness_run(&h, text, len);
        assert_string_equal(h.records.data, records);
        assert_int_equal(h.task.kind, kind);
        assert_int_equal(h.task.result, kind == KIND_NONE ? PENSTOCK_OK : PENSTOCK_FAILED);
        if (message && !strstr(h.task.message, message))
            fail_msg("%s: %s", message, h.task.message);
        last_replaced = h.task.replaced;
        harness_deinit(&h);
    }
}

static void test_text(void **state)
{
    expect(PROCESS_TEXT, "", 0, 0, "", KIND_NONE, NULL);
    expect(PROCESS_TEXT, "a\nb\r\n\n\"q\"ü\nlast", 16, 0,
           "\"a\"\n\"b\"\n\"\"\n\"\\\"q\\\"ü\"\n\"last\"\n", KIND_NONE, NULL);
    expect(PROCESS_TEXT, "\xff\xe2\x82\xc0\n\"", 6, 0,
           "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"\n\"\\\"\"\n", KIND_NONE, NULL);
    assert_int_equal(last_replaced, 3);
    expect(PROCESS_TEXT, "ü\n", 3, 0, "\"ü\"\n", KIND_NONE, NULL);
    assert_int_equal(last_replaced, 0);
    expect(PROCESS_TEXT, "12345678\n", 9, 10, "\"12345678\"\n", KIND_NONE, NULL);
    expect(PROCESS_TEXT, "1\n123456789012", 14, 10, "\"1\"\n", KIND_LIMIT_EXCEEDED,
           "parse.max_record");
}

static void test_json(void **state)
{
    expect(PROCESS_JSON, "{\"a\": 1}\n\n  \n[2]\r\n1.50", 22, 0, "{\"a\": 1}\n[2]\n1.50\n",
           KIND_NONE, NULL);
    expect(PROCESS_JSON, "1\n{]\n2\n", 7, 0, "1\n", KIND_PARSER_FAILED, "line 2 of the output");
    expect(PROCESS_JSON, "1\n2 3\n", 6, 0, "1\n", KIND_PARSER_FAILED, "line 2 of the output");
}

static void test_emits(void **state)
{
    expect(PROCESS_RECORDS, "\1\0\0\0007\3\0\0\0[1]", 12, 0, "7\n[1]\n", KIND_NONE, NULL);
    /* Half an emit: its process did not live to write the rest. */
    expect(PROCESS_RECORDS, "\1\0\0\0007\3\0\0\0[1", 11, 0, "7\n", KIND_NONE, NULL);
    expect(PROCESS_RECORDS, "\1\0\0\0007\3\0\0", 8, 0, "7\n", KIND_NONE, NULL);
    expect(PROCESS_RECORDS, "\1\0\0\0007\2\0\0\0{]", 11, 0, "7\n", KIND_PARSER_FAILED,
           "not one JSON");
    expect(PROCESS_RECORDS, "\1\0\0\0007\xff\xff\xff\x7f", 9, 0, "7\n", KIND_LIMIT_EXCEEDED,
           "max_record");
}

/* --- runs ------------------------------------------------------------------------------------- */

static const struct penstock_parser exec_parser = {.abi = PENSTOCK_PARSER_ABI,
                                                   .size = sizeof(struct penstock_parser),
                                                   .name = "exec",
                                                   .summary = "a pipeline"};

static size_t fd_count(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* The stages, each a command line, ended by NULL. */
static void define(struct process_def *def, const char *const *lines)
{
    struct error err = {""};
    *def = (struct process_def){.output = PROCESS_TEXT};
    for (; *lines; lines++)
        if (process_def_add_stage(def, *lines, &err) < 0)
            fail_msg("%s", err.text);
}

/* As harness_run, for a process. *ret_write_fd, unless NULL, becomes the body's write end, and
 * `data` is nothing: the writer is the caller. */
static void run_process_with(struct harness *h, const struct process_def *def, const char *data,
                             size_t len, int *ret_write_fd)
{
    int ends[2];
    pthread_t thread;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(body_watch(h->task.body), 0);
    h->data = data;
    h->len = len;
    h->write_fd = ends[1];
    process_attach(&h->task, def);
    h->task.read_fd = ends[0];
    h->task.write_fd = fd_dup(ends[1]);
    assert_true(h->task.write_fd >= 0);
    if (ret_write_fd)
        *ret_write_fd = ends[1];
    else
        assert_int_equal(pthread_create(&thread, NULL, harness_feed, h), 0);
    parse_task_run(&h->task);
    if (!ret_write_fd)
        pthread_join(thread, NULL);
    assert_int_equal(h->done, 1);
    assert_int_equal(atomic_load(&h->task.body->refs), 1);
    if (!h->records.data)
        buf_puts(&h->records, "");
}

static void run_process(struct harness *h, const struct process_def *def, const char *data,
                        size_t len)
{
    run_process_with(h, def, data, len, NULL);
}

struct expected {
    const char *stages[4];
    enum body_state ending;
    const char *records;
    enum penstock_result result;
    enum error_kind kind;
    const char *message;
};

static void check_run(const struct expected *x, const char *data, size_t len)
{
    struct process_def def;
    struct harness h;
    size_t before = fd_count();
    define(&def, x->stages);
    harness_init(&h, &exec_parser, NULL);
    h.ending = x->ending;
    run_process(&h, &def, data, len);
    if (strcmp(h.records.data, x->records) != 0 || h.task.result != x->result ||
        h.task.kind != x->kind || (x->message && !strstr(h.task.message, x->message)))
        fail_msg("%s: %d %d %s\n%s", x->stages[0], h.task.result, h.task.kind, h.task.message,
                 h.records.data);
    harness_deinit(&h);
    process_def_deinit(&def);
    assert_int_equal(fd_count(), before);
}

static void test_runs(void **state)
{
    static const struct expected runs[] = {
        {{"cat"}, BODY_COMPLETE, "\"one\"\n\"two\"\n", PENSTOCK_OK, KIND_NONE, NULL},
        {{"sort -r", "head -n 1"}, BODY_COMPLETE, "\"two\"\n", PENSTOCK_OK, KIND_NONE, NULL},
        {{"sh -c 'cat >/dev/null; exit 3'"},
         BODY_COMPLETE,
         "",
         PENSTOCK_FAILED,
         KIND_PARSER_FAILED,
         "stage 1 (sh) exited with 3"},
        {{"cat", "sh -c 'echo why >&2; kill -ABRT $$'"},
         BODY_COMPLETE,
         "",
         PENSTOCK_FAILED,
         KIND_PARSER_CRASHED,
         "stage 2 (sh) was killed by signal 6 (Aborted): why"},
        {{"cat", "/no/such"}, BODY_COMPLETE, "", PENSTOCK_FAILED, KIND_EXEC_FAILED, "/no/such"},
        /* Nobody vouches for the end, in whatever way: nobody sees one. */
        {{"sh -c 'cat >/dev/null; echo end'"},
         BODY_ABORTED,
         "",
         PENSTOCK_FAILED,
         KIND_TRUNCATED,
         NULL},
        {{"sh -c 'cat >/dev/null; echo end'"},
         BODY_ENDED,
         "",
         PENSTOCK_FAILED,
         KIND_TRUNCATED,
         NULL},
        {{"cat", "setsid sh -c 'cat >/dev/null; echo end'", "cat"},
         BODY_ABORTED,
         "",
         PENSTOCK_FAILED,
         KIND_TRUNCATED,
         NULL},
    };
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++)
        check_run(&runs[i], "one\ntwo\n", 8);
}

/* A body without an end, of which a stage wants a line. */
static void test_enough(void **state)
{
    static char lines[1 << 20];
    memset(lines, '\n', sizeof lines);
    static const struct expected run = {{"cat", "head -n 1"}, BODY_ABORTED, "\"\"\n",
                                        PENSTOCK_ENOUGH,      KIND_NONE,    NULL};
    struct process_def def;
    struct harness h;
    define(&def, run.stages);
    harness_init(&h, &exec_parser, NULL);
    h.ending = BODY_OPEN;
    run_process(&h, &def, lines, sizeof lines);
    assert_int_equal(h.task.result, PENSTOCK_ENOUGH);
    assert_string_equal(h.records.data, run.records);
    harness_deinit(&h);
    process_def_deinit(&def);
}

/* The sink refuses: everything ends, though the body goes on. */
static void test_refused(void **state)
{
    struct process_def def;
    struct harness h;
    define(&def, (const char *const[]){"yes", NULL});
    harness_init(&h, &exec_parser, NULL);
    h.emit_result = -ECANCELED;
    h.emit_from = 10;
    run_process(&h, &def, "x", 1);
    assert_int_equal(h.task.result, PENSTOCK_FAILED);
    assert_int_equal(h.task.source.seq, 10);
    harness_deinit(&h);
    process_def_deinit(&def);
}

#define FULL_MAX 256

/* Every descriptor that the process may have. */
struct full {
    struct rlimit before;
    int fds[FULL_MAX];
    size_t count;
    int go; /* the body's write end */
};
static struct full full;

/* At the stage's first record, which is its process's number: nothing is left, and the stage may go
 * on. */
static int fill_descriptors(struct parse_task *task, const char *json, size_t len)
{
    struct rlimit low;
    int fd, r = harness_emit(task, json, len);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &full.before), 0);
    low = full.before;
    low.rlim_cur = FULL_MAX / 2;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    while (full.count < FULL_MAX && (fd = fcntl(full.go, F_DUPFD_CLOEXEC, 0)) >= 0)
        full.fds[full.count++] = fd;
    assert_int_equal(errno, EMFILE);
    assert_int_equal(fd_write_all(full.go, "go\n", 3), 0);
    return r;
}

/* The host is killed while the daemon has no descriptor left to look whom it leaves behind. */
static void test_no_descriptors(void **state)
{
    struct process_def def;
    struct harness h;
    pid_t stage;
    define(&def,
           (const char *const[]){"sh -c 'echo $$; read go; kill -9 $PPID; cat >/dev/null'", NULL});
    harness_init(&h, &exec_parser, NULL);
    h.task.emit = fill_descriptors;
    h.ending = BODY_OPEN;
    run_process_with(&h, &def, NULL, 0, &full.go);
    while (full.count > 0)
        close(full.fds[--full.count]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &full.before), 0);
    assert_int_equal(sscanf(h.records.data, "\"%d\"", &stage), 1);
    assert_int_equal(kill(stage, 0), -1);
    assert_int_equal(errno, ESRCH);
    assert_int_equal(h.task.kind, KIND_PARSER_CRASHED);
    close(full.go);
    harness_deinit(&h);
    process_def_deinit(&def);
}

static void test_no_host(void **state)
{
    struct process_def def;
    struct harness h;
    size_t before = fd_count();
    const char *host = process_host();
    process_set_host("/no/such/host");
    define(&def, (const char *const[]){"cat", NULL});
    harness_init(&h, &exec_parser, NULL);
    run_process(&h, &def, "x", 1);
    assert_int_equal(h.task.kind, KIND_RESOURCES);
    assert_non_null(strstr(h.task.message, "/no/such/host"));
    harness_deinit(&h);
    process_def_deinit(&def);
    process_set_host(host);
    assert_int_equal(fd_count(), before);
}

static void test_asking(void **state)
{
    struct error err;
    char *text;
    assert_int_equal(process_ask((const char *const[]){"host", "--version", NULL}, 100,
                                 NS_PER_SEC * 20, &text, &err),
                     0);
    assert_non_null(strstr(text, PENSTOCK_VERSION));
    free(text);
    assert_int_equal(process_ask((const char *const[]){"host", "--help", NULL}, 10, NS_PER_SEC * 20,
                                 &text, &err),
                     -EMSGSIZE);
    assert_int_equal(process_ask((const char *const[]){"host", "--describe", "/etc/passwd", NULL},
                                 4096, NS_PER_SEC * 20, &text, &err),
                     -EINVAL);
    assert_non_null(strstr(err.text, "cannot be loaded"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),           cmocka_unit_test(test_json),
        cmocka_unit_test(test_emits),          cmocka_unit_test(test_runs),
        cmocka_unit_test(test_enough),         cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_host),        cmocka_unit_test(test_asking),
        cmocka_unit_test(test_no_descriptors),
    };
    signal(SIGPIPE, SIG_IGN);
    process_set_host(PENSTOCK_HOST);
    if (pipeline_prepare() < 0) /* first: descriptors are counted from here on */
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
