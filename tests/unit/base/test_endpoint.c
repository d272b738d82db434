#include "base/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void loopback_is_taken(void **state)
{
    struct sockaddr_storage address;
    socklen_t len = 0;
    struct error err = {""};
    assert_int_equal(endpoint_parse("127.0.0.1:9469", &address, &len, &err), 0);
    assert_int_equal(address.ss_family, AF_INET);
    assert_int_equal(len, sizeof(struct sockaddr_in));
    assert_int_equal(ntohs(((struct sockaddr_in *)&address)->sin_port), 9469);
    assert_int_equal(endpoint_parse("[::1]:0", &address, &len, &err), 0);
    assert_int_equal(address.ss_family, AF_INET6);
    assert_int_equal(len, sizeof(struct sockaddr_in6));
    assert_int_equal(((struct sockaddr_in6 *)&address)->sin6_port, 0);
    assert_int_equal(endpoint_parse("127.255.0.9:65535", &address, &len, &err), 0);
}

static void all_else_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "9469",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "127.0.0.1:65536",
                                      "127.0.0.1:-1",
                                      "127.0.0.1:+1",
                                      "127.0.0.1: 1",
                                      "127.0.0.1:1x",
                                      "0.0.0.0:1",
                                      "192.0.2.1:1",
                                      "[::]:1",
                                      "[2001:db8::1]:1",
                                      "::1:1",
                                      "[::1]",
                                      "[::1:1",
                                      "localhost:1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct sockaddr_storage address;
        socklen_t len;
        struct error err = {""};
        if (endpoint_parse(bad[i], &address, &len, &err) != -EINVAL || !err.text[0])
            fail_msg("\"%s\" is taken", bad[i]);
        assert_int_equal(endpoint_check(bad[i], &err), -EINVAL);
    }
}

static void a_path_is_checked_as_well(void **state)
{
    struct error err = {""};
    assert_int_equal(endpoint_check("/run/penstock/metrics.sock", &err), 0);
    assert_int_equal(endpoint_check("[::1]:9469", &err), 0);
    assert_int_equal(endpoint_check("run/metrics.sock", &err), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loopback_is_taken),
        cmocka_unit_test(all_else_is_refused),
        cmocka_unit_test(a_path_is_checked_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
