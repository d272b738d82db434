/* Who may do what: every pair of lists against every kind of client. */
#include "terms/access.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* Users and groups by number: no name service has a say. */
#define SUBMITTER  77001
#define ADMIN      77002
#define STRANGER   77003
#define SUBMITTERS 77101
#define ADMINS     77102

static struct access *access_of(const char *users, const char *groups, const char *admins,
                                const char *admin_groups)
{
    struct strings lists[4] = {{NULL, 0}};
    const char *const words[] = {users, groups, admins, admin_groups};
    struct access *a = NULL;
    struct error err = {""};
    for (size_t i = 0; i < 4; i++)
        if (words[i])
            assert_int_equal(strings_add(&lists[i], words[i], strlen(words[i])), 0);
    if (access_new(&(struct access_lists){.submit_users = &lists[0],
                                          .submit_groups = &lists[1],
                                          .admin_users = &lists[2],
                                          .admin_groups = &lists[3]},
                   &a, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < 4; i++)
        strings_deinit(&lists[i]);
    return a;
}

static const uint32_t some_groups[] = {1, SUBMITTERS, 2}, admin_groups[] = {ADMINS};

static const struct peer root = {.uid = 0, .gid = 5};
static const struct peer submitter = {.uid = SUBMITTER, .gid = 5};
static const struct peer admin = {.uid = ADMIN, .gid = 5};
static const struct peer stranger = {.uid = STRANGER, .gid = 5};
static const struct peer with_group = {.uid = STRANGER, .gid = SUBMITTERS};
static const struct peer with_second = {
    .uid = STRANGER, .gid = 5, .groups = some_groups, .group_count = 3};
static const struct peer with_admins = {
    .uid = STRANGER, .gid = 5, .groups = admin_groups, .group_count = 1};

struct rights {
    const struct peer *peer;
    bool submit, administer, is_administrator, sees_others;
};

static void assert_rights(const struct access *a, const struct rights *rights, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct peer *p = rights[i].peer;
        if (access_may_submit(a, p) != rights[i].submit ||
            access_may_administer(a, p) != rights[i].administer ||
            access_is_administrator(a, p) != rights[i].is_administrator ||
            access_may_see(a, p, SUBMITTER + 900) != rights[i].sees_others)
            fail_msg("%zu: %d %d %d %d", i, access_may_submit(a, p), access_may_administer(a, p),
                     access_is_administrator(a, p), access_may_see(a, p, SUBMITTER + 900));
        assert_true(access_may_see(a, p, p->uid)); /* his own */
    }
}
#define RIGHTS(a, ...)                                     \
    assert_rights(a, (const struct rights[]){__VA_ARGS__}, \
                  sizeof((const struct rights[]){__VA_ARGS__}) / sizeof(struct rights))

static void without_lists_everybody_may_everything(void **state)
{
    struct access *a = access_of(NULL, NULL, NULL, NULL);
    RIGHTS(a, {&root, true, true, true, true}, {&stranger, true, true, false, true});
    access_free(a);
    access_free(NULL);
}

static void a_list_of_submitters_keeps_others_from_submitting(void **state)
{
    struct access *a = access_of("77001", NULL, NULL, NULL);
    RIGHTS(a, {&root, true, true, true, true}, {&submitter, true, true, false, true},
           {&stranger, false, true, false, true}, {&with_group, false, true, false, true});
    access_free(a);
    a = access_of(NULL, "77101", NULL, NULL);
    RIGHTS(a, {&submitter, false, true, false, true}, {&with_group, true, true, false, true},
           {&with_second, true, true, false, true}, {&with_admins, false, true, false, true});
    access_free(a);
}

static void a_list_of_administrators_keeps_others_from_others_jobs(void **state)
{
    struct access *a = access_of(NULL, NULL, "77002", NULL);
    RIGHTS(a, {&root, true, true, true, true}, {&admin, true, true, true, true},
           {&stranger, true, false, false, false});
    access_free(a);
    a = access_of(NULL, NULL, NULL, "77102");
    RIGHTS(a, {&admin, true, false, false, false}, {&with_admins, true, true, true, true},
           {&with_second, true, false, false, false});
    access_free(a);
}

static void administrators_may_submit_as_well(void **state)
{
    struct access *a = access_of("77001", "77101", "77002", "77102");
    RIGHTS(a, {&submitter, true, false, false, false}, {&admin, true, true, true, true},
           {&stranger, false, false, false, false}, {&with_second, true, false, false, false},
           {&with_admins, true, true, true, true}, {&root, true, true, true, true});
    access_free(a);
}

/* A number of a group is no user's, and the other way round. */
static void users_and_groups_are_apart(void **state)
{
    struct access *a = access_of("77101", "77001", NULL, NULL);
    RIGHTS(a, {&submitter, false, true, false, true}, {&with_group, false, true, false, true});
    access_free(a);
}

static void the_daemons_own_user_may_everything(void **state)
{
    const struct peer own = {.uid = geteuid(), .gid = 5};
    struct access *a = access_of("77001", NULL, "77002", NULL);
    RIGHTS(a, {&own, true, true, true, true});
    access_free(a);
}

/* --- names ------------------------------------------------------------------------------------ */

static void names_and_numbers(void **state)
{
    static const struct {
        const char *name;
        int result;
        uint32_t id;
    } cases[] = {
        {"root", 0, 0},
        {"0", 0, 0},
        {"007", 0, 7},
        {"4294967294", 0, 4294967294},
        {"4294967295", -ENOENT, 0}, /* which says "nobody in particular" to the kernel */
        {"4294967296", -ENOENT, 0},
        {"18446744073709551617", -ENOENT, 0},
        {"-1", -ENOENT, 0},
        {"+1", -ENOENT, 0},
        {" 1", -ENOENT, 0},
        {"1x", -ENOENT, 0},
        {"no-such-name-here", -ENOENT, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int group = 0; group < 2; group++) {
            uint32_t id = 12345;
            int r = access_look_up(cases[i].name, group, &id);
            if (r == -ESRCH)
                r = -ENOENT;
            if (r != cases[i].result || id != (r == 0 ? cases[i].id : 12345))
                fail_msg("%s: %d %u", cases[i].name, r, id);
        }
}

static void a_name_that_nobody_has_is_named_with_its_key(void **state)
{
    static const char *const sentences[] = {"control.submit_users: there is no user no-such",
                                            "control.submit_groups: there is no group no-such",
                                            "control.admin_users: there is no user no-such",
                                            "control.admin_groups: there is no group no-such"};
    char *word = strdup("no-such");
    for (size_t i = 0; i < 4; i++) {
        struct strings lists[4] = {{NULL, 0}};
        struct access *a = NULL;
        struct error err = {""};
        lists[i] = (struct strings){&word, 1};
        assert_int_equal(access_new(&(struct access_lists){.submit_users = &lists[0],
                                                           .submit_groups = &lists[1],
                                                           .admin_users = &lists[2],
                                                           .admin_groups = &lists[3]},
                                    &a, &err),
                         -EINVAL);
        assert_string_equal(err.text, sentences[i]);
        assert_null(a);
    }
    free(word);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_lists_everybody_may_everything),
        cmocka_unit_test(a_list_of_submitters_keeps_others_from_submitting),
        cmocka_unit_test(a_list_of_administrators_keeps_others_from_others_jobs),
        cmocka_unit_test(administrators_may_submit_as_well),
        cmocka_unit_test(users_and_groups_are_apart),
        cmocka_unit_test(the_daemons_own_user_may_everything),
        cmocka_unit_test(names_and_numbers),
        cmocka_unit_test(a_name_that_nobody_has_is_named_with_its_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
