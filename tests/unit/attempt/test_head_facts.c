/* A job that asks for a head alone: what an answer means for it, and what is told of it, without a
 * server. */
#include "download_trial.h"

#include "attempt/redirect.h"

#include <errno.h>

#define HEAD_JOB(members) \
    "{\"url\":\"http://a.test/x\",\"parser\":\"lines\",\"run\":true,\"method\":\"HEAD\"" members "}"

static int begin(void **state)
{
    (void)state;
    return request_spec_begin("");
}

/* The verdict's member, once the transfer has ended. */
static void tells(const char *expected)
{
    struct buf line = BUF_INIT;
    head_facts_put(&line, d->told, &d->end, &d->resume);
    assert_int_equal(buf_putc(&line, '\0'), 0);
    assert_string_equal(line.data, expected);
    buf_deinit(&line);
}

/* No body is waited for, no consumer is told of one, and no parser will run. */
static void test_an_answer_that_a_parser_would_get(void **state)
{
    (void)state;
    trial_begin(HEAD_JOB(""), NULL);
    struct transfer_response r =
        response(200, 77,
                 "Content-Type: text/csv\nContent-Encoding: gzip\nETag: \"1\"\nRetry-After: 1\n"
                 "Last-Modified: Mon, 02 Nov 2020 03:04:05 GMT\nAccept-Ranges: bytes\n"
                 "Date: Tue, 03 Nov 2020 03:04:05 GMT\n");
    r.http_version = 11;
    assert_int_equal(answer_take(d, &r), -ECANCELED);
    assert_int_equal(d->mode, MODE_TOLD);
    assert_int_equal(trial->heads, 0);
    answer_judge_told(d);
    not_failed();
    d->end = (struct transfer_result){
        .address = "192.0.2.1", .tls = "TLSv1.3", .dns_ns = 2000000, .tls_ns = 30000000};
    tells(",\"head\":{\"proxied\":false,\"address\":\"192.0.2.1\",\"tls\":\"TLSv1.3\",\"dns\":"
          "0.002,\"handshake\":0.03,\"http\":\"1.1\",\"type\":\"text/csv\",\"length\":77,"
          "\"encoding\":\"gzip\",\"etag\":\"\\\"1\\\"\",\"last_modified\":\"Mon, 02 Nov 2020 "
          "03:04:05 GMT\",\"accept_ranges\":\"bytes\",\"retry_after\":\"1\",\"resumable\":true}");
}

/* What a download could not be resumed for is told; what the answer does not say is left out. */
static void test_an_answer_that_says_little(void **state)
{
    (void)state;
    trial_begin(HEAD_JOB(""), NULL);
    struct transfer_response r = response(200, -1, "");
    r.http_version = 20;
    assert_int_equal(answer_take(d, &r), -ECANCELED);
    d->told->proxied = true;
    tells(",\"head\":{\"proxied\":true,\"http\":\"2\",\"resumable\":false,\"hindrance\":\"the "
          "origin sent neither ETag nor Last-Modified\"}");
    /* No answer at all. */
    trial_begin(HEAD_JOB(""), NULL);
    tells(",\"head\":{\"proxied\":false}");
}

static void test_versions(void **state)
{
    static const struct {
        int version;
        const char *text;
    } cases[] = {{10, "1.0"}, {11, "1.1"}, {20, "2"}, {30, "3"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[64];
        trial_begin(HEAD_JOB(""), NULL);
        d->told->version = cases[i].version;
        d->told->length = -1;
        snprintf(expected, sizeof expected, ",\"head\":{\"proxied\":false,\"http\":\"%s\"}",
                 cases[i].text);
        tells(expected);
    }
}

/* However long the fields are, and whatever is in them. */
static void test_room(void **state)
{
    struct buf line = BUF_INIT;
    (void)state;
    trial_begin(HEAD_JOB(""), NULL);
    struct head_facts *f = d->told;
    char *const texts[] = {f->type, f->encoding, f->etag, f->modified, f->ranges, f->retry_after};
    const size_t sizes[] = {sizeof f->type,     sizeof f->encoding, sizeof f->etag,
                            sizeof f->modified, sizeof f->ranges,   sizeof f->retry_after};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        memset(texts[i], 1, sizes[i] - 1);
    f->version = 30;
    f->length = INT64_MAX;
    d->end.dns_ns = d->end.tls_ns = UINT64_MAX;
    memset(d->end.address, 1, sizeof d->end.address - 1);
    memset(d->end.tls, 1, sizeof d->end.tls - 1);
    d->resume.hindrance = "the origin's Last-Modified is so young that the next version may have "
                          "the same";
    head_facts_put(&line, f, &d->end, &d->resume);
    assert_false(line.failed);
    assert_true(line.len < HEAD_FACTS_ROOM);
    buf_deinit(&line);
}

/* A status that no parser gets fails the job. Of one that there is no HEAD by, that is said. */
static void test_statuses(void **state)
{
    static const struct {
        int status;
        const char *members, *words; /* NULL: it is well */
    } cases[] = {
        {200, "", NULL},
        {204, "", NULL},
        {404, ",\"accept_status\":\"404\"", NULL},
        {404, "", "a.test port 80 answered 404"},
        {503, "", "a.test port 80 answered 503"},
        {405, "", "answered 405 to HEAD, which it need not know: a GET may work all the same"},
        {501, "", "answered 501 to HEAD, which it need not know: a GET may work all the same"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char job[160];
        snprintf(job, sizeof job, HEAD_JOB("%s"), cases[i].members);
        trial_begin(job, NULL);
        assert_int_equal(answered(cases[i].status, 5, "Content-Type: a/b\n"), -ECANCELED);
        answer_judge_told(d);
        if (cases[i].words)
            failed(KIND_HTTP_STATUS, cases[i].words);
        else
            not_failed();
        assert_string_equal(d->told->type, "a/b"); /* which is told in any case */
    }
}

/* What a GET's head would fail by, fails this one. */
static void test_what_a_get_would_fail_by(void **state)
{
    (void)state;
    trial_begin(HEAD_JOB(",\"expect_type\":\"text/csv\""), NULL);
    assert_int_equal(answered(200, 5, "Content-Type: text/html\n"), -EINVAL);
    failed(KIND_UNEXPECTED, "the origin sent text/html");
    trial_begin(HEAD_JOB(",\"max_body\":4"), NULL);
    assert_int_equal(answered(200, 5, ""), -EFBIG);
    failed(KIND_LIMIT_EXCEEDED, "max_body");
}

/* It is led on, and stays what it is (RFC 9110, 15.4.4). */
static void test_a_redirect(void **state)
{
    static const int statuses[] = {301, 302, 303, 307, 308};
    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        trial_begin(HEAD_JOB(""), NULL);
        struct transfer_response r = response(statuses[i], 0, "");
        r.location = "http://b.test/";
        assert_int_equal(answer_take(d, &r), -ECANCELED);
        assert_string_equal(d->redirect, "http://b.test/");
        assert_int_equal(d->mode, MODE_HEAD);
        assert_int_equal(d->told->version, 0);
        assert_string_equal(redirect_method(statuses[i], "HEAD"), "HEAD");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_an_answer_that_a_parser_would_get, trial_free),
        cmocka_unit_test_teardown(test_an_answer_that_says_little, trial_free),
        cmocka_unit_test_teardown(test_versions, trial_free),
        cmocka_unit_test_teardown(test_room, trial_free),
        cmocka_unit_test_teardown(test_statuses, trial_free),
        cmocka_unit_test_teardown(test_what_a_get_would_fail_by, trial_free),
        cmocka_unit_test_teardown(test_a_redirect, trial_free),
    };
    return cmocka_run_group_tests(tests, begin, request_spec_end);
}
