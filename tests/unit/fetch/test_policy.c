/* The address policy by tables: classes of addresses, items, and what a refusal says. */
#include "fetch/address.h"
#include "fetch/policy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static socklen_t make(const char *text, int port, struct sockaddr_storage *ret)
{
    struct sockaddr_in *in = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
    memset(ret, 0, sizeof *ret);
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
        return sizeof *in;
    }
    if (inet_pton(AF_INET6, text, &in6->sin6_addr) != 1)
        fail_msg("the test's address %s is none", text);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons((uint16_t)port);
    return sizeof *in6;
}

static struct policy *build(const char *allow, const char *deny)
{
    struct policy *policy = NULL;
    struct error err = {{0}};
    if (policy_new(&allow, allow != NULL, &deny, deny != NULL, &policy, &err) < 0)
        fail_msg("%s", err.text);
    return policy;
}

/* class NULL: goes by default. */
static const struct {
    const char *address, *class;
} classes[] = {
    {"0.0.0.0", "unspecified"},
    {"0.1.2.3", "this network"},
    {"10.0.0.0", "private"},
    {"10.255.255.255", "private"},
    {"11.0.0.0", NULL},
    {"9.255.255.255", NULL},
    {"100.63.255.255", NULL},
    {"100.64.0.0", "shared"},
    {"100.127.255.255", "shared"},
    {"100.128.0.0", NULL},
    {"127.0.0.1", "loopback"},
    {"127.255.255.254", "loopback"},
    {"128.0.0.1", NULL},
    {"169.253.255.255", NULL},
    {"169.254.169.254", "link-local"},
    {"172.15.255.255", NULL},
    {"172.16.0.1", "private"},
    {"172.31.255.255", "private"},
    {"172.32.0.0", NULL},
    {"192.0.0.8", "IETF"},
    {"192.0.1.1", NULL},
    {"192.0.2.1", "documentation"},
    {"192.88.99.1", "reserved"},
    {"192.167.255.255", NULL},
    {"192.168.1.1", "private"},
    {"192.169.0.0", NULL},
    {"198.17.255.255", NULL},
    {"198.18.0.0", "benchmarking"},
    {"198.19.255.255", "benchmarking"},
    {"198.20.0.0", NULL},
    {"198.51.100.7", "documentation"},
    {"203.0.113.7", "documentation"},
    {"223.255.255.255", NULL},
    {"224.0.0.1", "multicast"},
    {"239.255.255.255", "multicast"},
    {"240.0.0.1", "reserved"},
    {"255.255.255.254", "reserved"},
    {"255.255.255.255", "broadcast"},
    {"8.8.8.8", NULL},
    {"::", "unspecified"},
    {"::1", "loopback"},
    {"::2", "this network"}, /* IPv4-compatible 0.0.0.2 */
    {"::127.0.0.1", "loopback"},
    {"::10.0.0.1", "private"},
    {"::ffff:127.0.0.1", "loopback"},
    {"::ffff:0.0.0.0", "unspecified"},
    {"::ffff:10.1.2.3", "private"},
    {"::ffff:169.254.169.254", "link-local"},
    {"::ffff:8.8.8.8", NULL},
    {"::ffff:0:127.0.0.1", "reserved"}, /* IPv4-translated */
    {"64:ff9b::7f00:1", "loopback"},
    {"64:ff9b::10.0.0.1", "private"},
    {"64:ff9b::8.8.8.8", NULL},
    {"64:ff9b:0:0:0:1:8.8.8.8", "reserved"},
    {"64:ff9b:1::10.0.0.1", "NAT64"},
    {"64:ff9b:1::8.8.8.8", "NAT64"},
    {"2002:7f00:1::", "loopback"},
    {"2002:a00:1::1", "private"},
    {"2002:a9fe:a9fe::", "link-local"},
    {"2002:808:808::1", NULL},
    {"2001:0:7f00:1::f7f7:f7f7", "loopback"},  /* Teredo: server 127.0.0.1 */
    {"2001:0:808:808::80ff:fffe", "loopback"}, /* Teredo: client 127.0.0.1 */
    {"2001:0:808:808::f5ff:fffe", "private"},  /* Teredo: client 10.0.0.1 */
    {"2001:0:808:808::f7f7:f7f7", NULL},
    {"100::1", "discard"},
    {"100:0:0:1::1", "reserved"},
    {"2001:1::1", "IETF"},
    {"2001:2::1", "benchmarking"},
    {"2001:10::1", "IETF"},
    {"2001:1ff::1", "IETF"},
    {"2001:200::1", NULL},
    {"2001:db8::1", "documentation"},
    {"2001:4860:4860::8888", NULL},
    {"2606:4700::1111", NULL},
    {"3fff:fff::1", "documentation"},
    {"3fff:1000::1", NULL},
    {"4000::1", "reserved"},
    {"5f00::1", "segment routing"},
    {"fbff::1", "reserved"},
    {"fc00::1", "unique local"},
    {"fdff:ffff::1", "unique local"},
    {"fe80::1", "link-local"},
    {"febf::1", "link-local"},
    {"fec0::1", "site-local"},
    {"ff02::1", "multicast"},
};

static void test_classes(void **state)
{
    struct policy *policy = build(NULL, NULL);
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        struct sockaddr_storage addr;
        struct error err = {{0}};
        socklen_t len = make(classes[i].address, 443, &addr);
        int r = policy_check(policy, "h", (struct sockaddr *)&addr, len, &err);
        if (r != (classes[i].class ? -EACCES : 0) ||
            (classes[i].class && !strstr(err.text, classes[i].class)))
            fail_msg("%s: %d %s", classes[i].address, r, err.text);
    }
    policy_unref(policy);
}

/* What a refusal advises is what lifts it: for every address that is refused. */
static void test_remedy_works(void **state)
{
    struct policy *policy = build(NULL, NULL);
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        struct sockaddr_storage addr;
        struct error err = {{0}};
        socklen_t len = make(classes[i].address, 443, &addr);
        if (policy_check(policy, "h", (struct sockaddr *)&addr, len, &err) == 0)
            continue;
        const char *advice = strstr(err.text, "allow = ");
        assert_non_null(advice);
        char item[64];
        snprintf(item, sizeof item, "%.*s", (int)strcspn(advice + 8, " "), advice + 8);
        struct policy *lifted = build(item, NULL);
        if (policy_check(lifted, "h", (struct sockaddr *)&addr, len, &err) < 0)
            fail_msg("%s in spite of %s: %s", classes[i].address, advice, err.text);
        policy_unref(lifted);
    }
    policy_unref(policy);
}

static void test_sentence(void **state)
{
    struct policy *policy = build(NULL, NULL);
    struct sockaddr_storage addr;
    struct error err = {{0}};
    socklen_t len = make("::ffff:10.1.2.3", 80, &addr);
    assert_int_equal(policy_check(policy, "example.org", (struct sockaddr *)&addr, len, &err),
                     -EACCES);
    assert_string_equal(err.text, "the address ::ffff:10.1.2.3 is private: refused unless [policy] "
                                  "says allow = 10.1.2.3/32 (host example.org)");
    len = make("fe80::1", 80, &addr);
    assert_int_equal(policy_check(policy, "example.org", (struct sockaddr *)&addr, len, &err),
                     -EACCES);
    assert_non_null(strstr(err.text, "allow = fe80::1/128"));
    policy_unref(policy);
}

static const struct {
    const char *allow, *deny, *host, *address;
    int port, result;
} items[] = {
    {"10.0.0.0/8", NULL, "h", "10.200.0.1", 80, 0},
    {"10.0.0.0/8", NULL, "h", "192.168.0.1", 80, -EACCES},
    {"10.0.0.0/8", NULL, "h", "::ffff:10.0.0.1", 80, 0},
    {"10.0.0.0/8", NULL, "h", "64:ff9b::10.0.0.1", 80, 0},
    {"10.0.0.0/8", NULL, "h", "2002:a00:1::", 80, 0},
    {"::ffff:10.0.0.0/104", NULL, "h", "10.0.0.1", 80, 0},
    {"127.0.0.1", NULL, "h", "127.0.0.1", 80, 0},
    {"127.0.0.1", NULL, "h", "127.0.0.2", 80, -EACCES},
    {"::1", NULL, "h", "::1", 80, 0},
    {"::1", NULL, "h", "127.0.0.1", 80, -EACCES},
    {"fc00::/7", NULL, "h", "fd12::1", 80, 0},
    {"0.0.0.0/0", NULL, "h", "127.0.0.1", 80, 0},
    {"0.0.0.0/0", NULL, "h", "::1", 80, -EACCES},
    {"127.0.0.1:8080", NULL, "h", "127.0.0.1", 8080, 0},
    {"127.0.0.1:8080", NULL, "h", "127.0.0.1", 8081, -EACCES},
    {"127.0.0.0/8:8000-8099", NULL, "h", "127.9.9.9", 8099, 0},
    {"127.0.0.0/8:8000-8099", NULL, "h", "127.9.9.9", 8100, -EACCES},
    {"[::1]:8080", NULL, "h", "::1", 8080, 0},
    {"[::1]:8080", NULL, "h", "::1", 80, -EACCES},
    {"[fc00::/7]:443", NULL, "h", "fd00::1", 443, 0},
    {"[::1]", NULL, "h", "::1", 1, 0},
    {":8080", NULL, "h", "10.0.0.1", 8080, 0},
    {":8080", NULL, "h", "10.0.0.1", 80, -EACCES},
    {"intern.example", NULL, "intern.example", "10.0.0.1", 80, 0},
    {"intern.example", NULL, "INTERN.example.", "10.0.0.1", 80, 0},
    {"intern.example", NULL, "x.intern.example", "10.0.0.1", 80, -EACCES},
    {"*.intern.example", NULL, "a.b.intern.example", "10.0.0.1", 80, 0},
    {"*.intern.example", NULL, "intern.example", "10.0.0.1", 80, -EACCES},
    {"*.intern.example", NULL, "xintern.example", "10.0.0.1", 80, -EACCES},
    {"*.intern.example:81", NULL, "x.intern.example", "10.0.0.1", 80, -EACCES},
    {"*", NULL, "whatever", "10.0.0.1", 80, 0},
    {NULL, "8.8.8.0/24", "h", "8.8.8.8", 80, -EACCES},
    {NULL, "8.8.8.0/24", "h", "::ffff:8.8.8.8", 80, -EACCES},
    {NULL, "8.8.8.0/24", "h", "64:ff9b::8.8.8.8", 80, -EACCES},
    {NULL, "8.8.8.0/24", "h", "8.8.4.4", 80, 0},
    {NULL, "*.evil.example", "x.evil.example", "8.8.8.8", 80, -EACCES},
    {NULL, ":25", "h", "8.8.8.8", 25, -EACCES},
    {NULL, ":25", "h", "8.8.8.8", 26, 0},
    {NULL, "2000::/3", "h", "2606:4700::1", 80, -EACCES},
    {"10.0.0.0/8", "10.0.0.0/24", "h", "10.0.0.1", 80, -EACCES}, /* deny wins */
    {"10.0.0.0/8", "10.0.0.0/24", "h", "10.0.1.1", 80, 0},
};

static void test_items(void **state)
{
    for (size_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        struct policy *policy = build(items[i].allow, items[i].deny);
        struct sockaddr_storage addr;
        struct error err = {{0}};
        socklen_t len = make(items[i].address, items[i].port, &addr);
        int r = policy_check(policy, items[i].host, (struct sockaddr *)&addr, len, &err);
        if (r != items[i].result)
            fail_msg("allow %s deny %s: %s at %s port %d: %d %s", items[i].allow, items[i].deny,
                     items[i].host, items[i].address, items[i].port, r, err.text);
        if (r && items[i].deny)
            assert_non_null(strstr(err.text, items[i].deny));
        policy_unref(policy);
    }
}

/* RFC 6052, 2.4: 192.0.2.33 below a prefix of each length; here 10.1.2.3 and 8.8.8.8. */
static void test_translators(void **state)
{
    static const struct {
        const char *prefix, *address;
        int result;
    } cases[] = {
        {"2600:1::/32", "2600:1:a01:203::", -EACCES},
        {"2600:1:200::/40", "2600:1:20a:102:3::", -EACCES},
        {"2600:1:2::/48", "2600:1:2:a01:2:300::", -EACCES},
        {"2600:1:2:300::/56", "2600:1:2:30a:1:203::", -EACCES},
        {"2600:1:2:3::/64", "2600:1:2:3:a:102:300::", -EACCES},
        {"2600:1:2:3:4::/96", "2600:1:2:3:4::a01:203", -EACCES},
        {"2600:1::/32", "2600:1:808:808::", 0},
        {"2600:1:200::/40", "2600:1:208:808:8::", 0},
        {"2600:1:2::/48", "2600:1:2:808:8:800::", 0},
        {"2600:1:2:300::/56", "2600:1:2:308:8:808::", 0},
        {"2600:1:2:3::/64", "2600:1:2:3:8:808:800::", 0},
        {"2600:1:2:3:4::/96", "2600:1:2:3:4::808:808", 0},
        {"2600:1:2:3:4::/96", "2600:1:2:3:5::a01:203", 0},
        {"64:ff9b:1::/48", "64:ff9b:1:a01:2:300::", -EACCES},
        {"64:ff9b:1::/48", "64:ff9b:1:808:8:800::", 0},
        {"fd00:64::/96", "fd00:64::8.8.8.8", 0},
        {"fd00:64::/96", "fd00:64::7f00:1", -EACCES},
        {NULL, "2600:1:2:3:4::a01:203", 0}, /* nobody could know */
        {NULL, "64:ff9b:1:808:8:800::", -EACCES},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct policy *policy = build(NULL, NULL);
        struct sockaddr_storage addr;
        struct error err = {{0}};
        socklen_t len = make(cases[i].address, 80, &addr);
        const char *prefix = cases[i].prefix;
        assert_int_equal(policy_set_translators(policy, &prefix, prefix != NULL, &err), 0);
        int r = policy_check(policy, "h", (struct sockaddr *)&addr, len, &err);
        if (r != cases[i].result)
            fail_msg("%s: %s: %s", prefix, cases[i].address, err.text);
        if (r && prefix)
            assert_non_null(strstr(err.text, "/32 (host h)"));
        policy_unref(policy);
    }
    static const char *const bad[] = {"10.0.0.0/8", "2600::/33", "2600::/72",  "2600::1",
                                      "h",          ":80",       "2600::1/32", "2600::/128"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct policy *policy = build(NULL, NULL);
        struct error err = {{0}};
        assert_int_equal(policy_set_translators(policy, &bad[i], 1, &err), -EINVAL);
        assert_non_null(strstr(err.text, bad[i]));
        policy_unref(policy);
    }
}

static void test_bad_items(void **state)
{
    static const char *const bad[] = {
        "",        "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/",   "10.0.0.0/x",
        "10.0.0",  "300.1.1.1",  "fc00::/129",  "fc00::1/7",   "example.org/24",
        "[::1",    "[::1]x",     "[]:80",       ":0",          ":65536",
        ":",       ":90-80",     "h:http",      "a b",         "*x.org",
        "a.*.org", "*.",         ".org",        "http://h",    "10.0.0.*",
        "::1:",    "h:80:90",    "127.0.0.1:",  "[::1/64]:80",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct policy *policy = NULL;
        struct error err = {{0}};
        int r = policy_new(&bad[i], 1, NULL, 0, &policy, &err);
        if (r != -EINVAL)
            fail_msg("'%s' was taken", bad[i]);
        assert_null(policy);
        if (!strstr(err.text, bad[i]))
            fail_msg("'%s' is not named: %s", bad[i], err.text);
    }
    struct policy *policy = NULL;
    struct error err = {{0}};
    const char *stray = "10.0.0.1/8";
    assert_int_equal(policy_new(NULL, 0, &stray, 1, &policy, &err), -EINVAL);
    assert_non_null(strstr(err.text, "did you mean 10.0.0.0/8?"));
}

static const struct {
    const char *allow, *deny, *host;
    int port, result;
} hosts[] = {
    {NULL, NULL, "example.org", 80, 0},
    {NULL, NULL, "localhost", 80, 0}, /* a name: its addresses are judged when there are any */
    {NULL, NULL, "8.8.8.8", 80, 0},
    {NULL, NULL, "127.0.0.1", 80, -EACCES},
    {NULL, NULL, "127.1", 80, -EACCES},
    {NULL, NULL, "0", 80, -EACCES},
    {NULL, NULL, "2130706433", 80, -EACCES},
    {NULL, NULL, "0x7f000001", 80, -EACCES},
    {NULL, NULL, "017700000001", 80, -EACCES},
    {NULL, NULL, "::1", 80, -EACCES},
    {NULL, NULL, "::ffff:127.0.0.1", 80, -EACCES},
    {NULL, NULL, "fe80::1%eth0", 80, -EACCES},
    {NULL, NULL, "2606:4700::1111", 80, 0},
    {"127.0.0.0/8", NULL, "127.1", 80, 0},
    {"127.0.0.1:81", NULL, "127.0.0.1", 80, -EACCES},
    {NULL, "example.org", "example.org", 80, -EACCES},
    {NULL, "*.example.org", "a.example.org", 80, -EACCES},
    {NULL, ":25", "example.org", 25, -EACCES},
    {NULL, "example.org:25", "example.org", 80, 0},
    {NULL, "8.8.8.8", "8.8.8.8", 80, -EACCES},
    {NULL, "8.8.8.8", "example.org", 80, 0},
};

static void test_hosts(void **state)
{
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        struct policy *policy = build(hosts[i].allow, hosts[i].deny);
        struct error err = {{0}};
        int r = policy_check_host(policy, hosts[i].host, hosts[i].port, &err);
        if (r != hosts[i].result)
            fail_msg("allow %s deny %s: %s port %d: %d %s", hosts[i].allow, hosts[i].deny,
                     hosts[i].host, hosts[i].port, r, err.text);
        policy_unref(policy);
    }
}

static void test_other_families(void **state)
{
    struct policy *policy = build("*", NULL);
    struct sockaddr addr = {.sa_family = AF_UNIX};
    struct sockaddr_storage in;
    struct error err = {{0}};
    assert_int_equal(policy_check(policy, "h", &addr, sizeof addr, &err), -EACCES);
    make("8.8.8.8", 80, &in);
    assert_int_equal(policy_check(policy, "h", (struct sockaddr *)&in, 4, &err), -EACCES);
    policy_unref(policy);
}

static void test_references(void **state)
{
    struct policy *policy = build(NULL, NULL);
    assert_ptr_equal(policy_ref(policy), policy);
    policy_unref(policy);
    struct error err = {{0}};
    assert_int_equal(policy_check_host(policy, "example.org", 80, &err), 0);
    policy_unref(policy);
    policy_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),    cmocka_unit_test(test_remedy_works),
        cmocka_unit_test(test_sentence),   cmocka_unit_test(test_translators),
        cmocka_unit_test(test_items),      cmocka_unit_test(test_bad_items),
        cmocka_unit_test(test_hosts),      cmocka_unit_test(test_other_families),
        cmocka_unit_test(test_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
