/* What a validator is worth; and dates, which are read as libcurl reads them. */
#include "attempt/validator.h"

#include <curl/curl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const char *date_of(time_t at)
{
    static char text[64];
    struct tm tm;
    gmtime_r(&at, &tm);
    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    return text;
}

static void test_each_day(void **state)
{
    (void)state;
    /* Every day for 200 years, each at another time of the day. */
    for (time_t at = 1, day = 0; day < 73000; day++, at += 86400 + 7 * (day % 11 == 0))
        assert_int_equal(validator_read_date(date_of(at)), at);
    assert_int_equal(validator_read_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
    assert_int_equal(validator_read_date("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
}

/* Whatever is not in the plain form is libcurl's to judge, and in that form it agrees. */
static void test_other_texts(void **state)
{
    (void)state;
    static const char plain[] = "Sun, 06 Nov 1994 08:49:37 GMT";
    static const char others[] = "0123456789 ,:-+.GMTaZ\x7f\xff";
    char text[sizeof plain];
    for (size_t i = 0; i < sizeof plain - 1; i++)
        for (size_t k = 0; k < sizeof others - 1; k++) {
            memcpy(text, plain, sizeof plain);
            text[i] = others[k];
            if (validator_read_date(text) != curl_getdate(text, NULL))
                fail_msg("'%s': %lld, and libcurl says %lld", text,
                         (long long)validator_read_date(text), (long long)curl_getdate(text, NULL));
        }
    static const char *const forms[] = {"",
                                        "0",
                                        "-1",
                                        "Sunday, 06-Nov-94 08:49:37 GMT",
                                        "Sun Nov  6 08:49:37 1994",
                                        "Sun, 06 Nov 1994 08:49:37 +0100",
                                        "Sun, 06 Nov 1994 08:49:37 GMT ",
                                        " Sun, 06 Nov 1994 08:49:37 GMT",
                                        "sun, 06 nov 1994 08:49:37 gmt",
                                        "Sun, 31 Feb 1994 08:49:37 GMT",
                                        "Sun, 29 Feb 1994 08:49:37 GMT",
                                        "Sun, 06 Nov 1994 24:00:00 GMT",
                                        "Sun, 06 Nov 1994 08:60:37 GMT",
                                        "Sun, 06 Nov 1994 08:49:60 GMT",
                                        "Sun, 06 Nov 1582 08:49:37 GMT",
                                        "Sun, 06 Nov 1969 08:49:37 GMT",
                                        "Fri, 31 Dec 9999 23:59:59 GMT"};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        assert_int_equal(validator_read_date(forms[i]), curl_getdate(forms[i], NULL));
}

static void test_twice(void **state)
{
    (void)state;
    struct transfer_header headers[] = {{"last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"},
                                        {"Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"}};
    struct transfer_response response = {.headers = headers, .header_count = 1};
    assert_int_equal(validator_date(&response, "Last-Modified"), 784111777);
    response.header_count = 2;
    assert_int_equal(validator_date(&response, "Last-Modified"), -1);
    response.header_count = 0;
    assert_int_equal(validator_date(&response, "Last-Modified"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_day),
        cmocka_unit_test(test_other_texts),
        cmocka_unit_test(test_twice),
    };
    return cmocka_run_group_tests_name("validator", tests, NULL, NULL);
}
