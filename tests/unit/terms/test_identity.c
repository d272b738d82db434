/* Who a hop says it is: files that are read for one hop, and wiped behind it. */
#include "terms/identity.h"

#include "base/list.h"
#include "support/testlib.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static uv_loop_t loop;
static struct identity identity;
static unsigned done;

static int begin(void **state)
{
    identity = (struct identity){.result = 0};
    done = 0;
    return uv_loop_init(&loop);
}

static int end(void **state)
{
    identity_deinit(&identity);
    return uv_loop_close(&loop);
}

static void on_done(struct identity *i)
{
    assert_ptr_equal(i, &identity);
    assert_false(i->reading);
    done++;
}

static int read_it(void)
{
    done = 0;
    identity_read(&identity, &loop, "http://a.test/x", on_done);
    assert_true(identity.reading);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(done, 1);
    return identity.result;
}

static const char *secret_file(const char *text)
{
    static unsigned number;
    const char *path = strdup(test_path("secret%u", ++number)); /* the caller's */
    test_write_file(path, text, strlen(text));
    assert_int_equal(chmod(path, 0600), 0);
    return path;
}

static struct credential *credential(enum credential_type type, const char *path)
{
    struct settings_credential given = {.name = (char *)"c",
                                        .type = type,
                                        .user = (char *)"me",
                                        .query = (char *)"key",
                                        .secret_file = (char *)(uintptr_t)path};
    struct credential *c = NULL;
    assert_int_equal(credential_new(&given, "a.test", &c), 0);
    return c;
}

static void nothing_is_wanted(void **state)
{
    assert_false(identity_wanted(&identity));
    assert_int_equal(identity_prepare(&identity, NULL, NULL, NULL), 0);
    assert_false(identity_wanted(&identity));
}

static void a_certificate_and_its_key(void **state)
{
    const char *cert = secret_file("CERT"), *key = secret_file("KEY");
    assert_int_equal(identity_prepare(&identity, cert, key, NULL), 0);
    assert_true(identity_wanted(&identity));
    assert_int_equal(read_it(), 0);
    assert_int_equal(identity.cert_len, 4);
    assert_memory_equal(identity.cert, "CERT", 4);
    assert_memory_equal(identity.key, "KEY", 3);
    assert_null(identity.url);
    identity_wipe(&identity);
    assert_null(identity.cert);
    assert_null(identity.key);
    /* The next hop's host has none. */
    assert_int_equal(identity_prepare(&identity, NULL, NULL, NULL), 0);
    assert_false(identity_wanted(&identity));
    assert_int_equal(read_it(), 0);
    assert_null(identity.cert);
    free((void *)(uintptr_t)cert);
    free((void *)(uintptr_t)key);
}

/* Each hop reads them anew: a secret that was changed is the new one. */
static void secrets_are_read_anew(void **state)
{
    const char *path = secret_file("one");
    identity.credential = credential(CREDENTIAL_BEARER, path);
    assert_true(identity_wanted(&identity));
    assert_int_equal(read_it(), 0);
    assert_string_equal(identity.credential->header, "Authorization: Bearer one");
    test_write_file(path, "two", 3);
    assert_int_equal(read_it(), 0);
    assert_string_equal(identity.credential->header, "Authorization: Bearer two");
    identity_wipe(&identity);
    assert_null(identity.credential->header);
    free((void *)(uintptr_t)path);
}

static void one_of_the_query_makes_the_url(void **state)
{
    const char *path = secret_file("s/s");
    identity.credential = credential(CREDENTIAL_QUERY, path);
    assert_int_equal(read_it(), 0);
    assert_string_equal(identity.url, "http://a.test/x?key=s%2Fs");
    identity_wipe(&identity);
    assert_null(identity.url);
    /* Another origin goes without. */
    identity_forget_credential(&identity);
    assert_false(identity_wanted(&identity));
    assert_int_equal(read_it(), 0);
    assert_null(identity.url);
    free((void *)(uintptr_t)path);
}

static void what_cannot_be_read_is_named(void **state)
{
    const char *cert = secret_file("CERT");
    assert_int_equal(identity_prepare(&identity, "/nowhere/cert", NULL, NULL), 0);
    assert_int_equal(read_it(), -ENOENT);
    assert_non_null(strstr(identity.error.text, "client_cert: "));
    assert_non_null(strstr(identity.error.text, "/nowhere/cert"));
    assert_int_equal(identity_prepare(&identity, cert, "/nowhere/key", NULL), 0);
    assert_int_equal(read_it(), -ENOENT);
    assert_non_null(strstr(identity.error.text, "client_key: "));
    assert_int_equal(
        identity_prepare(&identity, NULL, NULL, credential(CREDENTIAL_BASIC, "/nowhere/proxy")), 0);
    assert_true(identity_wanted(&identity));
    assert_true(read_it() < 0);
    assert_non_null(strstr(identity.error.text, "/nowhere/proxy"));
    free((void *)(uintptr_t)cert);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        EACH(nothing_is_wanted),
        EACH(a_certificate_and_its_key),
        EACH(secrets_are_read_anew),
        EACH(one_of_the_query_makes_the_url),
        EACH(what_cannot_be_read_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
