/* What may hold secrets is shown without them: URLs, and texts that others wrote. */
#include "terms/spec_redact.h"

#include "base/config_ini.h"
#include "base/config_tree.h"
#include "terms/settings_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct settings *settings;

static int begin(void **state)
{
    static const char text[] = "[policy]\nredact = token *key\n";
    struct config config = {0};
    struct error err = {""};
    int r = config_parse(&config, text, sizeof text - 1, "f.conf", &err);
    if (r == 0)
        r = settings_load(&config, &settings, &err);
    config_deinit(&config);
    return r < 0;
}

static int end(void **state)
{
    settings_free(settings);
    return 0;
}

static void redact(const char *text, const char *expected)
{
    char *shown = spec_redact_url(text, &settings->redact);
    assert_string_equal(shown, expected);
    free(shown);
}

static void redact_text(const char *text, const char *expected)
{
    struct buf b = BUF_INIT;
    spec_redact_text(&b, text, &settings->redact);
    assert_true(b.len <= 4 * strlen(text));
    char *shown = buf_steal(&b);
    assert_string_equal(shown, expected);
    free(shown);
}

static void test_redact_text(void **state)
{
    redact_text("", "");
    redact_text("Cannot GET /x?a=1&token=x&b=2.", "Cannot GET /x?a=1&token=***&b=2.");
    redact_text("<a href=\"/?api_key=x&amp;b=2\">", "<a href=\"/?api_key=***&amp;b=2\">");
    redact_text("token=x TOKEN='y' =token= %74oken=z",
                "token=*** TOKEN=***'y' =token=*** %74oken=***");
    redact_text("tokens=x token x, min_bytes = 3", "tokens=x token x, min_bytes = 3");
    redact_text("{\"Access_Token\": \"a\\\"b\", \"n\":1}", "{\"Access_Token\": \"***\", \"n\":1}");
    redact_text("{'key':12,\"a\":2}", "{'key':***,\"a\":2}");
    redact_text("{\\\"token\\\":\\\"abc\\\",1}", "{\\\"token\\\":\\\"***\\\",1}");
    redact_text("\"token\":\"cut", "\"token\":\"***");
    redact_text("\"token\":", "\"token\":");
    redact_text("unexpected token: x, key: y", "unexpected token: x, key: y");
    redact_text("you sent Authorization: Basic dTpw and more",
                "you sent Authorization: *** and more");
    redact_text("AUTHORIZATION:Digest a=\"b\", c", "AUTHORIZATION:***\"b\", c");
    redact_text("{\"authorization\":\"Bearer x\"}", "{\"authorization\":\"***\"}");
    redact_text("Cookie: a=1; b=2; c=3 was sent", "Cookie: *** was sent");
    redact_text("no bearer of that; Bearer abcdefghijklmnop.q== it was",
                "no bearer of that; Bearer *** it was");
    redact_text("Authorization:", "Authorization:***");
}

static void test_strike_secrets(void **state)
{
    char text[] = "not ab%2Fcdef, not ab/cdef; abcdef stays, and so does five5";
    spec_strike_secrets(text, "http://h/p?token=ab%2Fcdef&x=abcdef&key=five5#f", &settings->redact);
    assert_string_equal(text, "not *********, not *******; abcdef stays, and so does five5");
    char one[] = "secret";
    spec_strike_secrets(one, "http://h/?a=1;my_secret=secret", &settings->redact);
    assert_string_equal(one, "******");
    spec_strike_secrets(one, "http://h", &settings->redact);
    spec_strike_secrets(one, "http://h/?", &settings->redact);
}

static void test_redact(void **state)
{
    redact("http://h/?token[]=a&auth[token]=b&x%5Bapi_key%5D=c&list[]=d",
           "http://h/?token[]=***&auth[token]=***&x%5Bapi_key%5D=***&list[]=d");
    redact("http://h/p?a=1&token=x&b=2", "http://h/p?a=1&token=***&b=2");
    redact("http://h/?TOKEN=x;api_Key=y", "http://h/?TOKEN=***;api_Key=***");
    redact("http://h/?tokens=x&token", "http://h/?tokens=x&token");
    redact("http://h/?%74oke%6e=x&=y&token=", "http://h/?%74oke%6e=***&=y&token=***");
    redact("http://h/?a%00key=x&%6Bey=", "http://h/?a%00key=***&%6Bey=***");
    redact("http://h/?a?tokens=x#token=y&b=1", "http://h/?a?tokens=x#token=***&b=1");
    redact("http://h/?access_token=x&Client_Secret=y&passwd=z&secrets=1",
           "http://h/?access_token=***&Client_Secret=***&passwd=***&secrets=1");
    redact("http://u:secret@h/?x@y", "http://***@h/?x@y");
    redact("https://u@a@h", "https://***@h");
    redact("http://h/a@b", "http://h/a@b");
    redact("/rel?key=1", "/rel?key=***");
    redact("", "");
    redact("?", "?");
    redact("http://h/?key=http://x?key=5", "http://h/?key=***");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_redact),
        cmocka_unit_test(test_redact_text),
        cmocka_unit_test(test_strike_secrets),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
