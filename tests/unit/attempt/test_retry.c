/* Which failures are worth another attempt, and how long it waits: the table of
 * control/PROTOCOL.md, "Retries". */
#include "base/clock.h"
#include "job/job.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000)
#define ROUNDS 2000

static void test_kinds(void **state)
{
    static const enum error_kind again[] = {
        KIND_DNS,     KIND_CONNECT,   KIND_CONNECT_TIMEOUT, KIND_PROTOCOL,  KIND_FIRST_BYTE_TIMEOUT,
        KIND_STALLED, KIND_TRUNCATED, KIND_DIGEST_MISMATCH, KIND_RESOURCES, KIND_PROXY};
    bool expected[KIND_COUNT_] = {false};
    for (size_t i = 0; i < sizeof again / sizeof again[0]; i++)
        expected[again[i]] = true;
    for (int kind = KIND_NONE; kind < KIND_COUNT_; kind++) {
        if (kind == KIND_HTTP_STATUS)
            continue;
        if (retry_wanted((enum error_kind)kind, 200) != expected[kind] ||
            retry_wanted((enum error_kind)kind, 503) != expected[kind])
            fail_msg("%s", kind_name((enum error_kind)kind));
    }
}

static void test_statuses(void **state)
{
    for (int status = 100; status < 600; status++) {
        bool expected = status == 408 || status == 425 || status == 429 ||
                        (status >= 500 && status != 501 && status != 505);
        if (retry_wanted(KIND_HTTP_STATUS, status) != expected)
            fail_msg("status %d", status);
    }
}

/* The document says what the code does: each kind's row has "yes" where the kind is tried again. */
static void test_the_document(void **state)
{
    char line[1024], row[80];
    bool told[KIND_COUNT_] = {false};
    FILE *f = fopen(TESTS_DIR "/../daemon/control/PROTOCOL.md", "re");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        for (int kind = KIND_NONE + 1; kind < KIND_COUNT_; kind++) {
            int len = snprintf(row, sizeof row, "| `%s` | ", kind_name((enum error_kind)kind));
            if (kind == KIND_HTTP_STATUS || strncmp(line, row, (size_t)len) != 0)
                continue;
            told[kind] = true;
            if ((strncmp(line + len, "yes |", 5) == 0) != retry_wanted((enum error_kind)kind, 0))
                fail_msg("%s", line);
        }
    }
    fclose(f);
    for (int kind = KIND_NONE + 1; kind < KIND_COUNT_; kind++)
        assert_true(told[kind] || kind == KIND_HTTP_STATUS);
}

static const struct settings settings = {.retry_delay = NS_PER_SEC,
                                         .retry_delay_max = 10 * NS_PER_SEC};

/* Uniform below a bound: never at it, often in its upper half, and not always the same. */
static void assert_bound(uint32_t number, int64_t bound)
{
    int64_t most = 0, least = INT64_MAX;
    for (int i = 0; i < ROUNDS; i++) {
        int64_t wait = retry_delay(&settings, number, NULL, 0);
        assert_true(wait >= 0 && wait < bound);
        most = wait > most ? wait : most;
        least = wait < least ? wait : least;
    }
    assert_true(most > bound * 9 / 10);
    assert_true(least < bound / 10);
}

static void test_back_off(void **state)
{
    assert_bound(1, 1 * SECOND);
    assert_bound(2, 2 * SECOND);
    assert_bound(3, 4 * SECOND);
    assert_bound(4, 8 * SECOND);
    assert_bound(5, 10 * SECOND); /* the cap */
    assert_bound(1000, 10 * SECOND);
    assert_bound(UINT32_MAX, 10 * SECOND);
}

static void test_no_delay(void **state)
{
    const struct settings none = {0};
    assert_int_equal(retry_delay(&none, 1, NULL, 0), 0);
    assert_int_equal(retry_delay(&none, 30, NULL, 0), 0);
    const struct settings low = {.retry_delay = 10 * NS_PER_SEC, .retry_delay_max = NS_PER_MS};
    for (int i = 0; i < ROUNDS; i++)
        assert_in_range(retry_delay(&low, 3, NULL, 0), 0, 999);
}

/* With a back-off below what it asks for, Retry-After is what is waited. */
static void test_retry_after(void **state)
{
    const int64_t now = INT64_C(1793500000) * SECOND; /* Sun, 01 Nov 2026 02:26:40 GMT */
    const struct settings quick = {.retry_delay = NS_PER_MS, .retry_delay_max = NS_PER_MS};
    static const struct {
        const char *text;
        int64_t wait;
    } table[] = {
        {"1", 1 * SECOND},
        {"120", 120 * SECOND},
        {"3600", 3600 * SECOND},
        {"3601", 3600 * SECOND}, /* an hour at most */
        {"99999999999999999999", 3600 * SECOND},
        {"Sun, 01 Nov 2026 02:26:45 GMT", 5 * SECOND},
        {"Sunday, 01-Nov-26 02:27:40 GMT", 60 * SECOND},
        {"Sun Nov  1 02:26:41 2026", 1 * SECOND},
        {"Fri, 31 Dec 2100 23:59:59 GMT", 3600 * SECOND},
        {"Sun, 06 Nov 999999999 08:49:37 GMT", 3600 * SECOND},
        {"Sun, 06 Nov 2147483647 08:49:37 GMT", 3600 * SECOND},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        int64_t wait = retry_delay(&quick, 1, table[i].text, now);
        if (wait != table[i].wait)
            fail_msg("%s: %" PRId64, table[i].text, wait);
    }
    /* A date that is past, nothing, and nonsense leave the back-off. */
    static const char *const idle[] = {"0",          "Sun, 01 Nov 2026 02:00:00 GMT",
                                       "",           "-5",
                                       "soon",       "1.5",
                                       "7 apples",   "soon 12345",
                                       "Sun, 06 Nov"};
    for (size_t i = 0; i < sizeof idle / sizeof idle[0]; i++)
        assert_in_range(retry_delay(&quick, 1, idle[i], now), 0, 999);
    /* The longer of the two counts. */
    int64_t most = 0;
    for (int i = 0; i < ROUNDS; i++) {
        int64_t wait = retry_delay(&settings, 4, "2", now);
        assert_in_range(wait, 2 * SECOND, 8 * SECOND - 1);
        most = wait > most ? wait : most;
    }
    assert_true(most > 7 * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_the_document), cmocka_unit_test(test_back_off),
        cmocka_unit_test(test_no_delay),     cmocka_unit_test(test_retry_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
