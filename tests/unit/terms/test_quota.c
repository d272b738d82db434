/* Whose limits hold for a user. */
#include "terms/quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static uint32_t in_two[] = {7, 9};
static uint32_t in_both[] = {9};

static struct settings_quota sections[] = {
    {.name = (char *)"own",
     .id = 5,
     .max_jobs = 3,
     .max_running = 8,
     .max_priority = QUOTA_ANY_PRIORITY},
    {.name = (char *)"two",
     .group = true,
     .id = 100,
     .max_jobs = 10,
     .max_running = 5,
     .max_priority = 1,
     .members = in_two,
     .member_count = 2},
    {.name = (char *)"both",
     .group = true,
     .id = 200,
     .max_jobs = 20,
     .max_priority = -4,
     .members = in_both,
     .member_count = 1},
    {.name = (char *)"open", .group = true, .id = 300, .max_priority = QUOTA_ANY_PRIORITY},
};

static struct quota of(uint32_t uid, uint32_t gid)
{
    const struct settings settings = {.quotas = sections, .quota_count = 4};
    struct quota quota;
    quota_of(&settings, uid, gid, &quota);
    return quota;
}

static void who_is_in_no_section_has_no_limit(void **state)
{
    struct quota q = of(8, 8);
    assert_int_equal(q.max_jobs, 0);
    assert_int_equal(q.max_priority, QUOTA_ANY_PRIORITY);
    assert_null(q.jobs);
}

static void a_users_own_section_stands_alone(void **state)
{
    struct quota q = of(5, 200);
    assert_int_equal(q.max_jobs, 3);
    assert_int_equal(q.max_running, 8);
    assert_int_equal(q.max_priority, QUOTA_ANY_PRIORITY);
    assert_ptr_equal(q.jobs, &sections[0]);
}

static void a_group_has_its_members_and_who_came_with_it(void **state)
{
    assert_ptr_equal(of(7, 7).jobs, &sections[1]);
    assert_ptr_equal(of(8, 100).jobs, &sections[1]);
    assert_int_equal(of(7, 7).max_jobs, 10);
    assert_int_equal(of(7, 7).max_running, 5);
    assert_ptr_equal(of(7, 7).running, &sections[1]);
    assert_int_equal(of(7, 7).max_priority, 1);
}

static void of_several_groups_each_limit_is_the_most_generous(void **state)
{
    struct quota q = of(9, 9);
    char name[96];
    assert_int_equal(q.max_jobs, 20);
    assert_ptr_equal(q.jobs, &sections[2]);
    assert_int_equal(q.max_running, 0); /* the other one gives none */
    assert_ptr_equal(q.running, &sections[2]);
    assert_int_equal(q.max_priority, 1);
    assert_ptr_equal(q.priority, &sections[1]);
    assert_string_equal(quota_name(q.jobs, name, sizeof name), "[group \"both\"]");
    q = of(9, 300);
    assert_int_equal(q.max_jobs, 0);
    assert_int_equal(q.max_priority, QUOTA_ANY_PRIORITY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_in_no_section_has_no_limit),
        cmocka_unit_test(a_users_own_section_stands_alone),
        cmocka_unit_test(a_group_has_its_members_and_who_came_with_it),
        cmocka_unit_test(of_several_groups_each_limit_is_the_most_generous),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
