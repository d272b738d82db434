/* What a stage says of a path that the service must not touch, as the operator is told it. The
 * tests run as a user who is refused something: root's are nobody's for access(2). */
#include "parse/refusal.h"

#include "support/testlib.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define NOBODY 65534

static const char *shut, *open_file; /* a path in a directory that is closed, and one that is not */

static int begin(void **state)
{
    const char *dir = test_path("shut");
    open_file = test_path("open");
    test_write_file(open_file, "x", 1);
    assert_int_equal(chmod(test_dir(), 0777), 0);
    assert_int_equal(chmod(open_file, 0666), 0);
    assert_int_equal(mkdir(dir, 0), 0);
    shut = test_path("shut/file");
    setenv("PENSTOCK_SANDBOX", "/etc/systemd/penstock.d", 1);
    return geteuid() == 0 ? setreuid(NOBODY, (uid_t)-1) : 0;
}

static int end(void **state)
{
    if (geteuid() == 0 && setreuid(0, (uid_t)-1) < 0)
        return -1;
    prctl(PR_SET_DUMPABLE, 1); /* for who looks for leaks at the exit */
    return chmod(test_path("shut"), 0700);
}

/* `form` has an @ where the path is. */
static bool finds(const char *form, const char *path, struct error *err)
{
    char said[512];
    const char *at = strchr(form, '@');
    snprintf(said, sizeof said, "%.*s%s%s", (int)(at - form), form, path, at + 1);
    return refusal_find(said, err);
}

static void the_path_is_named_with_the_remedy(void **state)
{
    static const char *const forms[] = {
        "cat: @: Permission denied",
        "sort: open failed: @: Permission denied\n",
        "sh: 1: cannot create @: Permission denied",
        "PermissionError: [Errno 13] Permission denied: '@'\n",
        "Permission denied: \"@\"",
        "tool: cannot open `@': Permission denied",
        "awk: cannot open \"@\" (Permission denied)",
        "first line\ncp: cannot stat '@': Permission denied\nlast line",
        "open(@): Permission denied",
        "path=@: Permission denied",
        "Permission denied. Nothing of it\nx: @: Permission denied",
        "tar: @: Read-only file system",
        "mv: @: Operation not permitted",
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct error err = {""};
        if (!finds(forms[i], shut, &err))
            fail_msg("%s", forms[i]);
        assert_memory_equal(err.text, shut, strlen(shut));
        assert_non_null(strstr(err.text, " for the service: if stages shall have it, grant it as "
                                         "/etc/systemd/penstock.d shows"));
    }
}

static void the_error_is_the_one_that_was_said(void **state)
{
    struct error err = {""};
    char number[32];
    assert_true(finds("@: Read-only file system", shut, &err));
    snprintf(number, sizeof number, "(errno %d)", EROFS);
    assert_non_null(strstr(err.text, "Read-only file system "));
    assert_non_null(strstr(err.text, number));
}

/* What is said of a path that this user may well read and write is not the sandbox's doing. */
static void what_is_not_refused_is_not_told(void **state)
{
    static const char *const others[] = {
        "",
        "no error at all",
        "Permission denied",
        "cat: relative/file: Permission denied",
        "cat: /: Permission denied",
        "permission denied: /root/x", /* other words are none of strerror(3)'s */
    };
    struct error err = {""};
    assert_false(finds("cat: @: Permission denied", open_file, &err));
    assert_false(finds("cat: @: No such file or directory", shut, &err));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (refusal_find(others[i], &err))
            fail_msg("%s: %s", others[i], err.text);
    assert_string_equal(err.text, "");
}

/* One that could be made where this user may make files, or whose directory is not there. */
static void a_file_that_is_not_there_yet(void **state)
{
    struct error err = {""};
    assert_false(finds("@: Permission denied", test_path("new"), &err));
    assert_false(finds("@: Permission denied", test_path("no/such/dir"), &err));
}

static void without_a_sandbox_nothing_is_told(void **state)
{
    struct error err = {""};
    setenv("PENSTOCK_SANDBOX", "", 1);
    assert_null(refusal_remedy());
    assert_false(finds("cat: @: Permission denied", shut, &err));
    unsetenv("PENSTOCK_SANDBOX");
    assert_null(refusal_remedy());
    setenv("PENSTOCK_SANDBOX", "/x", 1);
    assert_string_equal(refusal_remedy(), "/x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_path_is_named_with_the_remedy),
        cmocka_unit_test(the_error_is_the_one_that_was_said),
        cmocka_unit_test(what_is_not_refused_is_not_told),
        cmocka_unit_test(a_file_that_is_not_there_yet),
        cmocka_unit_test(without_a_sandbox_nothing_is_told),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
