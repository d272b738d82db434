/* What is left of an error page for a message. */
#include "base/markup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void gives(const char *text, const char *plain)
{
    char buf[600];
    snprintf(buf, sizeof buf, "%s", text);
    size_t len = markup_plain(buf, strlen(buf));
    buf[len] = '\0';
    assert_string_equal(buf, plain);
}

static void test_pages(void **state)
{
    (void)state;
    gives("<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not "
          "Found</h1></center>\r\n",
          "404 Not Found");
    gives("\n<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n<title>A &amp; "
          "B\n &lt;gone&gt;</title>",
          "A & B <gone>");
    gives("<html><head><title></title></head><body><p>No <b>such</b>\n file</p>", "No such file");
    gives("<h1>Forbidden</h1><script>var a = '<b>';</script><style>p {}</style><!-- > --> x",
          "Forbidden x");
    gives("<html><title>cut in the mid", "cut in the mid");
    gives("<html><title", "");
    gives("<html><", "");
}

static void test_what_is_no_page_keeps_its_signs(void **state)
{
    (void)state;
    gives("a < b && c > d", "a < b && c > d");
    gives("  no\tsuch \r\n\r\n thing\n", "no such thing");
    gives("{\"error\":\"&amp; <x>\"}", "{\"error\":\"&amp; <x>\"}");
    gives("<?xml version=\"1.0\"?><Error>x</Error>", "<?xml version=\"1.0\"?><Error>x</Error>");
    gives("", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_what_is_no_page_keeps_its_signs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
