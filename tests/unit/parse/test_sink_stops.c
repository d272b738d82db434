/* A sink that refuses the n-th record: whichever it is, the parser ends there. It says no other
 * record, as one behind a gap would be a lie, and its job fails for what the sink said. */
#include "pieces.h"

static unsigned refusals, allowed; /* how often it refused; so many records it takes */
static int code;

static int refuse(struct parse_task *task, const char *json, size_t len)
{
    struct harness *h = container_of(task, struct harness, task);
    if (count_lines(h->records.data ? h->records.data : "") == allowed) {
        refusals++;
        return code;
    }
    return harness_emit(task, json, len);
}

static void stop(const struct input *in, const struct told *whole, enum error_kind kind)
{
    struct harness h;
    harness_init(&h, in->parser, in->options);
    h.task.emit = refuse;
    refusals = 0;
    harness_run(&h, in->data, in->len);
    if (refusals != 1)
        fail_msg("%s goes on after record %u was refused: %u times", in->parser->name, allowed,
                 refusals);
    assert_int_equal(h.task.result, PENSTOCK_FAILED);
    if (h.task.kind != kind)
        fail_msg("%s: %s: %s", in->parser->name, kind_name(h.task.kind), h.task.message);
    assert_int_equal(count_lines(h.records.data), allowed);
    assert_int_equal(strncmp(h.records.data, whole->records, h.records.len), 0);
    harness_deinit(&h);
}

/* The input is of so many records. */
static void stop_everywhere(const struct penstock_parser *parser, const char *options,
                            const char *data, size_t records)
{
    static const struct {
        int code;
        enum error_kind kind;
    } refused[] = {
        {-ECANCELED, KIND_INTERNAL}, {-EMSGSIZE, KIND_LIMIT_EXCEEDED}, {-ENOMEM, KIND_RESOURCES}};
    struct input in = {parser, options, data, strlen(data)};
    struct told whole = tell(&in, 0, 4096);
    if (whole.kind != KIND_NONE || count_lines(whole.records) != records)
        fail_msg("%s: %s%s", parser->name, whole.records, whole.message);
    for (allowed = 0; allowed < records; allowed++)
        for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
            code = refused[i].code;
            stop(&in, &whole, refused[i].kind);
        }
    told_deinit(&whole);
}

static void lines_stop(void **state)
{
    (void)state;
    stop_everywhere(&parser_lines, NULL, "a\n\nb\nc", 4);
    stop_everywhere(&parser_lines, "match=(?<x>.)", "a\n\nb\nc", 3);
    stop_everywhere(&parser_fixed, "columns=a:1 b:*", "ab\ncd\ne", 3);
}

static void csv_stops(void **state)
{
    (void)state;
    stop_everywhere(&parser_csv, NULL, "a,b\n1,2\n\"x\ny\"\n3,4,5", 3);
    stop_everywhere(&parser_csv, "header=no", "a\nb\rc\r\nd\n", 4);
}

/* The note about what was skipped is a record as well. */
static void json_stops(void **state)
{
    (void)state;
    stop_everywhere(&parser_ndjson, "on_error=skip", "1\nno\n2\n", 3);
    stop_everywhere(&parser_json, NULL, "[1,[2],{\"a\":3}] [4]", 4);
    stop_everywhere(&parser_json, "each=member", "{\"a\":1,\"b\":2}", 2);
    stop_everywhere(&parser_json, "each=value", "1 [2] \"3\"", 3);
}

static void xml_stops(void **state)
{
    (void)state;
    stop_everywhere(&parser_xml, NULL, "<r><i/><i>x</i><j><i/></j></r>", 3);
    stop_everywhere(&parser_xml, "path=/r", "<r><i/></r>", 1);
    stop_everywhere(&parser_feed, NULL,
                    "<rss version='2.0'><channel><item><title>a</title></item><item><title>b"
                    "</title></item></channel></rss>",
                    2);
    stop_everywhere(&parser_feed, NULL,
                    "{\"version\":\"https://jsonfeed.org/version/1\",\"items\":[{\"id\":\"1\"},"
                    "{\"id\":\"2\"}]}",
                    2);
}

static void sums_stop(void **state)
{
    (void)state;
    stop_everywhere(&parser_count, NULL, "a b\n", 1);
    stop_everywhere(&parser_digest, NULL, "a b\n", 1);
}

/* So does what another parser says of a member, and no further member is begun. */
static void members_stop(void **state)
{
    static const char records[] =
        "WARC/1.0\r\nWARC-Type: resource\r\nWARC-Target-URI: http://a/\r\nWARC-Date: 2024\r\n"
        "WARC-Record-ID: <i>\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\na\nb\r\n\r\n"
        "WARC/1.0\r\nWARC-Type: resource\r\nWARC-Target-URI: http://b/\r\nWARC-Date: 2024\r\n"
        "WARC-Record-ID: <j>\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nc\nd\r\n\r\n";
    (void)state;
    stop_everywhere(&parser_warc, "parser=lines", records, 4);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_stop), cmocka_unit_test(csv_stops), cmocka_unit_test(json_stops),
        cmocka_unit_test(xml_stops),  cmocka_unit_test(sums_stop), cmocka_unit_test(members_stop),
    };
    return cmocka_run_group_tests_name("a sink that refuses", tests, NULL, NULL);
}
