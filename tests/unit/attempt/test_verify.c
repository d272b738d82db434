/* The judgement of a download's end: who says that the body is whole, and is it what was asked
 * for? */
#include "attempt/verify.h"

#include "download_trial.h"

#include <errno.h>

#define JOB(members) "{\"url\":\"http://a.test/\",\"parser\":\"lines\"" members "}"
#define HELLO_HEX    "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define GZIP_MAGIC   "\x1f\x8b\x08\x00........"

static int begin(void **state)
{
    return request_spec_begin("");
}

/* This came, and the transfer's end is verified so. */
static int came(const char *job, const char *body, enum verified_by verified)
{
    trial_begin(job, NULL);
    struct transfer_response response = {.status = 200, .content_length = -1};
    struct error err;
    size_t len = strlen(body);
    assert_int_equal(encoding_plan(&d->encoding, d->spec, 1000, 8 << 20, &response, &err), 0);
    encoding_note(&d->encoding, body, len);
    assert_int_equal(checksum_update(&d->checksum, body, len), 0);
    progress_set_bytes(&trial->progress, len);
    d->end.verified = verified;
    return verify_whole(d);
}

static void what_http_verifies_is_whole(void **state)
{
    static const enum verified_by ways[] = {VERIFIED_LENGTH, VERIFIED_CHUNKED, VERIFIED_HTTP2};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        assert_int_equal(came(JOB(""), "hello", ways[i]), 0);
        assert_int_equal(d->verified, ways[i]);
        assert_false(verify_open_end(d));
        not_failed();
    }
}

/* The connection's close ended it: the job says what that is worth. */
static void nobody_can_tell(void **state)
{
    assert_int_equal(came(JOB(""), "hello", VERIFIED_NONE), -EINVAL);
    failed(KIND_UNVERIFIED_END, "(5 bytes)");
    failed(KIND_UNVERIFIED_END, "unverified = accept");
    assert_int_equal(d->verified, VERIFIED_NONE);
    assert_int_equal(came(JOB(",\"unverified\":\"accept\""), "hello", VERIFIED_NONE), 0);
    assert_int_equal(d->verified, VERIFIED_NONE);
    assert_false(verify_open_end(d)); /* it is not to be verified */
    not_failed();
}

/* A file with an end of its own: the worker's decoder decides. */
static void the_decoder_may_tell(void **state)
{
    assert_int_equal(came(JOB(""), GZIP_MAGIC, VERIFIED_NONE), 0);
    assert_true(verify_open_end(d));
    not_failed();
    assert_int_equal(came(JOB(""), GZIP_MAGIC, VERIFIED_LENGTH), 0);
    assert_false(verify_open_end(d));
}

static void a_digest_tells(void **state)
{
    assert_int_equal(came(JOB(",\"digest\":\"sha256:" HELLO_HEX "\""), "hello", VERIFIED_NONE), 0);
    assert_int_equal(d->verified, VERIFIED_DIGEST);
    assert_false(verify_open_end(d));
    /* The more immediate evidence is named. */
    assert_int_equal(came(JOB(",\"digest\":\"sha256:" HELLO_HEX "\""), "hello", VERIFIED_LENGTH),
                     0);
    assert_int_equal(d->verified, VERIFIED_LENGTH);
    /* One that is only computed tells nothing. */
    assert_int_equal(came(JOB(",\"digest\":\"sha256\""), "hello", VERIFIED_NONE), -EINVAL);
    failed(KIND_UNVERIFIED_END, "");
}

static void a_wrong_digest_is_a_failure_whoever_verified_the_end(void **state)
{
    static const enum verified_by ends[] = {VERIFIED_NONE, VERIFIED_LENGTH};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(came(JOB(",\"digest\":\"sha256:" HELLO_HEX "\""), "hellO", ends[i]),
                         -EINVAL);
        failed(KIND_DIGEST_MISMATCH, HELLO_HEX);
    }
}

static void a_body_may_be_too_short_for_the_job(void **state)
{
    assert_int_equal(came(JOB(",\"min_bytes\":5"), "hello", VERIFIED_LENGTH), 0);
    not_failed();
    assert_int_equal(came(JOB(",\"min_bytes\":6"), "hello", VERIFIED_LENGTH), -EINVAL);
    failed(KIND_UNEXPECTED, "5 bytes, at least 6");
}

/* --- after a resume --------------------------------------------------------------------------- */

/* As `came`, but what came was the rest behind byte 2, of `total` in all (-1: nobody knows). */
static int resumed(const char *job, int64_t total, uint64_t skip, enum verified_by verified)
{
    trial_begin(job, NULL);
    d->resume.from = d->resume.asked = 2;
    d->resume.total = total;
    d->resume.skip = skip;
    d->resume.count = 1;
    progress_set_bytes(&trial->progress, 5);
    d->end.verified = verified;
    return verify_whole(d);
}

static void content_range_tells_the_length(void **state)
{
    assert_int_equal(resumed(JOB(""), 5, 0, VERIFIED_NONE), 0);
    assert_int_equal(d->verified, VERIFIED_LENGTH);
    assert_int_equal(resumed(JOB(""), 5, 0, VERIFIED_CHUNKED), 0);
    assert_int_equal(d->verified, VERIFIED_CHUNKED);
    /* Without a total it is as open as it was. */
    assert_int_equal(resumed(JOB(""), -1, 0, VERIFIED_NONE), -EINVAL);
    failed(KIND_UNVERIFIED_END, "");
    assert_int_equal(d->verified, VERIFIED_NONE);
}

static void a_rest_may_end_too_early(void **state)
{
    assert_int_equal(resumed(JOB(""), 6, 0, VERIFIED_LENGTH), -EINVAL);
    failed(KIND_TRUNCATED, "a.test port 80: resumed at byte 2, and ended at byte 5 of 6");
    /* Bytes that the parser has already were still to be compared. */
    assert_int_equal(resumed(JOB(""), 5, 1, VERIFIED_LENGTH), -EINVAL);
    failed(KIND_TRUNCATED, "");
    assert_int_equal(resumed(JOB(""), -1, 1, VERIFIED_CHUNKED), -EINVAL);
    failed(KIND_TRUNCATED, "the body ended before it");
}

int main(void)
{
#define EACH(test) cmocka_unit_test_teardown(test, trial_free)
    const struct CMUnitTest tests[] = {
        EACH(what_http_verifies_is_whole),
        EACH(nobody_can_tell),
        EACH(the_decoder_may_tell),
        EACH(a_digest_tells),
        EACH(a_wrong_digest_is_a_failure_whoever_verified_the_end),
        EACH(a_body_may_be_too_short_for_the_job),
        EACH(content_range_tells_the_length),
        EACH(a_rest_may_end_too_early),
    };
    return cmocka_run_group_tests(tests, begin, request_spec_end);
}
