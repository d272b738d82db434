/* The judgements of a resume, without a server: attempt/resume.h. Answers are written as heads are,
 * a field a line. */
#include "attempt/resume.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define NOW  INT64_C(1767225600) /* 2026-01-01 */
#define OLD  "Last-Modified: Wed, 01 Jan 2025 00:00:00 GMT\n"
#define TAG  "ETag: \"v1\"\n"
#define CUT  10000
#define SIZE 50000

static struct resume r;
static struct error err;
static char text[2048];
static struct transfer_header headers[32];

static struct transfer_response answer(int status, int64_t length, const char *fields)
{
    struct transfer_response response = {
        .status = status, .content_length = length, .headers = headers};
    snprintf(text, sizeof text, "%s", fields);
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *colon = strchr(line, ':');
        *colon = '\0';
        headers[response.header_count++] = (struct transfer_header){line, colon + 2};
    }
    return response;
}

static int new_resume(void **state)
{
    r = (struct resume){0};
    resume_init(&r);
    return 0;
}

static int free_resume(void **state)
{
    resume_deinit(&r);
    return 0;
}

static void note(int64_t length, const char *fields)
{
    free_resume(NULL);
    new_resume(NULL);
    struct transfer_response response = answer(200, length, fields);
    assert_int_equal(resume_note(&r, &response, "GET", NOW), 0);
}

static char byte_at(uint64_t at)
{
    return (char)(at * 31 + (at >> 8));
}

/* In pieces, as they come. */
static void take(uint64_t from, uint64_t to, size_t piece)
{
    char data[20000];
    while (from < to) {
        size_t n = to - from < piece ? (size_t)(to - from) : piece;
        for (size_t i = 0; i < n; i++)
            data[i] = byte_at(from + i);
        resume_took(&r, from, data, n);
        from += n;
    }
}

static enum resume_step next(enum error_kind kind, uint64_t came, uint64_t taken)
{
    uint64_t delay;
    struct transfer_result result = {
        .kind = kind, .stopped = r.busy || r.reached, .bytes = came, .message = "cut"};
    return resume_next(&r, &result, taken, NS_PER_MS, &delay, &err);
}

static int check(int status, int64_t length, const char *fields)
{
    struct transfer_response response = answer(status, length, fields);
    return resume_check(&r, &response, NOW * 1000000, &err);
}

/* --- whether ---------------------------------------------------------------------------------- */

static void what_is_resumed_at_all(void **state)
{
    static const struct {
        const char *fields, *validator; /* NULL: not at all */
    } list[] = {
        {TAG, "\"v1\""},
        {TAG OLD, "\"v1\""},
        {"ETag: \"\"\n", NULL}, /* of nothing: every version has it */
        {"ETag: \"\"\n" OLD, NULL},
        {"ETag: W/\"v1\"\n", NULL},
        {"ETag: W/\"v1\"\n" OLD, NULL},
        {"ETag: w/\"v1\"\n" OLD, NULL},
        {"ETag: v1\n" OLD, NULL},
        {"ETag: \"v1\n" OLD, NULL},
        {"ETag: v1\"\n" OLD, NULL},
        {"ETag: \"\n" OLD, NULL},
        {"ETag: \"a\"b\"\n" OLD, NULL},
        {"ETag: \"a b\"\n" OLD, NULL},
        {"ETag: \"a\", \"b\"\n" OLD, NULL},
        {"ETag: \"a\"\nETag: \"b\"\n" OLD, NULL},
        {"ETag: \"a\"\nETag: \"a\"\n" OLD, NULL},
        {"", NULL},
        {OLD, "Wed, 01 Jan 2025 00:00:00 GMT"},
        {OLD "Date: Wed, 01 Jan 2025 00:00:01 GMT\n", "Wed, 01 Jan 2025 00:00:00 GMT"},
        {OLD "Date: Wed, 01 Jan 2025 00:00:00 GMT\n", NULL},
        {OLD "Date: Tue, 31 Dec 2024 23:59:59 GMT\n", NULL},
        {OLD "Date: yesterday\n", "Wed, 01 Jan 2025 00:00:00 GMT"},
        {TAG OLD "Date: Wed, 01 Jan 2025 00:00:00 GMT\n", NULL},
        {TAG OLD "Date: Wed, 01 Jan 2025 00:00:01 GMT\n", "\"v1\""},
        {"Last-Modified: Wed, 31 Dec 2025 23:58:59 GMT\n", "Wed, 31 Dec 2025 23:58:59 GMT"},
        {"Last-Modified: Wed, 31 Dec 2025 23:59:00 GMT\n", NULL}, /* our clock may be off */
        {TAG "Last-Modified: Wed, 31 Dec 2025 23:59:30 GMT\n", NULL},
        {"Last-Modified: Thu, 01 Jan 2026 00:00:01 GMT\n", NULL},
        {"Last-Modified: yesterday\n", NULL},
        {OLD OLD, NULL},
        {OLD "Date: Wed, 01 Jan 2025 00:00:01 GMT\nDate: Wed, 01 Jan 2025 00:00:00 GMT\n",
         "Wed, 01 Jan 2025 00:00:00 GMT"}, /* which of them is the origin's? our own clock tells */
        {"Last-Modified: Wed, 31 Dec 2025 23:59:30 GMT\nDate: Wed, 31 Dec 2025 23:59:40 GMT\n"
         "Date: Wed, 31 Dec 2025 23:59:30 GMT\n",
         NULL},
        {TAG "Last-Modified: yesterday\n", "\"v1\""},
        {TAG "Accept-Ranges: bytes\n", "\"v1\""},
        {TAG "Accept-Ranges: none\n", NULL},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        note(SIZE, list[i].fields);
        bool same = list[i].validator ? r.validator && strcmp(r.validator, list[i].validator) == 0
                                      : !r.validator && r.hindrance;
        if (!same)
            fail_msg("%s: %s", list[i].fields, r.validator ? r.validator : "not resumed");
    }
    struct transfer_response response = answer(203, SIZE, TAG);
    note(SIZE, "");
    assert_int_equal(resume_note(&r, &response, "GET", NOW), 0);
    assert_null(r.validator);
}

/* --- what is asked for ------------------------------------------------------------------------ */

static void the_tail_is_asked_for_again(void **state)
{
    static const struct {
        uint64_t taken, asked;
    } list[] = {{1, 0}, {2, 0}, {4095, 0}, {4096, 0}, {4097, 1}, {CUT, CUT - 4096}};
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        note(SIZE, TAG);
        take(0, list[i].taken, 1000);
        assert_int_equal(next(KIND_TRUNCATED, list[i].taken, list[i].taken), RESUME_AGAIN);
        resume_ask(&r, list[i].taken);
        assert_int_equal(r.asked, list[i].asked);
        assert_false(r.from_start);
    }
    note(-1, TAG "Content-Encoding: gzip\n");
    take(0, CUT, 1000);
    resume_ask(&r, CUT);
    assert_true(r.from_start);
    note(SIZE, TAG); /* the rest went past this process */
    take(0, CUT, 1000);
    resume_ask(&r, 2 * CUT);
    assert_int_equal(r.asked, 2 * CUT);
}

static void the_tail_is_compared(void **state)
{
    char data[20000];
    size_t skip;
    static const size_t pieces[] = {1, 7, 4095, 4096, 4097, 16384};
    for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
        note(SIZE, TAG);
        take(0, CUT, pieces[p]);
        resume_ask(&r, CUT);
        r.skip = r.from - r.asked;
        for (size_t i = 0; i < sizeof data; i++)
            data[i] = byte_at(r.asked + i);
        assert_int_equal(resume_compare(&r, CUT, data, sizeof data, &skip, &err), 0);
        assert_int_equal(skip, 4096);
        for (size_t i = 0; i < 4096; i += 409) { /* one wrong byte, wherever it is */
            data[i] ^= 1;
            assert_int_equal(resume_compare(&r, CUT, data, sizeof data, &skip, &err), -EILSEQ);
            data[i] ^= 1;
        }
        data[4096] ^= 1; /* new, and nobody's to judge */
        assert_int_equal(resume_compare(&r, CUT, data, sizeof data, &skip, &err), 0);
        assert_int_equal(resume_compare(&r, CUT, data, 100, &skip, &err), 0);
        assert_int_equal(skip, 100);
        assert_false(resume_passed(&r, 100, CUT));
        assert_int_equal(resume_compare(&r, CUT, data + 100, 1, &skip, &err), 0);
        assert_int_equal(resume_compare(&r, CUT, data + 101, 1, &skip, &err), -EILSEQ);
    }
}

static void an_origin_that_gives_little_is_followed(void **state)
{
    uint64_t taken = 1;
    unsigned asked = 0;
    note(SIZE, TAG);
    take(0, 1, 1);
    for (uint64_t came = 1; next(KIND_TRUNCATED, came, taken) == RESUME_AGAIN; asked++) {
        resume_ask(&r, taken);
        uint64_t new = r.asked + came > taken ? r.asked + came - taken : 0;
        take(taken, taken + new, 1000);
        taken += new;
        assert_true(asked < 1000);
    }
    assert_int_equal(asked, 64);
    assert_true(taken > 60);
}

/* --- what comes back -------------------------------------------------------------------------- */

static void answers(void **state)
{
    static const char first[] = TAG OLD "Content-Type: text/csv\nContent-Location: /a\n";
    static const char range[] = "Content-Range: bytes 5904-49999/50000\n";
    static const struct {
        int status;
        int64_t length;
        const char *fields;
        int result;
    } list[] = {
        {206, 44096, TAG OLD, 0},
        {206, 44096, TAG, 0},
        {206, 44096, OLD, 0},
        {206, -1, TAG, 0},
        {206, 44095, TAG, -EINVAL},
        {206, 44096, "", -EINVAL},
        {206, 44096, "ETag: \"v2\"\n" OLD, -EINVAL},
        {206, 44096, "ETag: W/\"v1\"\n" OLD, -EINVAL},
        {206, 44096, "ETag: v1\n" OLD, -EINVAL},
        {206, 44096, TAG TAG OLD, -EINVAL},
        {206, 44096, TAG "Last-Modified: Wed, 01 Jan 2025 00:00:01 GMT\n", -EINVAL},
        {206, 44096, TAG "Last-Modified: Wednesday, 01-Jan-25 00:00:00 GMT\n", -EINVAL},
        {206, 44096, TAG "Content-Type: text/csv\nContent-Location: /a\n", 0},
        {206, 44096, TAG "Content-Type: TEXT/csv\n", -EINVAL},
        {206, 44096, TAG "Content-Type: multipart/byteranges; boundary=x\n", -EINVAL},
        {206, 44096, TAG "Content-Location: /b\n", -EINVAL},
        {206, 44096, TAG "Content-Encoding: gzip\n", -EINVAL},
        {206, 44096, TAG "Content-Encoding: identity\n", 0},
        {206, 44096, TAG "Content-Range: bytes 5904-49999/50000\n", -EINVAL}, /* twice */
        {408, 0, "", RESUME_BUSY},
        {425, 0, "", RESUME_BUSY},
        {429, 0, "", RESUME_BUSY},
        {500, 0, "", RESUME_BUSY},
        {503, 0, "Retry-After: 5\n", RESUME_BUSY},
        {999, 0, "", RESUME_BUSY},
        {501, 0, "", -EINVAL},
        {505, 0, "", -EINVAL},
        {204, 0, TAG, -EINVAL},
        {302, 0, TAG, -EINVAL},
        {304, 0, TAG, -EINVAL},
        {401, 0, TAG, -EINVAL},
        {416, 0, TAG, -EINVAL},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        char fields[512];
        note(SIZE, first);
        take(0, CUT, 1000);
        resume_ask(&r, CUT);
        snprintf(fields, sizeof fields, "%s%s", list[i].fields, range);
        int result = check(list[i].status, list[i].length, fields);
        if (result != list[i].result)
            fail_msg("%d %s: %d (%s)", list[i].status, fields, result, err.text);
        if (list[i].status == 206 && result == 0)
            assert_int_equal(r.skip, 4096);
    }
}

/* Where the tail went past this process, both validators must be there if both were. */
static void nothing_to_compare(void **state)
{
    static const struct {
        const char *first, *second;
        int result;
    } list[] = {{TAG OLD, TAG OLD, 0}, {TAG OLD, TAG, -EINVAL}, {TAG OLD, OLD, -EINVAL},
                {TAG, TAG, 0},         {OLD, OLD, 0},           {TAG, TAG OLD, 0},
                {TAG OLD, "", -EINVAL}};
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        char fields[512];
        note(SIZE, list[i].first);
        take(0, CUT, 1000);
        resume_ask(&r, CUT + 5000);
        snprintf(fields, sizeof fields, "%sContent-Range: bytes 15000-49999/50000\n",
                 list[i].second);
        if (check(206, 35000, fields) != list[i].result)
            fail_msg("%s then %s: %s", list[i].first, list[i].second, err.text);
    }
}

/* Of a tail that went past this process, one byte may be all that is left. */
static void the_last_byte_alone(void **state)
{
    note(SIZE, TAG);
    take(0, CUT, 1000);
    resume_ask(&r, SIZE - 1);
    assert_int_equal(check(206, 1, TAG "Content-Range: bytes 49999-49999/50000\n"), 0);
    resume_ask(&r, SIZE - 1);
    assert_int_equal(check(206, 0, TAG "Content-Range: bytes 49999-49998/50000\n"), -EINVAL);
}

static void the_whole_again(void **state)
{
    static const struct {
        int64_t length;
        const char *fields;
        int result;
    } list[] = {
        {SIZE, TAG OLD, 0},
        {SIZE, OLD, 0},
        {-1, TAG OLD, 0},
        {SIZE, "", -EINVAL},
        {SIZE - 1, TAG OLD, -EINVAL},
        {SIZE, "ETag: \"v2\"\n" OLD, -EINVAL},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        note(SIZE, TAG OLD);
        take(0, CUT, 1000);
        resume_ask(&r, CUT);
        assert_int_equal(check(200, list[i].length, list[i].fields), list[i].result);
        if (list[i].result == 0)
            assert_int_equal(r.skip, CUT);
    }
    note(-1, TAG);
    take(0, CUT, 1000);
    resume_ask(&r, CUT);
    assert_int_equal(check(200, CUT - 1, TAG), -EINVAL); /* shorter than what came */
    note(-1, TAG "Content-Encoding: gzip\n");
    take(0, CUT, 1000);
    resume_ask(&r, CUT);
    assert_int_equal(check(200, -1, TAG "Content-Encoding: gzip\n"), 0);
    assert_int_equal(
        check(206, 40000, TAG "Content-Encoding: gzip\nContent-Range: bytes 0-39999/40000\n"),
        -EINVAL);
}

static void ranges(void **state)
{
    static const struct {
        const char *value;
        int result;
    } list[] = {
        {"bytes 5904-49999/50000", 0},
        {"bytes 5904-49999/*", 0},
        {"Bytes  5904-49999/50000", 0},
        {"bytes 5905-49999/50000", -EINVAL},
        {"bytes 5904-49998/50000", -EINVAL},
        {"bytes 5904-49999/50001", -EINVAL},
        {"bytes 5904-50000/50001", -EINVAL},
        {"bytes 5904-5903/50000", -EINVAL},
        {"bytes=5904-49999/50000", -EINVAL},
        {"bytes5904-49999/50000", -EINVAL},
        {"bytes 5904-49999", -EINVAL},
        {"bytes 5904-49999/", -EINVAL},
        {"bytes 5904-49999/50000x", -EINVAL},
        {"bytes 5904-49999/50000, bytes 5904-49999/50000", -EINVAL},
        {"bytes */50000", -EINVAL},
        {"bytes +5904-49999/50000", -EINVAL},
        {"bytes -18446744073709545712-49999/50000", -EINVAL},
        {"bytes 18446744073709557520-49999/50000", -EINVAL},
        {"bytes 5904-18446744073709601615/50000", -EINVAL},
        {"bytes 5904-49999/18446744073709601616", -EINVAL},
        {"bytes 5904-9223372036854775807/9223372036854775808", -EINVAL},
        {"lines 5904-49999/50000", -EINVAL},
        {"", -EINVAL},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        char fields[256];
        note(SIZE, TAG);
        take(0, CUT, 1000);
        resume_ask(&r, CUT);
        snprintf(fields, sizeof fields, TAG "Content-Range: %s\n", list[i].value);
        int result = check(206, -1, fields);
        if (result != list[i].result)
            fail_msg("%s: %d (%s)", list[i].value, result, err.text);
    }
}

/* --- when, and the end ------------------------------------------------------------------------ */

static void all_that_there_is_is_the_end(void **state)
{
    size_t skip;
    note(-1, TAG);
    take(0, CUT, 1000);
    assert_int_equal(next(KIND_STALLED, CUT, CUT), RESUME_AGAIN);
    resume_ask(&r, CUT);
    assert_int_equal(check(206, -1, TAG "Content-Range: bytes 5904-9999/10000\n"), 0);
    char data[4096];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = byte_at(r.asked + i);
    assert_int_equal(resume_compare(&r, CUT, data, sizeof data, &skip, &err), 0);
    assert_true(resume_passed(&r, skip, CUT));
    assert_int_equal(next(KIND_INTERNAL, 0, CUT), RESUME_WHOLE);
    r.skip = 0;
    assert_int_equal(resume_compare(&r, CUT, data, 1, &skip, &err), -EMSGSIZE);
    note(CUT, TAG); /* all came, and then the connection broke */
    take(0, CUT, 1000);
    assert_int_equal(next(KIND_TRUNCATED, CUT, CUT), RESUME_WHOLE);
    assert_int_equal(next(KIND_TRUNCATED, CUT - 1, CUT - 1), RESUME_AGAIN);
}

static void how_often_and_when(void **state)
{
    uint64_t delay = 0, before = 0;
    struct transfer_result result = {.kind = KIND_CONNECT, .message = "refused"};
    note(SIZE, TAG);
    take(0, CUT, 1000);
    result.bytes = CUT;
    unsigned tries = 0;
    while (resume_next(&r, &result, CUT, NS_PER_MS, &delay, &err) == RESUME_AGAIN) {
        assert_true(delay > before || tries == 0);
        before = delay;
        resume_ask(&r, CUT);
        result.bytes = 0;
        tries++;
    }
    assert_int_equal(tries, 7);
    assert_non_null(strstr(err.text, "refused"));
    note(SIZE, TAG);
    take(0, CUT, 1000);
    resume_ask(&r, CUT);
    assert_int_equal(check(503, 0, "Retry-After: 100\n"), RESUME_BUSY);
    result = (struct transfer_result){.kind = KIND_INTERNAL, .stopped = true, .message = "stopped"};
    assert_int_equal(resume_next(&r, &result, CUT, NS_PER_MS, &delay, &err), RESUME_AGAIN);
    assert_int_equal(delay, 100 * NS_PER_SEC);
    resume_ask(&r, CUT);
    assert_int_equal(check(502, 0, "Retry-After: 3000\n"), RESUME_BUSY);
    assert_int_equal(resume_next(&r, &result, CUT, NS_PER_MS, &delay, &err), RESUME_OVER);
    assert_non_null(strstr(err.text, "502"));
    assert_string_equal(r.asked_wait, "3000");
    static const enum error_kind final[] = {KIND_TLS, KIND_POLICY, KIND_LIMIT_EXCEEDED};
    for (size_t i = 0; i < sizeof final / sizeof final[0]; i++) {
        note(SIZE, TAG);
        take(0, CUT, 1000);
        assert_int_equal(next(final[i], CUT, CUT), RESUME_OVER);
    }
    note(SIZE, TAG); /* memory that was short may be there again, and the bytes are right */
    take(0, CUT, 1000);
    assert_int_equal(next(KIND_RESOURCES, CUT, CUT), RESUME_AGAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_resumed_at_all, new_resume, free_resume),
        cmocka_unit_test_setup_teardown(the_tail_is_asked_for_again, new_resume, free_resume),
        cmocka_unit_test_setup_teardown(the_tail_is_compared, new_resume, free_resume),
        cmocka_unit_test_setup_teardown(an_origin_that_gives_little_is_followed, new_resume,
                                        free_resume),
        cmocka_unit_test_setup_teardown(answers, new_resume, free_resume),
        cmocka_unit_test_setup_teardown(nothing_to_compare, new_resume, free_resume),
        cmocka_unit_test_setup_teardown(the_last_byte_alone, new_resume, free_resume),
        cmocka_unit_test_setup_teardown(the_whole_again, new_resume, free_resume),
        cmocka_unit_test_setup_teardown(ranges, new_resume, free_resume),
        cmocka_unit_test_setup_teardown(all_that_there_is_is_the_end, new_resume, free_resume),
        cmocka_unit_test_setup_teardown(how_often_and_when, new_resume, free_resume),
    };
    return cmocka_run_group_tests_name("resume", tests, NULL, NULL);
}
