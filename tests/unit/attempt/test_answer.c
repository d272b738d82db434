/* What a response means for a download, without a server: a redirect, nothing new, an answer that
 * no parser sees, a body, or the rest of one. */
#include "attempt/answer.h"

#include "download_trial.h"

#include <errno.h>

#define JOB(members) "{\"url\":\"http://a.test/x\",\"parser\":\"lines\"" members "}"
#define SECRET       "hunter2hunter2"

static int begin(void **state)
{
    return request_spec_begin("");
}

static struct credential *secret(enum credential_type type)
{
    struct settings_credential given = {.name = (char *)"c", .type = type, .query = (char *)"key"};
    struct credential *c = NULL;
    assert_int_equal(credential_new(&given, "a.test", &c), 0);
    c->marks[0] = strdup(SECRET);
    c->query = type == CREDENTIAL_QUERY ? strdup("key=" SECRET) : NULL;
    return c;
}

/* --- a body ----------------------------------------------------------------------------------- */

static void a_body_goes_to_a_parser(void **state)
{
    trial_begin(JOB(""), NULL);
    assert_int_equal(answered(200, 77, "Content-Type: text/plain\nETag: \"1\"\n"), 0);
    assert_int_equal(d->mode, MODE_STREAM);
    assert_int_equal(d->status, 200);
    assert_int_equal(trial->heads, 1);
    assert_int_equal(atomic_load(&trial->progress.length), 77);
    assert_string_equal(d->resume.validator, "\"1\"");
    not_failed();
}

static void a_consumer_without_memory_stops_it(void **state)
{
    trial_begin(JOB(""), NULL);
    trial->head_result = -ENOMEM;
    assert_int_equal(answered(200, 77, ""), -ENOMEM);
    failed(KIND_RESOURCES, "no memory for the response's head");
}

static void another_type_than_the_one_expected(void **state)
{
    static const struct {
        const char *expected, *sent;
        bool good;
    } cases[] = {
        {"text/csv", "text/csv", true},   {"text/csv", "Text/CSV; charset=utf-8", true},
        {"text/csv", "text/csv2", false}, {"text/csv2", "text/csv", false},
        {"text/*", "text/csv", true},     {"text/*", "TEXT/csv", true},
        {"text/*", "tex", false},         {"text/*", "application/text/", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char job[128], fields[128];
        snprintf(job, sizeof job, JOB(",\"expect_type\":\"%s\""), cases[i].expected);
        snprintf(fields, sizeof fields, "Content-Type: %s\n", cases[i].sent);
        trial_begin(job, NULL);
        int r = answered(200, -1, fields);
        if ((r == 0) != cases[i].good)
            fail_msg("%s for %s: %d", cases[i].sent, cases[i].expected, r);
        if (!cases[i].good)
            failed(KIND_UNEXPECTED, cases[i].sent);
        assert_int_equal(trial->heads, cases[i].good);
    }
    trial_begin(JOB(",\"expect_type\":\"text/csv\""), NULL);
    assert_int_equal(answered(200, -1, ""), -EINVAL);
    failed(KIND_UNEXPECTED, "no Content-Type");
}

/* A cache that had a 206, say. */
static void a_whole_that_is_a_part(void **state)
{
    trial_begin(JOB(""), NULL);
    assert_int_equal(answered(200, 10, "Content-Range: bytes 0-9/20\n"), -EINVAL);
    failed(KIND_TRUNCATED, "bytes 0-9/20");
    assert_int_equal(trial->heads, 0);
}

static void more_is_announced_than_is_allowed(void **state)
{
    trial_begin(JOB(",\"max_body\":100"), NULL);
    assert_int_equal(answered(200, 100, ""), 0);
    trial_begin(JOB(",\"max_body\":100"), NULL);
    assert_int_equal(answered(200, 101, ""), -EFBIG);
    failed(KIND_LIMIT_EXCEEDED, "101 bytes, 100 are allowed");
    trial_begin(JOB(",\"max_body\":100"), NULL);
    assert_int_equal(answered(200, -1, ""), 0); /* it is counted as it comes */
}

static void an_encoding_that_nobody_knows(void **state)
{
    trial_begin(JOB(""), NULL);
    assert_int_equal(answered(200, 10, "Content-Encoding: rot13\n"), -EINVAL);
    failed(KIND_DECODE_ERROR, "rot13");
    assert_int_equal(trial->heads, 0);
}

static void digests_of_the_head_are_taken_if_wanted(void **state)
{
    static const char field[] =
        "Repr-Digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:\n";
    trial_begin(JOB(""), NULL);
    assert_int_equal(answered(200, 10, field), 0);
    assert_true(checksum_runs(&d->checksum));
    trial_begin(JOB(",\"digest_headers\":\"ignore\""), NULL);
    assert_int_equal(answered(200, 10, field), 0);
    assert_false(checksum_runs(&d->checksum));
}

/* --- redirects -------------------------------------------------------------------------------- */

static void a_redirect_is_kept(void **state)
{
    static const int statuses[] = {301, 302, 303, 307, 308};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        trial_begin(JOB(""), NULL);
        struct transfer_response r = response(statuses[i], 10, "");
        r.location = "http://b.test/y";
        assert_int_equal(answer_take(d, &r), -ECANCELED);
        assert_string_equal(d->redirect, "http://b.test/y");
        assert_int_equal(d->mode, MODE_HEAD);
        assert_false(d->again);
        not_failed();
    }
    trial_begin(JOB(""), NULL);
    struct transfer_response r = response(300, 10, "");
    r.location = "http://b.test/y";
    assert_int_equal(answer_take(d, &r), 0); /* no redirect, and no body that is wanted */
    assert_int_equal(d->mode, MODE_EXCERPT);
    assert_null(d->redirect);
}

static void a_redirect_to_nowhere(void **state)
{
    trial_begin(JOB(""), NULL);
    struct transfer_response r = response(302, 10, "");
    r.bad_location = "its Location is no URL";
    assert_int_equal(answer_take(d, &r), -ECANCELED);
    failed(KIND_REDIRECTS, "its Location is no URL");
    assert_null(d->redirect);
    trial_begin(JOB(""), NULL);
    assert_int_equal(answered(302, 10, ""), 0); /* without one it is a status like any other */
    assert_int_equal(d->mode, MODE_EXCERPT);
}

/* What an origin says back of a secret leads nowhere. */
static void a_redirect_with_the_secret(void **state)
{
    trial_begin(JOB(""), secret(CREDENTIAL_QUERY));
    struct transfer_response r = response(302, 10, "");
    r.location = "http://a.test/y?b=1&key=" SECRET;
    assert_int_equal(answer_take(d, &r), -ECANCELED);
    assert_string_equal(d->redirect, "http://a.test/y?b=1");
    trial_begin(JOB(""), secret(CREDENTIAL_QUERY));
    r.location = "http://b.test/" SECRET "/y";
    assert_int_equal(answer_take(d, &r), -ECANCELED);
    failed(KIND_REDIRECTS, "the credential c");
    trial_begin(JOB(""), secret(CREDENTIAL_QUERY));
    r.location = NULL;
    r.bad_location = "no URL: " SECRET;
    assert_int_equal(answer_take(d, &r), -ECANCELED);
    failed(KIND_REDIRECTS, "no URL: **************");
}

/* --- nothing new ------------------------------------------------------------------------------ */

static void asked_with(const char *etag)
{
    const char *fields[CONDITION_HEADERS];
    trial_begin(JOB(""), NULL);
    assert_int_equal(condition_init(&d->condition, NULL, NULL, NULL), 0);
    struct transfer_response r = response(200, 10, "ETag: \"1\"\n");
    condition_note(&d->condition, &r, d->hop->url, 1735689600);
    struct validators v = d->condition.seen;
    d->condition.seen = (struct validators){0};
    condition_deinit(&d->condition);
    d->condition = (struct condition){0};
    assert_int_equal(condition_init(&d->condition, etag, NULL, v.page), 0);
    free(v.etag);
    free(v.modified);
    free(v.page);
    assert_int_equal(condition_ask(&d->condition, d->hop->url, fields), 1);
}

static void nothing_is_new(void **state)
{
    asked_with("\"1\"");
    assert_int_equal(answered(304, -1, "ETag: \"1\"\n"), 0);
    assert_int_equal(d->mode, MODE_UNCHANGED);
    asked_with("\"1\"");
    assert_int_equal(answered(200, 1000, "ETag: \"1\"\n"), -ECANCELED); /* not waited for */
    assert_int_equal(d->mode, MODE_UNCHANGED);
    assert_int_equal(trial->heads, 0);
    not_failed();
    asked_with("\"1\"");
    assert_int_equal(answered(200, 1000, "ETag: \"2\"\n"), 0);
    assert_int_equal(d->mode, MODE_STREAM);
    trial_begin(JOB(""), NULL);
    assert_int_equal(answered(304, -1, "ETag: \"1\"\n"), 0); /* nobody asked */
    assert_int_equal(d->mode, MODE_EXCERPT);
}

/* --- an answer that no parser sees ------------------------------------------------------------ */

static void an_error_is_told_with_its_text(void **state)
{
    trial_begin(JOB(""), NULL);
    assert_int_equal(answered(404, -1, "Retry-After: 5\nRetry-After: 7\n"), 0);
    assert_int_equal(d->mode, MODE_EXCERPT);
    assert_string_equal(d->retry_after, "7"); /* the last one */
    assert_int_equal(trial->heads, 0);
    assert_int_equal(answer_excerpt(d, "no\r\n", 4), TRANSFER_TAKEN);
    assert_int_equal(answer_excerpt(d, "such\x1b\x7fpage", 10), TRANSFER_TAKEN);
    not_failed();
    answer_fail_status(d);
    failed(KIND_HTTP_STATUS, "a.test port 80 answered 404: no such page");
}

static void an_error_without_a_text(void **state)
{
    trial_begin(JOB(""), NULL);
    assert_int_equal(answered(500, 0, ""), 0);
    assert_null(d->retry_after);
    answer_fail_status(d);
    assert_string_equal(cause_of(&trial->cause)->message, "a.test port 80 answered 500");
}

static void an_errors_text_is_cut(void **state)
{
    char text[DOWNLOAD_EXCERPT + 100];
    memset(text, 'x', sizeof text);
    trial_begin(JOB(""), NULL);
    assert_int_equal(answered(500, -1, ""), 0);
    assert_int_equal(answer_excerpt(d, text, DOWNLOAD_EXCERPT - 1), TRANSFER_TAKEN);
    assert_int_equal(answer_excerpt(d, text, 101), -ECANCELED); /* no more is needed */
    assert_int_equal(d->excerpt_len, DOWNLOAD_EXCERPT);
    answer_fail_status(d);
    assert_int_equal(strlen(strstr(cause_of(&trial->cause)->message, "xxx")), DOWNLOAD_EXCERPT);
}

static void an_errors_text_shows_no_secret(void **state)
{
    trial_begin(JOB(""), secret(CREDENTIAL_BEARER));
    assert_int_equal(answered(403, -1, ""), 0);
    answer_excerpt(d, "you sent " SECRET "!", strlen("you sent " SECRET "!"));
    answer_fail_status(d);
    failed(KIND_HTTP_STATUS, "you sent **************!");
}

static void statuses_that_the_job_takes(void **state)
{
    trial_begin(JOB(",\"accept_status\":[404]"), NULL);
    assert_int_equal(answered(404, 10, ""), 0);
    assert_int_equal(d->mode, MODE_STREAM);
    trial_begin(JOB(""), NULL);
    assert_int_equal(answered(206, 10, "Content-Range: bytes 0-9/20\n"), 0); /* nobody asked */
    assert_int_equal(d->mode, MODE_EXCERPT);
}

/* --- the rest of a body ----------------------------------------------------------------------- */

/* A body of 20 bytes that was cut behind its 10th, and is asked for again. */
static void cut(const char *job, unsigned hops)
{
    trial_begin(job, NULL);
    assert_int_equal(answered(200, 20, "ETag: \"1\"\n"), 0);
    resume_took(&d->resume, 0, "0123456789", 10);
    progress_set_bytes(&trial->progress, 10);
    d->resume.count = 1;
    resume_ask(&d->resume, 10);
    trial->hop.count = hops;
}

static void the_same_version_goes_on(void **state)
{
    cut(JOB(""), 1);
    char range[64];
    snprintf(range, sizeof range, "Content-Range: bytes %d-19/20\nETag: \"1\"\n",
             (int)d->resume.asked);
    assert_int_equal(answered(206, 20 - (int64_t)d->resume.asked, range), 0);
    assert_int_equal(d->status, 200); /* the body's, and not the rest's */
    assert_int_equal(trial->heads, 1);
    not_failed();
}

static void another_version_does_not(void **state)
{
    cut(JOB(""), 1);
    char range[64];
    snprintf(range, sizeof range, "Content-Range: bytes %d-19/20\nETag: \"2\"\n",
             (int)d->resume.asked);
    assert_true(answered(206, 20 - (int64_t)d->resume.asked, range) < 0);
    failed(KIND_TRUNCATED, "a.test port 80: ");
}

/* It may come back: the download waits, and is not failed. */
static void a_busy_origin_is_asked_later(void **state)
{
    cut(JOB(""), 1);
    assert_int_equal(answered(503, 10, "Retry-After: 1\n"), -ECANCELED);
    assert_int_equal(d->resume.busy, 503);
    not_failed();
}

/* A signed URL has run out: whoever led there may know another one, once for each piece. */
static void an_expired_url_is_asked_for_again(void **state)
{
    static const int statuses[] = {400, 401, 403, 404, 410};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        cut(JOB(""), 2);
        assert_int_equal(answered(statuses[i], 10, ""), -ECANCELED);
        assert_true(d->again);
        assert_string_equal(d->redirect, "http://a.test/x");
        not_failed();
    }
    free(d->redirect);
    d->redirect = NULL;
    assert_true(answered(410, 10, "") < 0); /* no byte has come since */
    failed(KIND_TRUNCATED, "");
    assert_null(d->redirect);
}

static void others_are_not_asked_for_again(void **state)
{
    cut(JOB(""), 1); /* nobody led there */
    assert_true(answered(403, 10, "") < 0);
    failed(KIND_TRUNCATED, "a.test port 80: ");
    cut(JOB(""), 2); /* no such status */
    assert_true(answered(402, 10, "") < 0);
    assert_false(d->again);
    failed(KIND_TRUNCATED, "");
}

int main(void)
{
#define EACH(test) cmocka_unit_test_teardown(test, trial_free)
    const struct CMUnitTest tests[] = {
        EACH(a_body_goes_to_a_parser),
        EACH(a_consumer_without_memory_stops_it),
        EACH(another_type_than_the_one_expected),
        EACH(a_whole_that_is_a_part),
        EACH(more_is_announced_than_is_allowed),
        EACH(an_encoding_that_nobody_knows),
        EACH(digests_of_the_head_are_taken_if_wanted),
        EACH(a_redirect_is_kept),
        EACH(a_redirect_to_nowhere),
        EACH(a_redirect_with_the_secret),
        EACH(nothing_is_new),
        EACH(an_error_is_told_with_its_text),
        EACH(an_error_without_a_text),
        EACH(an_errors_text_is_cut),
        EACH(an_errors_text_shows_no_secret),
        EACH(statuses_that_the_job_takes),
        EACH(the_same_version_goes_on),
        EACH(another_version_does_not),
        EACH(a_busy_origin_is_asked_later),
        EACH(an_expired_url_is_asked_for_again),
        EACH(others_are_not_asked_for_again),
    };
    return cmocka_run_group_tests(tests, begin, request_spec_end);
}
