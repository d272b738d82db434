/* A model of `top` with something of everything, and its picture; names in it are too long, too
 * wide, or meant to do harm. */
#ifndef PENSTOCK_TESTS_TOP_SAMPLE_H
#define PENSTOCK_TESTS_TOP_SAMPLE_H

#include "ctl/top_layout.h"

#include "base/clock.h"
#include "ctl/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct top_model model;
static struct top_page page;

static const char answer[] =
    "{\"instance\":\"i\",\"version\":\"1.2\\u001b\",\"uptime\":90061,\"active\":3,"
    "\"jobs\":{\"running\":3,\"queued\":7},\"totals\":{\"done\":5,\"failed\":1},"
    "\"workers\":{\"limit\":4,\"busy\":1,\"abandoned\":1,\"lost\":1},\"hosts\":["
    "{\"name\":\"a.example\",\"running\":2,\"limit\":6,\"queued\":1000,\"more\":true,\"state\":"
    "\"ready\",\"redirected\":3},{\"name\":\"very-long-name-of-a-host.in.some.department.example"
    ".org\",\"state\":\"broken\",\"failures\":9,\"retry_in\":21.4},{\"name\":\"\xe4\xbd\xa0\xe5\xa5"
    "\xbd\\u202e.example\",\"state\":\"paused\",\"limit\":1},{\"name\":\"d\",\"state\":\"probing\"}"
    "],"
    "\"running\":[{\"id\":3,\"attempt\":1,\"url\":\"http://a.example/dir/\\u001b[2Jx.csv\","
    "\"host\":\"a.example\",\"parser\":\"csv\",\"waiting_for\":\"origin\",\"bytes\":524288,"
    "\"length\":1048576,\"records\":5,\"seconds\":75},{\"id\":1234567890,\"attempt\":2,\"url\":"
    "\"https://very-long-name-of-a-host.in.some.department.example.org/a/b/%E4%BD%A0%E5%A5%BD/"
    "data-of-today.csv?x=1\",\"waiting_for\":\"sink\",\"bytes\":10,\"seconds\":9},{\"id\":5,"
    "\"attempt\":1,\"url\":\"u\",\"parser\":\"lines\",\"waiting_for\":\"parser\",\"bytes\":"
    "3000000000,\"length\":1,"
    "\"records\":1234567890,\"seconds\":1}],\"fleet\":{\"member\":true,\"shards\":256,\"owned\":"
    "256,"
    "\"members\":[{\"name\":\"one\",\"shards\":256,\"running\":3,\"workers\":4,\"config\":"
    "\"c0ffee\",\"self\":true,\"beat_age\":0.04},{\"name\":\"late\\u0007\",\"beat_age\":5.2,"
    "\"config\":\"a-very-long-config\"}]}}";

/* A moment so many seconds from now; valid until the fourth one after it. */
static inline const char *stamp(int64_t seconds)
{
    static char texts[4][CLOCK_STAMP_SIZE];
    static unsigned next;
    char *text = texts[next++ % 4];
    clock_stamp(clock_real_us() + seconds * 1000000, text);
    return text;
}

static inline json_t *list_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline json_t *list_of(const char *fmt, ...)
{
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_t *list = json_loads(text, 0, NULL);
    assert_non_null(list);
    return list;
}

static inline int set_up(void **state)
{
    json_t *value = json_loads(answer, 0, NULL);
    assert_non_null(value);
    assert_int_equal(top_model_take(&model, value, 5 * NS_PER_SEC), 0);
    model.failed = list_of(
        "[{\"id\":42,\"attempt\":3,\"url\":\"http://a.example/x\",\"host\":\"a.example\","
        "\"finished\":\"%s\",\"verdict\":{\"error\":{\"kind\":\"first_byte_timeout\"}}},{\"id\":7,"
        "\"url\":\"http://b/\\u001b\",\"finished\":\"%s\",\"verdict\":{\"error\":{\"kind\":\"dns\""
        "}}},{\"id\":8}]",
        stamp(-9000), stamp(-90000));
    model.schedules = list_of(
        "[{\"name\":\"people\",\"url\":\"http://a.example/p.csv\",\"next\":\"%s\",\"runs\":12,"
        "\"last_job\":3,\"last\":{\"state\":\"failed\",\"error\":\"first_byte_timeout\","
        "\"finished\":\"%s\"},\"failing\":true},{\"name\":\"a-name-that-is-longer-than-its-"
        "column\","
        "\"url\":\"u\",\"paused\":true,\"last\":{\"state\":\"done\"}},{\"name\":\"c\\u0007\","
        "\"problem\":\"no parser\"}]",
        stamp(5430), stamp(-9000));
    return 0;
}

static inline int tear_down(void **state)
{
    top_model_deinit(&model);
    top_page_deinit(&page);
    return 0;
}

static inline const char *line_at(size_t i)
{
    assert_true(i < page.count);
    return top_page_line(&page, i);
}

/* The number of the line that begins so. */
static inline size_t find(const char *start)
{
    for (size_t i = 0; i < page.count; i++)
        if (strncmp(top_page_line(&page, i), start, strlen(start)) == 0)
            return i;
    fail_msg("no line begins with '%s'", start);
    return 0;
}

static inline bool has(const char *part)
{
    for (size_t i = 0; i < page.count; i++)
        if (strstr(top_page_line(&page, i), part))
            return true;
    return false;
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
