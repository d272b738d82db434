/* What of a body is to be decoded, and whether its encoding vouches for an end, without a
 * server. */
#include "unit/attempt/request_spec.h"

#include "attempt/encoding.h"

#include <errno.h>

#define GZIP "\x1f\x8b\x08\x00"

static struct encoding e;
static struct spec *spec;
static struct error err;
static struct transfer_header headers[4];
static struct transfer_response response;

static void ask(const char *job)
{
    spec_free(spec);
    spec = request_spec(job);
    encoding_deinit(&e);
    e = (struct encoding){0};
    response = (struct transfer_response){.status = 200, .headers = headers, .content_length = -1};
}

static void answer(const char *value)
{
    headers[response.header_count++] = (struct transfer_header){"content-encoding", value};
}

static int plan(void)
{
    return encoding_plan(&e, spec, 123, 456, &response, &err);
}

static void what_is_encoded_is_decoded(void **state)
{
    ask("{\"url\":\"http://a/\",\"max_decoded\":\"1M\"}");
    answer("gzip");
    assert_int_equal(plan(), 0);
    assert_int_equal(e.plan.coding_count, 1);
    assert_int_equal(e.plan.codings[0], DECODE_GZIP);
    assert_int_equal(e.plan.max_decoded, 1 << 20);
    assert_int_equal(e.plan.max_ratio, 123);
    assert_int_equal(e.plan.max_window, 456);
    assert_string_equal(e.text, "gzip");
    assert_true(encoding_may_vouch(&e, spec));
}

static void several_lines_are_one_field(void **state)
{
    ask("{\"url\":\"http://a/\"}");
    answer("gzip");
    answer("identity");
    answer("");
    answer("br");
    assert_int_equal(plan(), 0);
    assert_string_equal(e.text, "gzip, br");
    assert_int_equal(e.plan.coding_count, 2);
    assert_int_equal(e.plan.codings[1], DECODE_BROTLI);
}

static void identity_is_nothing(void **state)
{
    ask("{\"url\":\"http://a/\"}");
    answer("IDENTITY");
    assert_int_equal(plan(), 0);
    assert_null(e.text);
    assert_int_equal(e.plan.coding_count, 0);
}

static void what_nobody_knows_is_named(void **state)
{
    ask("{\"url\":\"http://a/\"}");
    answer("zip9");
    assert_int_equal(plan(), -EINVAL);
    assert_non_null(strstr(err.text, "zip9"));
}

static void as_it_came(void **state)
{
    ask("{\"url\":\"http://a/\",\"decode\":\"none\"}");
    answer("zip9");
    assert_int_equal(plan(), 0);
    assert_int_equal(e.plan.coding_count, 0);
    assert_string_equal(e.text, "zip9");
    assert_false(encoding_may_vouch(&e, spec));
}

static void the_jobs_charset_is_kept(void **state)
{
    ask("{\"url\":\"http://a/\",\"charset\":\"latin1\",\"charset_errors\":\"replace\"}");
    assert_int_equal(plan(), 0);
    assert_string_equal(e.wanted.option, "latin1");
    assert_true(e.wanted.replace);
    ask("{\"url\":\"http://a/\"}");
    assert_int_equal(plan(), 0);
    assert_string_equal(e.wanted.option, "");
    assert_false(e.wanted.replace);
}

static void the_first_bytes_are_noted_in_pieces(void **state)
{
    char data[DECODE_MAGIC + 10];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)i;
    ask("{\"url\":\"http://a/\"}");
    encoding_note(&e, data, 1);
    assert_false(encoding_noted(&e));
    encoding_note(&e, data + 1, DECODE_MAGIC - 2);
    assert_false(encoding_noted(&e));
    encoding_note(&e, data + DECODE_MAGIC - 1, 11);
    assert_true(encoding_noted(&e));
    encoding_note(&e, "more", 4);
    assert_memory_equal(e.head, data, DECODE_MAGIC);
}

static void a_file_that_shows_what_it_is_vouches(void **state)
{
    ask("{\"url\":\"http://a/\"}");
    assert_int_equal(plan(), 0);
    assert_int_equal(e.plan.file, DECODE_FILE_AUTO);
    assert_false(encoding_may_vouch(&e, spec)); /* no byte has come */
    encoding_note(&e, GZIP "........", 12);
    assert_true(encoding_may_vouch(&e, spec));
    assert_string_equal(encoding_remedy(&e, spec), ""); /* nothing is needed */
    ask("{\"url\":\"http://a/\"}");
    assert_int_equal(plan(), 0);
    encoding_note(&e, "plain text, no more", 19);
    assert_false(encoding_may_vouch(&e, spec));
    assert_string_equal(encoding_remedy(&e, spec), "");
}

/* Its stages may begin with zcat: a file goes there as it is, unless the job names its format. */
static void programs_get_files_as_they_are(void **state)
{
    ask("{\"url\":\"http://a/\",\"parser\":\"wc\"}");
    assert_int_equal(plan(), 0);
    encoding_note(&e, GZIP "........", 12);
    assert_false(encoding_may_vouch(&e, spec));
    assert_string_equal(encoding_remedy(&e, spec), ", and so would `decode = gzip`");
    ask("{\"url\":\"http://a/\",\"parser\":\"wc\",\"decode\":\"gzip\"}");
    assert_int_equal(plan(), 0);
    assert_true(encoding_may_vouch(&e, spec));
}

static int begin(void **state)
{
    static const char *const stages[] = {"wc"};
    const struct parser_section section = {
        .name = "wc", .type = "exec", .stages = stages, .stage_count = 1, .origin = "test"};
    struct error why = {""};
    if (request_spec_begin("") != 0)
        return -1;
    int r = registry_define(registry, &section, &why);
    if (r < 0)
        print_error("%s\n", why.text);
    return r;
}

static int end(void **state)
{
    spec_free(spec);
    encoding_deinit(&e);
    return request_spec_end(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encoded_is_decoded),
        cmocka_unit_test(several_lines_are_one_field),
        cmocka_unit_test(identity_is_nothing),
        cmocka_unit_test(what_nobody_knows_is_named),
        cmocka_unit_test(as_it_came),
        cmocka_unit_test(the_jobs_charset_is_kept),
        cmocka_unit_test(the_first_bytes_are_noted_in_pieces),
        cmocka_unit_test(a_file_that_shows_what_it_is_vouches),
        cmocka_unit_test(programs_get_files_as_they_are),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
