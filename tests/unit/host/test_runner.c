/* The process of an isolated parser, at its host's other end: what it may know and do, the records
 * that it sends, and what its report says of how it ended. */
#include "hosted.h"

#include "record/kind.h"

#include <errno.h>
#include <signal.h>

/* What the plug-in says while it is loaded. */
#define BOAST "{\"name\":\"everything\"}\n"

/* An order for a plug-in of tests/unit/host; its option `act` is `act`. */
static struct order order_for(const char *kind, const char *act)
{
    static char path[512];
    static struct parse_pair options[2];
    static const struct parse_pair headers[] = {{"Content-Type", "text/x"}};
    static const struct parse_pair labels[] = {{"who", "me"}};
    snprintf(path, sizeof path, "%s/%s.so", PLUGINS, kind);
    options[0] = (struct parse_pair){"act", act};
    options[1] = (struct parse_pair){"limit", "9"};
    return (struct order){.kind = ORDER_PLUGIN,
                          .plugin = path,
                          .name = strcmp(kind, "printing") == 0 ? "printing" : "acting",
                          .sandbox = true,
                          .facts = {.url = "http://example.org/x",
                                    .status = 206,
                                    .headers = headers,
                                    .header_count = 1,
                                    .options = options,
                                    .option_count = 2,
                                    .labels = labels,
                                    .label_count = 1}};
}

/* The records, each with its length in front, are exactly these, a line each. */
static void records_are(struct hosted *h, const char *expected)
{
    struct buf lines = BUF_INIT;
    hosted_read(h, NULL);
    for (size_t at = 0; at < h->came.len;) {
        uint32_t len;
        assert_true(h->came.len - at >= sizeof len);
        memcpy(&len, h->came.data + at, sizeof len);
        at += sizeof len;
        assert_true(h->came.len - at >= len);
        buf_put(&lines, h->came.data + at, len);
        buf_putc(&lines, '\n');
        at += len;
    }
    buf_putc(&lines, '\0');
    assert_string_equal(lines.data, expected);
    buf_deinit(&lines);
}

static struct report run(struct hosted *h, const struct order *order, const char *body)
{
    hosted_start_fed(h, order, body);
    return hosted_report(h);
}

/* With 0 as its status, whatever came of the body. */
static void ended(const struct report *report)
{
    assert_int_equal(report->kind, REPORT_ENDED);
    assert_int_equal(report->stage, 1);
    assert_true(report->returned);
}

static void test_records(void **state)
{
    static const struct {
        const char *act, *records;
    } rows[] = {
        {"count", "5\n"},
        {"facts", "{\"url\":\"http://example.org/x\",\"status\":206,\"type\":\"text/x\","
                  "\"who\":\"me\",\"limit\":\"9\"}\n"},
        {"descriptors", "[0,1,2,3]\n"},
        {"print", "5\n"}, /* what it prints is no record */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hosted h;
        struct order order = order_for("acting", rows[i].act);
        struct report report = run(&h, &order, "five\n");
        records_are(&h, rows[i].records);
        ended(&report);
        assert_int_equal(report.result, PENSTOCK_OK);
        assert_int_equal(report.error_kind, KIND_NONE);
        assert_true(report.body_ended);
        assert_false(report.vouched); /* nothing was decoded */
        hosted_finish(&h);
    }
}

static void test_what_it_prints_is_for_the_diagnostics(void **state)
{
    struct hosted h;
    struct buf said = BUF_INIT;
    struct order order = order_for("acting", "print");
    run(&h, &order, "");
    assert_true(test_read_file(h.err, &said));
    assert_string_equal(said.data, BOAST "not a record\n");
    buf_deinit(&said);
    hosted_finish(&h);
}

static void test_failures(void **state)
{
    static const struct {
        const char *act;
        int32_t result, kind;
        uint64_t line, offset;
        const char *text;
    } rows[] = {
        {"fail", PENSTOCK_FAILED, KIND_PARSER_FAILED, 7, 42, "the seventh line is odd"},
        {"silent", PENSTOCK_FAILED, KIND_PARSER_FAILED, 0, PENSTOCK_NO_OFFSET, ""},
        {"torn", PENSTOCK_FAILED, KIND_PARSER_FAILED, 0, PENSTOCK_NO_OFFSET, "JSON"},
        {"enough", PENSTOCK_ENOUGH, KIND_NONE, 0, PENSTOCK_NO_OFFSET, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hosted h;
        struct order order = order_for("acting", rows[i].act);
        struct report report = run(&h, &order, "x");
        ended(&report);
        assert_int_equal(report.result, rows[i].result);
        assert_int_equal(report.error_kind, rows[i].kind);
        assert_int_equal(report.line, rows[i].line);
        assert_true(report.offset == rows[i].offset || rows[i].line == 0);
        if (!strstr(report.text, rows[i].text))
            fail_msg("%s: '%s' lacks '%s'", rows[i].act, report.text, rows[i].text);
        hosted_finish(&h);
    }
}

/* A process that does not come back has told nothing, and what it has left in memory is not
 * taken. */
static void test_a_process_that_dies(void **state)
{
    struct hosted h;
    struct order order = order_for("acting", "abort");
    struct report report = run(&h, &order, "");
    assert_int_equal(report.kind, REPORT_ENDED);
    assert_false(report.returned);
    assert_int_equal(report.stage, 0);
    assert_true(WIFSIGNALED(report.status));
    assert_int_equal(WTERMSIG(report.status), SIGABRT);
    hosted_finish(&h);
    order = order_for("acting", "exit"); /* with 0, as if all were well */
    report = run(&h, &order, "");
    assert_int_equal(report.stage, 1);
    assert_false(report.returned);
    hosted_finish(&h);
}

static void test_what_is_counted(void **state)
{
    struct hosted h;
    struct order order = order_for("acting", "repair");
    struct report report = run(&h, &order, "12");
    ended(&report);
    assert_int_equal(report.repaired, 3);
    assert_int_equal(report.replaced, 0);
    assert_string_equal(report.charset, "");
    hosted_finish(&h);
}

/* What it cannot do without is there (the tests above run so as well), all else is not. */
static void test_the_sandbox(void **state)
{
    struct hosted h;
    char expected[64];
    struct order order = order_for("acting", "outside");
    struct report report = run(&h, &order, "");
    ended(&report);
    snprintf(expected, sizeof expected, "[%d,%d,%d]\n", EPERM, EPERM, EPERM);
    records_are(&h, expected);
    hosted_finish(&h);
    order.sandbox = false;
    report = run(&h, &order, "");
    ended(&report);
    hosted_read(&h, NULL);
    assert_non_null(memmem(h.came.data, h.came.len, ",0]", 3));
    hosted_finish(&h);
}

/* --- the beginning ---------------------------------------------------------------------------- */

/* What is wrong before a byte is read is no fault of the body's. */
static void begins_badly(struct order order, int kind, const char *part)
{
    struct hosted h;
    struct report report = run(&h, &order, "");
    ended(&report);
    assert_int_equal(report.result, PENSTOCK_FAILED);
    assert_int_equal(report.error_kind, kind);
    if (!strstr(report.text, part))
        fail_msg("'%s' lacks '%s'", report.text, part);
    records_are(&h, "");
    hosted_finish(&h);
}

static void test_what_cannot_begin(void **state)
{
    struct order order = order_for("missing", "count");
    begins_badly(order, KIND_EXEC_FAILED, "it cannot be loaded");
    order = order_for("setup", "count");
    begins_badly(order, KIND_EXEC_FAILED, "the parser's setup failed");
    order = order_for("acting", "count");
    order.name = "another";
    begins_badly(order, KIND_EXEC_FAILED, "reload the daemon");
    order = order_for("abi", "count");
    begins_badly(order, KIND_EXEC_FAILED, "compile it anew");
}

/* Options are looked at where the parser's own code may run, and that is here. */
static void test_options_that_will_not_do(void **state)
{
    static const struct parse_pair none[] = {{"limit", "none"}};
    struct order order = order_for("acting", "count");
    order.facts.options = none;
    order.facts.option_count = 1;
    begins_badly(order, KIND_PARSER_FAILED, "limit: there has to be one");
}

/* --- the end ---------------------------------------------------------------------------------- */

/* One that is given time meets an error, never an end, and no record that it emits then counts;
 * without time to return it is killed before it meets anything. */
static void cut(uint64_t grace, const char *expected)
{
    struct hosted h;
    struct buf said = BUF_INIT;
    struct order order = order_for("acting", "cut");
    order.grace = grace;
    hosted_start(&h, &order);
    assert_int_equal(fd_write_all(h.body, "half", 4), 0);
    hosted_wait(h.records); /* it reads */
    fd_close(&h.body);
    hosted_say(&h, ORDER_ABORT);
    records_are(&h, "\"reading\"\n");
    assert_true(test_read_file(h.err, &said));
    assert_string_equal(said.data ? said.data : "", expected);
    buf_deinit(&said);
    hosted_end(&h);
}

static void test_a_cut_is_an_error(void **state)
{
    char expected[96];
    snprintf(expected, sizeof expected, BOAST "an error, errno %d, emit %d, cancelled 1\n", EIO,
             -ECANCELED);
    cut(UINT64_C(60000000000) * test_patience(), expected);
    cut(0, BOAST);
}

/* A body whose end nobody has verified is one only where the decoding vouches for it. */
static void test_an_end_that_nobody_verified(void **state)
{
    /* gzip's of "a" */
    static const unsigned char packed[] = {0x1f, 0x8b, 8,    0,    0,    0,    0, 0, 2, 3, 0x4b,
                                           4,    0,    0x43, 0xbe, 0xb7, 0xe8, 1, 0, 0, 0};
    struct order order = order_for("acting", "count");
    for (int decoded = 0; decoded <= 1; decoded++) {
        struct hosted h;
        order.decode = (struct decode_plan){0};
        if (decoded)
            order.decode = (struct decode_plan){.codings = {DECODE_GZIP}, .coding_count = 1};
        hosted_start(&h, &order);
        assert_int_equal(fd_write_all(h.body, packed, sizeof packed), 0);
        fd_close(&h.body);
        hosted_say(&h, ORDER_ENDED);
        struct report report = hosted_report(&h);
        ended(&report);
        assert_int_equal(report.decoding, decoded);
        assert_int_equal(report.vouched, decoded);
        assert_int_equal(report.bytes_decoded, decoded);
        assert_int_equal(report.result, decoded ? PENSTOCK_OK : PENSTOCK_FAILED);
        records_are(&h, decoded ? "1\n" : "");
        hosted_finish(&h);
    }
}

/* --- those that print ------------------------------------------------------------------------- */

static void test_one_that_prints(void **state)
{
    struct hosted h;
    struct buf said = BUF_INIT;
    struct order order = order_for("printing", "");
    order.facts.option_count = 0;
    struct report report = run(&h, &order, "a\nb\n");
    assert_string_equal(hosted_read(&h, NULL), "<a>\n<b>\n");
    ended(&report);
    assert_int_equal(report.result, PENSTOCK_OK);
    hosted_finish(&h);
    report = run(&h, &order, "a\nfail\nb\n");
    assert_string_equal(hosted_read(&h, NULL), "<a>\n");
    ended(&report);
    assert_int_equal(report.result, PENSTOCK_FAILED);
    assert_true(test_read_file(h.err, &said));
    assert_string_equal(said.data, "I have had enough\n");
    buf_deinit(&said);
    hosted_finish(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_what_it_prints_is_for_the_diagnostics),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_a_process_that_dies),
        cmocka_unit_test(test_what_is_counted),
        cmocka_unit_test(test_the_sandbox),
        cmocka_unit_test(test_what_cannot_begin),
        cmocka_unit_test(test_options_that_will_not_do),
        cmocka_unit_test(test_a_cut_is_an_error),
        cmocka_unit_test(test_an_end_that_nobody_verified),
        cmocka_unit_test(test_one_that_prints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
