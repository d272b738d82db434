/* Which shard a host is of. That never changes: two versions of the daemon may share a store. */
#include "store/shared.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_known_shards(void **state)
{
    (void)state;
    /* FNV-1a of 64 bits, and its last eight. */
    assert_int_equal(store_shard(""), 0x25);
    assert_int_equal(store_shard("a"), 0x8c);
    assert_int_equal(store_shard("foobar"), 0xe8);
}

/* Two versions may share one store: a host's shard is for ever. */
static void test_a_host_is_in_one_shard_for_ever(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        unsigned shard;
    } known[] = {
        {"example.org", 81},     {"www.example.org", 81},
        {"a.b.example.org", 81}, {"example.com", 198},
        {"example.co.uk", 155},  {"www.bbc.co.uk", 44},
        {"bbc.co.uk", 44},       {"localhost", 122},
        {"127.0.0.1", 190},      {"10.0.0.1", 141},
        {"[2001:db8::1]", 231},  {"www.github.io", 88},
        {"heise.de", 38},        {"www.heise.de", 38},
        {"www.xy.de", 242},      {"", 37},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        assert_int_equal(store_shard(known[i].host), known[i].shard);
}

/* A redirect to www. stays with its owner. */
static void test_one_site_is_one_shard(void **state)
{
    (void)state;
    unsigned shard = store_shard("example.org");
    assert_int_equal(store_shard("www.example.org"), shard);
    assert_int_equal(store_shard("a.b.c.example.org"), shard);
    assert_int_equal(store_shard("example.org."), shard);
    assert_int_equal(store_shard("www.bbc.co.uk"), store_shard("bbc.co.uk"));
    assert_int_equal(store_shard("static.a.com.au"), store_shard("a.com.au"));
    assert_int_equal(store_shard("www.example.de"), store_shard("example.de"));
}

#define SHARDS_OF(format)                             \
    ({                                                \
        bool seen_[STORE_SHARDS] = {false};           \
        unsigned shards_ = 0;                         \
        for (int i = 0; i < 250; i++) {               \
            char host_[64];                           \
            snprintf(host_, sizeof host_, format, i); \
            shards_ += !seen_[store_shard(host_)];    \
            seen_[store_shard(host_)] = true;         \
        }                                             \
        shards_;                                      \
    })

/* All of a country's second level is not one shard, nor is a network. */
static void test_sites_are_apart(void **state)
{
    (void)state;
    assert_true(SHARDS_OF("site%d.co.uk") > 64);
    assert_true(SHARDS_OF("192.0.2.%d") > 64);
    assert_true(SHARDS_OF("2001:db8::%d") > 64);
    assert_true(SHARDS_OF("s%d") > 64);
    assert_int_equal(store_shard("[2001:db8::1]"), store_shard("2001:db8::1"));
}

static void test_freed(void **state)
{
    (void)state;
    struct store_event *event = calloc(1, sizeof *event);
    assert_non_null(event);
    event->host = strdup("example.org");
    event->why = strdup("because");
    event->elsewhere = calloc(1, sizeof *event->elsewhere);
    assert_non_null(event->elsewhere);
    event->elsewhere[0].host = strdup("example.org");
    event->elsewhere_count = 1;
    store_event_free(event);
    store_event_free(NULL);
    struct store_members members = {.members = calloc(1, sizeof *members.members), .count = 1};
    assert_non_null(members.members);
    members.members[0].name = strdup("one");
    store_members_free(&members);
    assert_null(members.members);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_shards),
        cmocka_unit_test(test_a_host_is_in_one_shard_for_ever),
        cmocka_unit_test(test_one_site_is_one_shard),
        cmocka_unit_test(test_sites_are_apart),
        cmocka_unit_test(test_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
