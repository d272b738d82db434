/* Where a redirect leads. */
#include "fetch/location.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BASE "http://a/b/c/d;p?q"

static int resolve(const char *base, const char *location, char **ret_url, struct error *err)
{
    struct transfer_header header = {"location", location};
    CURLU *url = curl_url();
    assert_int_equal(curl_url_set(url, CURLUPART_URL, base, 0), CURLUE_OK);
    int r = location_resolve(url, &header, 1, ret_url, err);
    curl_url_cleanup(url);
    return r;
}

static void leads(const char *base, const char *location, const char *where)
{
    char *url = NULL;
    struct error err = {{0}};
    int r = resolve(base, location, &url, &err);
    if (r != LOCATION_URL)
        fail_msg("%s: %s", location, err.text);
    assert_string_equal(url, where);
    curl_free(url);
}

static void is_refused(const char *location, const char *why)
{
    char *url = NULL;
    struct error err = {{0}};
    if (resolve(BASE, location, &url, &err) != -EINVAL)
        fail_msg("%s leads to %s", location, url);
    if (!strstr(err.text, why))
        fail_msg("%s: %s", location, err.text);
    assert_null(strstr(err.text, "pw"));
}

/* RFC 3986, 5.4, but for what names no other page, and without fragments. */
static void test_references(void **state)
{
    static const struct {
        const char *location, *where;
    } list[] = {
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g/"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"g#s", "http://a/b/c/g"},
        {"g?y#s", "http://a/b/c/g?y"},
        {";x", "http://a/b/c/;x"},
        {"g;x?y#s", "http://a/b/c/g;x?y"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g..", "http://a/b/c/g.."},
        {"./g/.", "http://a/b/c/g/"},
        {"g;x=1/../y", "http://a/b/c/y"},
        {"g?y/../x", "http://a/b/c/g?y/../x"},
        {"HTTPS://Other.Example:8443/A", "https://other.example:8443/A"},
        {"ftp://example.org/f", "ftp://example.org/f"},
        {"/a b", "http://a/a%20b"},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
        leads(BASE, list[i].location, list[i].where);
    leads("http://a/b?q=/x/y", "g", "http://a/g");
    leads("http://a", "g", "http://a/g");
}

static void test_no_other_page(void **state)
{
    is_refused("", "names no other page");
    is_refused("#", "names no other page");
    is_refused("#top", "'#top' names no other page");
    is_refused("#/a/b?c", "names no other page");
}

static void test_useless(void **state)
{
    is_refused("http://[::1/", "'http://[::1/' cannot be used");
    is_refused("http://host:99999/", "cannot be used");
    is_refused("http://", "cannot be used");
    is_refused("//", "cannot be used");
    is_refused("http://a b/", "cannot be used");
    is_refused("mailto:somebody@example.org", "cannot be used");
    is_refused("javascript:alert(1)", "cannot be used");
    is_refused("http://me:pw@[::1/", "'***@[::1/' cannot be used");
    is_refused("me:pw@host/", "'***@host/' cannot be used");
    is_refused("//me:pw@a b/", "cannot be used");
}

static void test_two_of_them(void **state)
{
    struct transfer_header headers[] = {{"Location", "/x"}, {"Other", "y"}, {"LOCATION", "/x"}};
    CURLU *base = curl_url();
    char *url = NULL;
    struct error err = {{0}};
    curl_url_set(base, CURLUPART_URL, BASE, 0);
    assert_int_equal(location_resolve(base, headers, 0, &url, &err), 0);
    assert_int_equal(location_resolve(base, headers, 3, &url, &err), LOCATION_URL);
    assert_string_equal(url, "http://a/x");
    curl_free(url);
    headers[2].value = "/y";
    assert_int_equal(location_resolve(base, headers, 3, &url, &err), -EINVAL);
    assert_non_null(strstr(err.text, "second"));
    curl_url_cleanup(base);
}

/* The mappings are IDNA's (RFC 5891, UTS 46), and what they make of a name is a name. */
static void test_international_names(void **state)
{
    leads(BASE,
          "http://b\xc3\xbc"
          "cher.example/x",
          "http://xn--bcher-kva.example/x");
    leads(BASE,
          "//B\xc3\x9c"
          "CHER.example",
          "http://xn--bcher-kva.example/");
    leads(BASE, "https://b%C3%BCcher.example:444/", "https://xn--bcher-kva.example:444/");
    leads(BASE, "http://fa\xc3\x9f.example/", "http://xn--fa-hia.example/");
    leads(BASE, "http://\xe4\xbe\x8b\xe3\x81\x88.\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88/",
          "http://xn--r8jz45g.xn--zckzah/");
    leads(BASE, "http://\xef\xbc\x91\xef\xbc\x90.0.0.1/", "http://10.0.0.1/");
    leads(BASE, "http://\xef\xbc\x91/", "http://0.0.0.1/");
    is_refused("http://b\xfc"
               "cher.example/",
               "string");                           /* Latin-1 */
    is_refused("http://\xe2\x84\x80.example/", ""); /* a/c, to some */
    is_refused("http://\xe2\x80\xae.example/", ""); /* turns the writing around */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_no_other_page),
        cmocka_unit_test(test_useless),
        cmocka_unit_test(test_two_of_them),
        cmocka_unit_test(test_international_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
