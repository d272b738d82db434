/* A body that broke a parser, as a file: what is written, when it is given up, which ones go. */
#include "attempt/keep.h"

#include "base/buf.h"
#include "support/testlib.h"

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

static char dir[200];

static int begin(void **state)
{
    static unsigned number;
    snprintf(dir, sizeof dir, "%s", test_path("kept%u", ++number));
    return mkdir(dir, 0700);
}

static const char *in_dir(const char *name)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static bool is_there(const char *name)
{
    return access(in_dir(name), F_OK) == 0;
}

/* A body of this text, read to its end. */
static void read_body(struct keep *keep, uint64_t max, const char *text)
{
    *keep = (struct keep){.max = max};
    keep_open(keep, dir, 7);
    keep_take(keep, text, 1);
    keep_take(keep, text + 1, strlen(text) - 1);
}

static int store(struct keep *keep, uint64_t total, uint64_t job)
{
    char *path = NULL;
    int r = keep_store(keep, dir, total, job, 2, &path);
    assert_int_equal(r == 0, path != NULL);
    free(path);
    return r;
}

static void what_the_parser_read_is_in_the_file(void **state)
{
    struct keep keep;
    struct buf got = BUF_INIT;
    struct stat st;
    char *path = NULL;
    read_body(&keep, 100, "the body");
    assert_false(is_there("job-7-attempt-3.body")); /* it has no name so far */
    assert_int_equal(keep_store(&keep, dir, 1000, 7, 3, &path), 0);
    assert_string_equal(path, in_dir("job-7-attempt-3.body"));
    assert_true(test_read_file(path, &got));
    assert_int_equal(got.len, 8);
    assert_memory_equal(got.data, "the body", 8);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    keep_take(&keep, "late", 4); /* the worker reads on */
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 8);
    assert_int_equal(store(&keep, 1000, 8), -ENODATA); /* once */
    keep_close(&keep);
    buf_deinit(&got);
    free(path);
}

static void nothing_was_kept(void **state)
{
    struct keep keep = {0};
    keep_take(&keep, "x", 1);
    assert_int_equal(store(&keep, 1000, 7), -ENODATA);
    keep_close(&keep);
    keep = (struct keep){.max = 100};
    keep_open(&keep, "/nowhere/at/all", 7);
    keep_take(&keep, "x", 1);
    assert_int_equal(store(&keep, 1000, 7), -ENODATA);
    keep_close(&keep);
}

static void a_body_may_be_too_long(void **state)
{
    struct keep keep;
    read_body(&keep, 8, "the body"); /* just enough */
    assert_int_equal(store(&keep, 1000, 7), 0);
    keep_close(&keep);
    read_body(&keep, 7, "the body");
    keep_take(&keep, "", 0);
    assert_int_equal(store(&keep, 1000, 8), -ENODATA); /* no part of it */
    assert_false(is_there("job-8-attempt-2.body"));
    keep_close(&keep);
}

/* Another daemon's, whose numbers began anew. */
static void one_of_the_same_name_is_replaced(void **state)
{
    struct keep keep;
    struct buf got = BUF_INIT;
    test_write_file(in_dir("job-7-attempt-2.body"), "older", 5);
    read_body(&keep, 100, "newer one");
    assert_int_equal(store(&keep, 1000, 7), 0);
    keep_close(&keep);
    assert_true(test_read_file(in_dir("job-7-attempt-2.body"), &got));
    assert_int_equal(got.len, 9);
    buf_deinit(&got);
}

static void write_aged(const char *name, const char *text, time_t time)
{
    const struct timespec times[2] = {{.tv_sec = time}, {.tv_sec = time}};
    test_write_file(in_dir(name), text, strlen(text));
    assert_int_equal(utimensat(AT_FDCWD, in_dir(name), times, AT_SYMLINK_NOFOLLOW), 0);
}

static void the_oldest_go(void **state)
{
    struct keep keep;
    write_aged("job-9-attempt-1.body", "12345", 1000); /* the oldest, whatever its number */
    write_aged("job-1-attempt-1.body", "12345", 2000);
    write_aged("job-2-attempt-1.body", "12345", 3000);
    read_body(&keep, 100, "12345");
    assert_int_equal(store(&keep, 14, 3), 0); /* of 20: two have to go */
    keep_close(&keep);
    assert_false(is_there("job-9-attempt-1.body"));
    assert_false(is_there("job-1-attempt-1.body"));
    assert_true(is_there("job-2-attempt-1.body"));
    assert_true(is_there("job-3-attempt-2.body"));
    read_body(&keep, 100, "12345");
    assert_int_equal(store(&keep, 15, 4), 0); /* all that are there are within it */
    keep_close(&keep);
    assert_true(is_there("job-2-attempt-1.body"));
}

/* The directory may be everybody's. */
static void other_files_stay(void **state)
{
    static const char *const others[] = {"job-1-attempt-1.body.gz", "job-x-attempt-1.body",
                                         "job-1-attempt-1.bod", "notes"};
    struct keep keep;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        write_aged(others[i], "12345", 1000);
    assert_int_equal(symlink(in_dir("notes"), test_path("link")), 0);
    assert_int_equal(rename(test_path("link"), in_dir("job-5-attempt-1.body")), 0);
    write_aged("job-6-attempt-1.body", "12345", 3000);
    read_body(&keep, 100, "12345");
    assert_int_equal(store(&keep, 5, 7), 0);
    keep_close(&keep);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_true(is_there(others[i]));
    assert_true(is_there("job-5-attempt-1.body")); /* a link is none of ours */
    assert_false(is_there("job-6-attempt-1.body"));
    assert_true(is_there("job-7-attempt-2.body"));
}

static void failures_that_speak_of_the_body(void **state)
{
    static const enum error_kind worth[] = {KIND_PARSER_FAILED, KIND_PARSER_TIMEOUT,
                                            KIND_PARSER_CRASHED, KIND_DECODE_ERROR,
                                            KIND_UNEXPECTED};
    for (int kind = 0; kind < KIND_COUNT_; kind++) {
        bool is = false;
        for (size_t i = 0; i < sizeof worth / sizeof worth[0]; i++)
            is = is || worth[i] == (enum error_kind)kind;
        assert_int_equal(keep_worth((enum error_kind)kind), is);
    }
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup(test, begin)
    const struct CMUnitTest tests[] = {
        EACH(what_the_parser_read_is_in_the_file),
        EACH(nothing_was_kept),
        EACH(a_body_may_be_too_long),
        EACH(one_of_the_same_name_is_replaced),
        EACH(the_oldest_go),
        EACH(other_files_stay),
        cmocka_unit_test(failures_that_speak_of_the_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
