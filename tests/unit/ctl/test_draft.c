/* A file that takes the place of another: all of it or nothing, and nothing is left beside it. */
#include "ctl/draft.h"

#include "base/buf.h"
#include "support/testlib.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static char dir[200], path[300];
static struct draft draft;

static int begin(void **state)
{
    static unsigned number;
    snprintf(dir, sizeof dir, "%s", test_path("draft%u", ++number));
    snprintf(path, sizeof path, "%s/out.txt", dir);
    return mkdir(dir, 0700);
}

static void write_draft(const char *text)
{
    assert_int_equal(draft_open(&draft, path), 0);
    assert_int_equal(write(draft.fd, text, strlen(text)), strlen(text));
}

static void holds(const char *text)
{
    struct buf got = BUF_INIT;
    assert_true(test_read_file(path, &got));
    assert_int_equal(got.len, strlen(text));
    assert_memory_equal(got.data, text, got.len);
    buf_deinit(&got);
}

/* How many files there are in all, hidden ones too. */
static unsigned files(void)
{
    unsigned count = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d));)
        count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return count;
}

static void until_it_is_kept_the_old_one_stands(void **state)
{
    struct stat st;
    test_write_file(path, "old", 3);
    write_draft("new");
    holds("old");
    assert_int_equal(files(), 2);
    assert_int_equal(fstat(draft.fd, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(fcntl(draft.fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(draft_keep(&draft, true, false), 0);
    assert_null(draft.name); /* nothing of that name is removed later, whoever makes it */
    holds("new");
    draft_close(&draft);
    holds("new"); /* what is kept is no draft any more */
    assert_int_equal(files(), 1);
}

static void one_that_is_given_up_leaves_nothing(void **state)
{
    test_write_file(path, "old", 3);
    write_draft("half");
    draft_close(&draft);
    holds("old");
    assert_int_equal(files(), 1);
    draft_close(&draft); /* once more is nothing */
}

static void nothing_is_replaced_unasked(void **state)
{
    write_draft("first");
    assert_int_equal(draft_keep(&draft, false, true), 0);
    holds("first");
    draft_close(&draft);
    write_draft("second");
    assert_int_equal(draft_keep(&draft, false, true), -EEXIST);
    holds("first");
    assert_int_equal(files(), 2); /* it is there still, until it is closed */
    draft_close(&draft);
    assert_int_equal(files(), 1);
    holds("first");
}

/* A link that leads elsewhere is replaced itself; where it led stays as it was. */
static void links_are_not_followed(void **state)
{
    char target[300];
    struct stat st;
    snprintf(target, sizeof target, "%s/elsewhere", dir);
    test_write_file(target, "kept", 4);
    assert_int_equal(symlink(target, path), 0);
    write_draft("new");
    assert_int_equal(draft_keep(&draft, true, true), 0);
    draft_close(&draft);
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    holds("new");
    assert_int_equal(stat(target, &st), 0);
    assert_int_equal(st.st_size, 4);
}

static void without_a_folder_there_is_none(void **state)
{
    char nowhere[300];
    snprintf(nowhere, sizeof nowhere, "%s/no/out", dir);
    assert_int_equal(draft_open(&draft, nowhere), -ENOENT);
    draft_close(&draft);
    assert_int_equal(files(), 0);
}

static void a_folder_is_not_replaced(void **state)
{
    assert_int_equal(mkdir(path, 0700), 0);
    write_draft("new");
    assert_int_equal(draft_keep(&draft, true, false), -EISDIR);
    draft_close(&draft);
    assert_int_equal(files(), 1);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup(test, begin)
    const struct CMUnitTest tests[] = {
        EACH(until_it_is_kept_the_old_one_stands), EACH(one_that_is_given_up_leaves_nothing),
        EACH(nothing_is_replaced_unasked),         EACH(links_are_not_followed),
        EACH(without_a_folder_there_is_none),      EACH(a_folder_is_not_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
