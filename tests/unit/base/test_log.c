#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static int saved_stderr = -1, captured = -1;
static char text[8192];

/* Standard error goes into a pipe while a test runs. */
static int begin(void **state)
{
    int ends[2];
    if (pipe(ends) < 0)
        return -1;
    saved_stderr = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    captured = ends[0];
    unsetenv("JOURNAL_STREAM");
    return 0;
}

/* What was written so far; further lines go to the real standard error. */
static const char *finish(void)
{
    size_t len = 0;
    ssize_t n;
    dup2(saved_stderr, STDERR_FILENO);
    while ((n = read(captured, text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    return text;
}

static int end(void **state)
{
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(captured);
    unsetenv("JOURNAL_STREAM");
    log_set_level(LOG_LEVEL_INFO);
    return 0;
}

static void test_line(void **state)
{
    log_info("job %d: %s", 7, "two\nlines");
    const char *line = finish();
    assert_int_equal(line[10], 'T'); /* a time stamp comes first */
    assert_string_equal(line + 27, " penstockd info: job 7: two lines\n");
}

static void test_levels(void **state)
{
    log_debug("hidden");
    log_set_level(LOG_LEVEL_ERROR);
    log_warning("hidden");
    log_error("seen");
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("seen too");
    const char *lines = finish();
    assert_null(strstr(lines, "hidden"));
    assert_non_null(strstr(lines, " penstockd error: seen\n"));
    assert_non_null(strstr(lines, " penstockd debug: seen too\n"));
}

static void test_journal(void **state)
{
    setenv("JOURNAL_STREAM", "8:1", 1);
    log_warning("full");
    assert_string_equal(finish(), "<4>full\n");
}

static void test_long_line_is_cut(void **state)
{
    char longer[5000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    log_info("%s", longer);
    const char *line = finish();
    assert_true(strlen(line) < 2100);
    assert_int_equal(line[strlen(line) - 1], '\n');
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void test_errno_is_kept(void **state)
{
    errno = ENOSPC;
    log_info("x");
    int after = errno;
    finish();
    assert_int_equal(after, ENOSPC);
}

static void test_level_names(void **state)
{
    enum log_level level = LOG_LEVEL_INFO;
    assert_int_equal(log_level_parse("warning", &level), 0);
    assert_int_equal(level, LOG_LEVEL_WARNING);
    assert_int_equal(log_level_parse("loud", &level), -EINVAL);
    assert_int_equal(level, LOG_LEVEL_WARNING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_line, begin, end),
        cmocka_unit_test_setup_teardown(test_levels, begin, end),
        cmocka_unit_test_setup_teardown(test_journal, begin, end),
        cmocka_unit_test_setup_teardown(test_long_line_is_cut, begin, end),
        cmocka_unit_test_setup_teardown(test_errno_is_kept, begin, end),
        cmocka_unit_test(test_level_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
